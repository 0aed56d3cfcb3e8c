# SPDX-License-Identifier: MIT
"""Load a BPF object as if the kernel's types were others: relocations are made for those.

usage: other_btf.py OBJECT early|apart|no-ipv6
early: TIME_WAIT sockets are counted from 0, as before Linux 5.18.
apart: netns_ipv4.tcp_death_row is a pointer, as in Linux 5.18 to 6.0.
no-ipv6: sock_common has no skc_v6_daddr, as with CONFIG_IPV6=n.
Exit status 0 when the kernel takes all programs of it.
"""
import ctypes
import struct
import sys
import tempfile

INT, PTR, ARRAY, STRUCT, UNION, ENUM, TYPEDEF = 1, 2, 3, 4, 5, 6, 8
PROTO, VAR, DATASEC, TAG, ENUM64 = 13, 14, 15, 17, 19
EXTRA = {INT: (4, 0), ARRAY: (12, 0), STRUCT: (0, 12), UNION: (0, 12), ENUM: (0, 8), PROTO: (0, 8),
         VAR: (4, 0), DATASEC: (0, 12), TAG: (4, 0), ENUM64: (0, 12)}


class Types:
    """The kernel's BTF, of which members can be changed."""

    def __init__(self, path):
        with open(path, "rb") as file:
            raw = file.read()
        self.head = raw[:8]
        length, types, types_size, strings, strings_size = struct.unpack_from("=IIIII", raw, 4)
        self.types = bytearray(raw[length + types:length + types + types_size])
        self.strings = bytearray(raw[length + strings:length + strings + strings_size])
        self.count, self.structs, self.typedefs = 0, {}, {}
        at = 0
        while at < len(self.types):
            name, info, _ = struct.unpack_from("=III", self.types, at)
            kind, members = info >> 24 & 31, info & 0xffff
            self.count += 1
            if kind == STRUCT:
                self.structs[self.string(name)] = (self.count, at, members)
            elif kind == TYPEDEF:
                self.typedefs[self.string(name)] = self.count
            fixed, each = EXTRA.get(kind, (0, 0))
            at += 12 + fixed + each * members

    def string(self, at):
        return self.strings[at:self.strings.index(0, at)].decode()

    def member(self, name, member):
        _, at, members = self.structs[name]
        for i in range(members):
            if self.string(struct.unpack_from("=I", self.types, at + 12 + 12 * i)[0]) == member:
                return at + 12 + 12 * i
        raise KeyError(member)

    def rename(self, name, member, to):
        struct.pack_into("=I", self.types, self.member(name, member), len(self.strings))
        self.strings += to.encode() + b"\0"

    def retype(self, name, member, typedef):
        struct.pack_into("=I", self.types, self.member(name, member) + 4, self.typedefs[typedef])

    def make_pointer(self, name, member, to):
        at = self.member(name, member)
        self.types += struct.pack("=III", 0, PTR << 24, self.structs[to][0])
        self.count += 1
        struct.pack_into("=I", self.types, at + 4, self.count)

    def write(self, file):
        while len(self.types) % 4:
            self.types += b"\0"
        file.write(self.head[:4] + struct.pack("=IIIII", 24, 0, len(self.types), len(self.types),
                                               len(self.strings)) + self.types + self.strings)
        file.flush()


def load(path, btf):
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    libbpf.bpf_object__open_file.restype = ctypes.c_void_p
    path_of_btf = ctypes.c_char_p(btf.encode())
    # struct bpf_object_open_opts, as far as btf_custom_path.
    options = (ctypes.c_char_p * 7)()
    ctypes.memmove(options, ctypes.byref(ctypes.c_size_t(56)), 8)
    options[6] = path_of_btf.value
    obj = libbpf.bpf_object__open_file(path.encode(), options)
    if not obj:
        return 1
    rc = libbpf.bpf_object__load(ctypes.c_void_p(obj))
    libbpf.bpf_object__close(ctypes.c_void_p(obj))
    return 1 if rc else 0


def main():
    types = Types("/sys/kernel/btf/vmlinux")
    if sys.argv[2] == "apart":
        types.make_pointer("netns_ipv4", "tcp_death_row", "inet_timewait_death_row")
    elif sys.argv[2] == "no-ipv6":
        types.rename("sock_common", "skc_v6_daddr", "skc_v6_none")
    elif sys.argv[2] == "early":
        types.retype("inet_timewait_death_row", "tw_refcount", "atomic_t")
        types.rename("inet_timewait_death_row", "tw_refcount", "tw_count")
    else:
        return 2
    with tempfile.NamedTemporaryFile() as file:
        types.write(file)
        return load(sys.argv[1], file.name)


sys.exit(main())
