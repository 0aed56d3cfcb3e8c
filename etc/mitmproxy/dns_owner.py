#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Example: a DNS relay that knows who asks, by protocol and source port.

    dns_owner.py LISTEN_PORT UPSTREAM UPSTREAM_PORT

A relay that queries are redirected to (nftables "udp dport 53 redirect to :5353"),
or a reader of an NFQUEUE behind such a rule, does not see where the sender wanted
to go. It has the protocol and the source, and conn-list finds the owner by the port:
the newest entry in the namespace that has the address, where the port was used before.
Nobody is named for a query from another host: see connpin_place.py, which belongs beside
this file.

conn-list reads the whole table for each query, up to 22 ms for a full one of 65,536
entries. The standard library is enough. For each query a line: NAME, a tab, and the
process, or null.
"""

import json
import socket
import subprocess
import sys

from connpin_place import OWN, locate, plain_address

LIST_SECONDS = 2  # conn-list takes a hundredth of it


def owner(protocol, source):
    """The newest entry of this source address and port, or one with "error", or None."""
    try:
        place = locate(source)
    except OSError as error:
        return {"error": f"cannot ask the kernel whose {source[0]} is: {error}"}
    if place is None:
        return None
    command = ["conn-list", "-j", "-p", protocol, "--src-port", str(source[1])]
    try:
        listed = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=LIST_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    if listed.returncode != 0:
        return {"error": listed.stderr.strip()}
    entries = [json.loads(line) for line in listed.stdout.splitlines()]
    return newest(place, plain_address(source[0]), entries)


def newest(place, address, entries):
    if place.netns is None:  # which of the others it is may not be known
        entries = [e for e in entries if e.get("netns") not in (None, OWN.netns)]
    else:
        entries = [e for e in entries if e.get("netns") == place.netns]
    # When nobody's has this address, a socket that had none yet when it sent may be the one.
    exact = [e for e in entries if e["src_ip"] == address]
    entries = exact or [e for e in entries if e["src_ip"] is None]
    if not entries:
        return {"error": "not found"}
    if len({e["netns"] for e in entries}) > 1:
        return {"error": "several network namespaces have used this port"}
    # An entry whose age is not known (null) may be any: last.
    age = [e.get("age_seconds") for e in entries]
    return entries[min(range(len(age)), key=lambda i: (age[i] is None, age[i] or 0))]


def query_name(packet):
    """The name of the first question; only printable ASCII, whatever was sent."""
    labels, at = [], 12
    while at < len(packet) and 0 < packet[at] < 64:
        labels.append(packet[at + 1 : at + 1 + packet[at]])
        at += 1 + packet[at]
    text = b".".join(labels).decode("ascii", "replace")
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in text) or "."


def relay(packet, upstream):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.connect(upstream)
        sock.send(packet)
        return sock.recv(65535)


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: dns_owner.py LISTEN_PORT UPSTREAM UPSTREAM_PORT")
    upstream = (sys.argv[2], int(sys.argv[3]))
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        packet, client = listener.recvfrom(65535)
        found = owner("udp", client)
        print(f"{query_name(packet)}\t{json.dumps(found)}", flush=True)
        try:
            listener.sendto(relay(packet, upstream), client)
        except OSError as error:
            print(f"no answer from {upstream[0]}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
