#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shell.py cgi_query|config CORPUS SECONDS TREE: mutate, run, judge, for the parsers that
are shell scripts. Under dash and busybox ash in turn, with no command to be found in
PATH: whatever tries to run one says so on standard error. Exit 1 with the input in a
file when an answer is not one of those that are right for any input."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

target, corpus, seconds, tree = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
SHELLS = (["/bin/dash"], ["/bin/busybox", "sh"])
BITS = [b"$(touch x)", b"`id`", b";", b"|", b"&", b"\n", b"\r", b"\x00", b"%00", b"%0a", b"%", b"'", b'"',
        b"\\", b"*", b"?", b"[", b"]", b"{", b"}", b"~", b"..", b"/", b"$IFS", b"${x}", b"-", b"--", b"=",
        b"#", b" ", b"\t", b"\xff", b"\xc3\xa9", b"A" * 300, b"dst=", b"sport=", b"dport=", b"protocol=",
        b"PIN_DIR=", b"LISTEN=", b"CGROUP=", b"0", b"65536", b"1", b"99999999999999999999", b"::", b"%3A", b"<", b">"]


def mutate(seeds):
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        at = random.randint(0, len(data))
        match random.randrange(6):
            case 0:
                data[at:at] = random.choice(BITS)
            case 1:
                data[at:at + random.randint(1, 8)] = b""
            case 2:
                data[at:at] = bytes([random.randrange(256)])
            case 3 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 4:
                other = random.choice(seeds)
                data[at:] = other[random.randint(0, len(other)):]
            case _:
                data[at:at] = data[:random.randint(0, 16)]
    return bytes(data)


def run(argv, env, **options):
    return subprocess.run(argv, env={"PATH": "/nonexistent", **env}, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=20, check=False, **options)


def judge_cgi(shell, data):
    """One header, one JSON object, a status that there is; nothing on standard error."""
    query = data.replace(b"\0", b"")
    done = run([*shell, "./lookup"], {b"QUERY_STRING": query, "REQUEST_METHOD": "GET", "REMOTE_ADDR": "127.0.0.1",
                                      "PIN_DIR": os.environ["PIN_DIR"]}, cwd=tree + "/cgi-bin/cgi-bin")
    match = re.fullmatch(rb"Status: (200|400|404) [A-Za-z ]+\r\nContent-Type: application/json\r\n"
                         rb"Cache-Control: no-store\r\n\r\n({[ -~]*})\n", done.stdout)
    assert done.returncode == 0 and not done.stderr and match, (done.returncode, done.stdout, done.stderr)
    said = json.loads(match[2])
    assert match[1] == b"200" or set(said) == {"error"}, said
    assert match[1] != b"400" or re.search("dst|sport|dport|protocol", said["error"]), said


def judge_config(shell, data):
    """Taken, or refused with 2 in one line that names the file's line or the setting."""
    with tempfile.NamedTemporaryFile(suffix=".conf") as conf:
        conf.write(data)
        conf.flush()
        script = f'ROOT={tree}; . $ROOT/scripts/lib.sh; . $ROOT/scripts/config.sh; load_settings; printf "%s\\n" "$LISTEN_PORT"'
        done = run([*shell, "-euc", script, "fuzz"], {"CONNPIN_CONF": conf.name, "PIN_DIR": "/sys/fs/bpf/x"})
        lines = done.stderr.decode("latin-1").split("\n")
        name = re.escape(conf.name)
        right = (done.returncode == 0 and not done.stderr and re.fullmatch(rb"[0-9]{1,5}\n", done.stdout)) or (
            done.returncode == 2 and not done.stdout and len(lines) == 2 and
            re.match(rf"fuzz: {name} line [0-9]+: ", lines[0]))
        assert right, (done.returncode, done.stdout, done.stderr)


def main():
    random.seed(int(os.environ.get("SEED", "1")))
    seeds = []
    for name in sorted(os.listdir(corpus)):
        with open(os.path.join(corpus, name), "rb") as file:
            seeds.append(file.read())
    judge = {"cgi_query": judge_cgi, "config": judge_config}[target]
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutate(seeds) if count >= len(seeds) else seeds[count]
        try:
            judge(SHELLS[count % 2], data)
        except (AssertionError, ValueError, subprocess.TimeoutExpired) as error:
            with open(f"{tree}/.output/fuzz/crash-{target}", "wb") as file:
                file.write(data)
            print(f"{target}: {SHELLS[count % 2]}: {data!r}: {error}")
            sys.exit(1)
        count += 1
    print(f"{target}: {count} executions, nothing found")


main()
