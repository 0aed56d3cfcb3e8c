# SPDX-License-Identifier: MIT
"""Whether the table's hash is SipHash-1-3: as Python hashes bytes, whose key a variable sets.

usage: siphash.py COLLISIONS, the program of test/collisions.c. Prints how many keys agreed.
"""
import os
import random
import struct
import subprocess
import sys

PYTHON = "import sys; print('%016x' % (hash(bytes.fromhex(sys.argv[1])) & (2**64 - 1)))"

assert sys.hash_info.algorithm == "siphash13", sys.hash_info
for seed in range(1, 21):
    # Python/bootstrap_hash.c, lcg_urandom(): the key that PYTHONHASHSEED makes.
    x, key = seed, bytearray()
    for _ in range(16):
        x = (x * 214013 + 2531011) & 0xFFFFFFFF
        key.append(x >> 16 & 0xFF)
    halves = ["%016x" % half for half in struct.unpack("=QQ", key)]
    dst = random.randbytes(16)
    src_port, dst_port, protocol = random.randrange(65536), random.randrange(65536), random.choice([6, 17])
    message = dst + struct.pack("=HHB", src_port, dst_port, protocol)
    want = subprocess.run(
        [sys.executable, "-c", PYTHON, message.hex()],
        env={"PYTHONHASHSEED": str(seed)}, stdout=subprocess.PIPE, check=True).stdout
    got = subprocess.run(
        [sys.argv[1], "HASH", *halves, dst.hex(), str(src_port), str(dst_port), str(protocol)],
        stdout=subprocess.PIPE, check=True).stdout
    assert got == want, (seed, got, want)
print(seed)
