# SPDX-License-Identifier: MIT
"""mitmproxy add-on: which process opened this flow?

    mitmdump -s connpin_addon.py

Each client that connects is looked up once, and the answer goes with its flows as
flow.metadata["connpin"]: the object of "conn-lookup -j", or one with "error". The
questions go to a "conn-lookup -" that runs as long as the proxy does. When
connpin is not attached the proxy goes on, and the log says so once.

The user of the proxy must be a member of the group connpin. What that user may not
read of another user's process (exe, cmdline) is None.

Only the standard library, and mitmproxy 8 or later.
"""

import ipaddress
import json
import logging
import os
import select
import subprocess
import time

from mitmproxy import ctx

ANSWER_SECONDS = 1.0  # a look-up takes well under a millisecond
RETRY_SECONDS = 5.0  # after a failure, before conn-lookup is started again


class Unavailable(Exception):
    """There is nobody to answer; the text says why."""


class Lookup:
    """One long-lived "conn-lookup -", started by the first question."""

    def __init__(self, *command):
        self.command = command
        self.process = None
        self.retry_at = 0.0
        self.reason = ""

    def ask(self, protocol, address, source_port, port):
        if self.process is None:
            self._start()
        question = f"{protocol} {address} {source_port} {port}\n"
        try:
            self.process.stdin.write(question.encode("ascii"))
            return json.loads(self._read_line())
        except (OSError, ValueError) as error:
            self._give_up(str(error))

    def stop(self):
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                pipe.close()

    def _start(self):
        if time.monotonic() < self.retry_at:
            raise Unavailable(self.reason)
        try:
            self.process = subprocess.Popen(
                [*self.command, "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:
            self._give_up(str(error))

    def _read_line(self):
        """An answer is a line. The proxy stands still meanwhile: not for long."""
        line = b""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise OSError(f"no answer in {ANSWER_SECONDS:g} s")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise OSError("it ended without a word")
            line += part
        return line

    def _give_up(self, reason):
        """An answer that comes late would be taken for the next one: start afresh."""
        if self.process is not None:
            # What it said itself is more to the point: that connpin is not attached.
            if select.select([self.process.stderr], [], [], 0)[0]:
                said = os.read(self.process.stderr.fileno(), 4096)
                reason = said.decode("utf-8", "replace").strip() or reason
            self.stop()
        self.retry_at = time.monotonic() + RETRY_SECONDS
        self.reason = f"{self.command[0]}: {reason}"
        raise Unavailable(self.reason)


def plain_address(address):
    """::ffff:192.0.2.1 as 192.0.2.1, and without the %eth0 of a link-local one."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def protocol_of(client):
    # mitmproxy 8 calls the clients of its DNS server tcp; all of them are UDP.
    if not hasattr(client, "proxy_mode") and getattr(ctx.options, "dns_server", False):
        if client.sockname[1] == ctx.options.dns_listen_port:
            return "udp"
    return getattr(client, "transport_protocol", "tcp")


def log(level, text):
    # mitmproxy 8 shows its own log alone, later versions Python's.
    if hasattr(ctx, "log"):
        getattr(ctx.log, level)(text)
    else:
        logging.log({"info": logging.INFO, "warn": logging.WARNING}[level], text)


def describe(answer):
    if "error" in answer:
        return answer["error"]
    # The name is the process's own choice: ASCII, and nothing that moves a cursor.
    name = answer.get("exe") or answer.get("comm")
    status = answer.get("status")
    words = [f"process {answer['pid']}"]
    words += [json.dumps(name)] if name else []
    words += [f"({status})"] if status not in (None, "live") else []
    return " ".join(words)


class Connpin:
    def __init__(self):
        self.here = self.anywhere = None  # a Lookup each
        self.answers = {}  # by the id of the client's connection
        self.warned = False

    def load(self, loader):
        loader.add_option("connpin_lookup", str, "conn-lookup", "The command conn-lookup.")

    def configure(self, updated):
        if "connpin_lookup" in updated:
            self.done()
            command = ctx.options.connpin_lookup
            # A client in another network namespace may have the port that the proxy
            # itself, or a stranger, used for the same destination: the latest is meant.
            # What is on loopback never left the proxy's own.
            self.here = Lookup(command)
            self.anywhere = Lookup(command, "--netns", "any")

    def done(self):
        for lookup in (self.here, self.anywhere):
            if lookup is not None:
                lookup.stop()

    def client_connected(self, client):
        # mitmproxy 8 finds out where a redirected client wanted to go after this event.
        if not hasattr(client, "proxy_mode") and ctx.options.mode == "transparent":
            return
        self.look_up(client, client.sockname)

    def next_layer(self, layer):
        client, server = layer.context.client, layer.context.server
        if client.id not in self.answers and server.address:
            self.look_up(client, server.address)

    def server_connect(self, data):
        if data.client.id not in self.answers and data.server.address:
            self.look_up(data.client, data.server.address)

    def client_disconnected(self, client):
        self.answers.pop(client.id, None)

    def look_up(self, client, destination):
        try:
            address = plain_address(destination[0])
            lookup = self.here if ipaddress.ip_address(address).is_loopback else self.anywhere
            answer = lookup.ask(protocol_of(client), address, client.peername[1], destination[1])
            if self.warned:
                log("info", "connpin: answers again")
            self.warned = False
        except Unavailable as error:
            if not self.warned:
                log("warn", f"connpin: flows go on without their process: {error}")
            self.warned = True
            answer = {"error": str(error)}
        except ValueError as error:  # an address that is none, such as a socket's path
            answer = {"error": str(error)}
        if "pid" in answer:
            log("info", f"connpin: {client.peername[0]}:{client.peername[1]} is {describe(answer)}")
        self.answers[client.id] = answer

    def mark(self, flow):
        answer = self.answers.get(flow.client_conn.id)
        if answer is not None:
            flow.metadata.setdefault("connpin", answer)

    # The first event of each kind of flow.
    http_connect = requestheaders = tcp_start = udp_start = dns_request = mark


addons = [Connpin()]
