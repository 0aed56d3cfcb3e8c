# SPDX-License-Identifier: MIT
"""Where is a client? In this network namespace, in one beside it, or on another host.

A port says nothing of the host that it is on. Before conn-lookup is asked for the process
behind a peer's address and port, locate() asks the kernel whose that address is, anew each
time: addresses come and go.

- OWN: an address of the network namespace that asks; all that the routing table calls
  local, 127.0.0.0/8 included.
- Another Namespace of this host, such as a container's, that has the address and that the
  route to the address leads into, by a veth pair or a bridge's port. Its number is known
  to root and to who owns its processes.
  That any namespace has the address would not do: whoever may make one (unshare -Urn) can
  give it any address.
- None: another host, or nothing that can be told, such as a namespace behind a router.

Nothing here needs a privilege. The standard library is enough.
"""

import ipaddress
import os
import re
import socket
import struct

# include/uapi/linux/netlink.h, rtnetlink.h, if_link.h, net_namespace.h
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
RTM_GETLINK, RTM_GETROUTE, RTM_GETNSID = 18, 26, 90
RTA_DST, RTA_OIF = 1, 4
RTN_LOCAL = 2
IFLA_LINK, IFLA_MASTER, IFLA_EXT_MASK, IFLA_LINK_NETNSID = 5, 10, 29, 37
RTEXT_FILTER_SKIP_STATS = 8
NETNSA_NSID, NETNSA_PID = 1, 2


class Namespace:
    """A network namespace; netns is its number, or None where that may not be read."""

    def __init__(self, netns):
        self.netns = netns


OWN = Namespace(os.stat("/proc/self/ns/net").st_ino)


def plain_address(text):
    """::ffff:192.0.2.1 as 192.0.2.1, and without the %eth0 of a link-local one."""
    parsed = ipaddress.ip_address(text.partition("%")[0])
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


class Refused(OSError):
    """The kernel's answer is an error. (Another OSError: it can't be asked.)"""


class Netlink:
    """One question after another to the kernel, which answers before send() returns."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, kind, body, flags=0):
        """The bodies of all answers."""
        head = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, 1, 0)
        self.socket.send(head + body)
        answers = []
        while True:
            data = self.socket.recv(65536)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                body = data[16:length]
                if kind == NLMSG_ERROR:
                    error = -struct.unpack_from("=i", body)[0]
                    raise Refused(error, os.strerror(error))
                if kind == NLMSG_DONE:
                    return answers
                answers.append(body)
                if not flags:
                    return answers
                data = data[(length + 3) & ~3 :]


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def number(kind, value):
    return attribute(kind, struct.pack("=i", value))


def attributes(data):
    """Those behind a message's head, by kind."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def to_number(value):
    return None if value is None else struct.unpack("=i", value)[0]


def route_to(netlink, address, zone):
    """Whether ADDRESS is local, and the interface that leads to it; None without a route."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    head = struct.pack("=8BI", family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    body = head + attribute(RTA_DST, address.packed)
    if zone:
        # The same link-local address may be ours on one interface, and a stranger's on another.
        index = int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
        body += number(RTA_OIF, index)
    try:
        answer = netlink.ask(RTM_GETROUTE, body)[0]
    except Refused:
        return False, None
    return answer[7] == RTN_LOCAL, to_number(attributes(answer[12:]).get(RTA_OIF))


def links(netlink, index=0, master=None):
    """The interface INDEX, or those below MASTER: index and attributes of each."""
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0)
    body += number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    if master is not None:
        body += number(IFLA_MASTER, master)
    try:
        answers = netlink.ask(RTM_GETLINK, body, NLM_F_DUMP if master is not None else 0)
    except Refused:  # it has just gone
        return
    for answer in answers:
        found = attributes(answer[16:])
        # A kernel that does not filter by it answers all.
        if master is None or to_number(found.get(IFLA_MASTER)) == master:
            yield struct.unpack_from("=i", answer, 4)[0], found


def namespaces_behind(netlink, index):
    """The ids of the namespaces that interface INDEX leads into, itself or by its ports."""
    found, seen, todo = set(), set(), [(index, None)]
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        for port, of in links(netlink, *place):
            nsid = to_number(of.get(IFLA_LINK_NETNSID))
            if nsid is not None:
                found.add(nsid)
                continue
            todo.append((0, port))
            if IFLA_LINK in of:  # a VLAN of a bridge
                todo.append((to_number(of[IFLA_LINK]), None))
    return found


def nsid_of(netlink, pid):
    """The id by which we know the network namespace of process PID, or -1."""
    try:
        answer = netlink.ask(RTM_GETNSID, b"\0\0\0\0" + number(NETNSA_PID, pid))[0]
    except Refused:  # it has ended
        return -1
    return to_number(attributes(answer[4:]).get(NETNSA_NSID, struct.pack("=i", -1)))


def has_address(pid, address):
    """Whether the network namespace of process PID has ADDRESS."""
    if address.version == 6:
        with open(f"/proc/{pid}/net/if_inet6", encoding="ascii") as file:
            return any(line.startswith(address.packed.hex()) for line in file)
    with open(f"/proc/{pid}/net/fib_trie", encoding="ascii") as file:
        leaf = rf"\|-- {re.escape(str(address))}\n(?: +/\d+ .*\n)*? +/32 host LOCAL\n"
        return re.search(leaf, file.read()) is not None


class Namespaces:
    """A process in each namespace that was met; asked again whether it still is in it."""

    def __init__(self):
        self.process = {}  # by the namespace's id

    def find(self, netlink, nsid):
        pid = self.process.get(nsid)
        if pid is not None and nsid_of(netlink, pid) == nsid:
            return pid
        for name in os.listdir("/proc"):
            if name.isdigit() and nsid_of(netlink, int(name)) == nsid:
                self.process[nsid] = int(name)
                return int(name)
        self.process.pop(nsid, None)
        return None

    def neighbour(self, netlink, nsid, address):
        """The namespace, if it has ADDRESS."""
        pid = self.find(netlink, nsid)
        try:
            if pid is None or not has_address(pid, address):
                return None
            netns = os.stat(f"/proc/{pid}/ns/net").st_ino
        except PermissionError:
            netns = None
        except OSError:  # it has just ended
            return None
        # All of this was of one namespace, if the process is still in it.
        return Namespace(netns) if nsid_of(netlink, pid) == nsid else None


NAMESPACES = Namespaces()


def locate(peer):
    """Where PEER is, as getpeername() has it: OWN, another Namespace, or None.

    ValueError: it has no address. OSError: the kernel can't be asked.
    """
    text, _, zone = peer[0].partition("%")
    if not zone and len(peer) > 3 and peer[3]:
        zone = str(peer[3])
    address = ipaddress.ip_address(plain_address(text))
    with Netlink() as netlink:
        is_local, interface = route_to(netlink, address, zone)
        if is_local:
            return OWN
        if interface is None:
            return None
        found = [
            neighbour
            for nsid in namespaces_behind(netlink, interface)
            if (neighbour := NAMESPACES.neighbour(netlink, nsid, address))
        ]
    # Two that claim one address, on one bridge: either may be the one.
    return found[0] if len(found) == 1 else None
