# SPDX-License-Identifier: MIT
"""mitmproxy add-on: which process opened this flow?

    mitmdump -s connpin_addon.py

Each client on this host that connects is looked up once, and the answer goes with its
flows as flow.metadata["connpin"]: the object of "conn-lookup -j", or one with "error". Of
a client on another host the metadata says nothing: see connpin_place.py, which belongs
beside this file.

The questions go to a "conn-lookup -" that runs as long as the proxy does. A flow waits for
its own answer, a second at most, and no other flow does. When nobody answers, as when
connpin is not attached, the proxy goes on, and the log says so once.

The user of the proxy must be a member of the group connpin. What that user may not
read of another user's process (exe, cmdline) is None.

Only the standard library, and mitmproxy 8 or later.
"""

import asyncio
import json
import logging
import os
import subprocess
import time

from connpin_place import OWN, locate, plain_address
from mitmproxy import ctx

ANSWER_SECONDS = 1.0  # a look-up takes well under a millisecond
RETRY_SECONDS = 5.0  # after a failure, before conn-lookup is started again
ANSWER_BYTES = 1 << 20  # ten times what the longest takes


class Unavailable(Exception):
    """There is nobody to answer; the text says why."""


class Lookup:
    """One long-lived "conn-lookup -", started by the first question.

    It answers in order: those who wait stand in a queue. Nothing here blocks but the start
    of the process, and all of it works with any number of open descriptors.
    """

    def __init__(self, *command):
        self.command = command
        self.process = None
        self.said = b""  # the beginning of an answer
        self.waiting = []  # a future for each answer that is due
        self.retry_at = 0.0
        self.reason = ""
        self.ended = []  # processes that were killed

    async def ask(self, *words):
        if self.process is None:
            self._start()
        process, answer = self.process, asyncio.get_running_loop().create_future()
        try:
            # Short, so that it is written whole, or not at all when the pipe is full.
            os.write(process.stdin.fileno(), " ".join(map(str, words)).encode("ascii") + b"\n")
        except (OSError, ValueError) as error:
            raise self._give_up(str(error)) from error
        self.waiting.append(answer)
        await asyncio.wait([answer], timeout=ANSWER_SECONDS)
        if not answer.done():
            raise self._give_up(f"no answer in {ANSWER_SECONDS:g} s")
        if answer.result() is None:  # another question's failure is this one's too
            raise Unavailable(self.reason)
        try:
            return dict(json.loads(answer.result()))
        except (TypeError, ValueError) as error:
            raise self._give_up(f"no JSON object: {error}", process) from error

    def stop(self):
        process, self.process = self.process, None
        if process is not None:
            asyncio.get_running_loop().remove_reader(process.stdout.fileno())
            process.kill()
            self.ended.append(process)
            self._reap()
            for pipe in (process.stdin, process.stdout, process.stderr):
                pipe.close()
        waiting, self.waiting, self.said = self.waiting, [], b""
        for answer in waiting:
            if not answer.done():
                answer.set_result(None)

    def _reap(self):
        """A process may take its time to die: nobody waits for it meanwhile."""
        self.ended = [old for old in self.ended if old.poll() is None]
        if self.ended:
            asyncio.get_running_loop().call_later(0.1, self._reap)

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
            raise self._give_up(str(error)) from error
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            os.set_blocking(pipe.fileno(), False)
        asyncio.get_running_loop().add_reader(self.process.stdout.fileno(), self._read)

    def _read(self):
        try:
            part = os.read(self.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._give_up(str(error))
            return
        *lines, self.said = (self.said + part).split(b"\n")
        if not part:
            self._give_up("it ended without a word")
        elif len(lines) > len(self.waiting) or len(self.said) > ANSWER_BYTES:
            self._give_up("it said more than it was asked")
        else:
            for line in lines:
                answer = self.waiting.pop(0)
                if not answer.done():
                    answer.set_result(line)

    def _give_up(self, reason, process=None):
        """An answer that comes late would be taken for the next one: start afresh."""
        if process is not None and process is not self.process:
            return Unavailable(reason)  # of one that was given up before
        if self.process is not None:
            # What it said itself is more to the point: that connpin is not attached.
            try:
                said = os.read(self.process.stderr.fileno(), 4096)
                reason = said.decode("utf-8", "replace").strip() or reason
            except OSError:
                pass
        self.retry_at = time.monotonic() + RETRY_SECONDS
        self.reason = f"{self.command[0]}: {reason}"
        self.stop()
        return Unavailable(self.reason)


def protocol_of(client):
    # mitmproxy 8 calls the clients of its DNS server tcp; all of them are UDP.
    if not hasattr(client, "proxy_mode") and getattr(ctx.options, "dns_server", False):
        if client.sockname[1] == ctx.options.dns_listen_port:
            return "udp"
    return getattr(client, "transport_protocol", "tcp")


def is_of(answer, place):
    """Whether the process is of the client's namespace, or nobody is named."""
    if "pid" not in answer:
        return True
    if place.netns is not None:
        return answer.get("netns") == place.netns
    # Which one it is may not be known. Anyone can make a namespace with that address, and
    # the same connection in it: then there are two.
    return answer.get("netns") not in (None, OWN.netns) and answer.get("matches", 1) == 1


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
        self.own = self.any = None  # a Lookup each
        self.answers = {}  # by the id of the client's connection; None: nothing to say
        self.warned = False

    def load(self, loader):
        loader.add_option("connpin_lookup", str, "conn-lookup", "The command conn-lookup.")

    def configure(self, updated):
        if "connpin_lookup" in updated:
            self.done()
            command = ctx.options.connpin_lookup
            # What another namespace did on the same ports is no answer for a client here.
            self.own = Lookup(command, "--netns", "/proc/self/ns/net")
            self.any = Lookup(command, "--netns", "any")

    def done(self):
        for lookup in (self.own, self.any):
            if lookup is not None:
                lookup.stop()

    async def client_connected(self, client):
        # mitmproxy 8 finds out where a redirected client wanted to go after this event.
        if not hasattr(client, "proxy_mode") and ctx.options.mode == "transparent":
            return
        await self.look_up(client, client.sockname)

    async def next_layer(self, layer):
        client, server = layer.context.client, layer.context.server
        if client.id not in self.answers and server.address:
            await self.look_up(client, server.address)

    async def server_connect(self, data):
        if data.client.id not in self.answers and data.server.address:
            await self.look_up(data.client, data.server.address)

    def client_disconnected(self, client):
        self.answers.pop(client.id, None)

    async def look_up(self, client, destination):
        self.answers[client.id] = None
        answer = await self.answer_for(client, destination)
        if client.id not in self.answers:  # it has gone meanwhile
            return
        self.answers[client.id] = answer
        if answer is not None and "pid" in answer:
            peer = f"{client.peername[0]}:{client.peername[1]}"
            log("info", f"connpin: {peer} is {describe(answer)}")

    async def answer_for(self, client, destination):
        try:
            place = locate(client.peername)
        except ValueError:  # an address that is none, such as a socket's path
            return None
        except OSError as error:
            return self.unavailable(f"cannot ask the kernel whose an address is: {error}")
        if place is None:
            return None
        try:
            answer = await (self.own if place is OWN else self.any).ask(
                protocol_of(client),
                plain_address(destination[0]),
                client.peername[1],
                destination[1],
                plain_address(client.peername[0]),
            )
        except Unavailable as error:
            return self.unavailable(str(error))
        except ValueError as error:
            return {"error": str(error)}
        if self.warned:
            log("info", "connpin: answers again")
        self.warned = False
        return answer if is_of(answer, place) else {"error": "not found in its namespace"}

    def unavailable(self, reason):
        if not self.warned:
            log("warn", f"connpin: flows go on without their process: {reason}")
        self.warned = True
        return {"error": reason}

    def mark(self, flow):
        answer = self.answers.get(flow.client_conn.id)
        if answer is not None:
            flow.metadata.setdefault("connpin", answer)

    # The first event of each kind of flow.
    http_connect = requestheaders = tcp_start = udp_start = dns_request = mark


addons = [Connpin()]
