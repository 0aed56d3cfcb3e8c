# SPDX-License-Identifier: MIT
"""What conn-lookup - answered of processes that have ended, against what they were.

usage: compare_processes.py MADE ANSWERS DIR PARENTS HELD LEAST
MADE has the lines of "crowd processes COUNT PARENTS DIR", ANSWERS an answer to each in the
same order. Prints the counts, of all and of the latest HELD. Fails for any answer of which
something is wrong, and when fewer than LEAST of these HELD are right.
"""
import json
import os
import sys

EXECUTABLES, PADDING_MOST = 16, 150  # as in test/crowd.c

made = [line.split() for line in open(sys.argv[1])]
answers = [json.loads(line) for line in open(sys.argv[2])]
directory, parents, held, least = sys.argv[3], *map(int, sys.argv[4:])
inodes = [os.stat(f"{directory}/one-{i}").st_ino for i in range(EXECUTABLES)]
KINDS = "right", "wrong", "no connection", "PID alone", "no process"


def kind(line, answer):
    protocol, dst, src_port, dst_port, pid, parent, number = line
    asked = [answer[name] for name in ("protocol", "dst_ip", "src_port", "dst_port")]
    assert asked == [protocol, dst, int(src_port), int(dst_port)], (asked, line)
    if "error" in answer:
        return "no connection"
    number = int(number)
    exe = f"{directory}/one-{number % EXECUTABLES}"
    of_connection = {"pid": int(pid), "comm": f"one-{number % EXECUTABLES}"}
    of_process = {
        "exe": exe,
        "exe_inode": inodes[number % EXECUTABLES],
        "cmdline": f"{exe} one {number} {dst_port} {'x' * (1 + number % PADDING_MOST)}",
        "ppid": int(parent),
        "parent_comm": f"parent-{number % parents}",
    }
    told = {**of_connection, **of_process}
    if any(answer[name] not in (None, value) for name, value in told.items()):
        print("wrong:", answer, "instead of", told)
        return "wrong"
    if answer["status"] == "unknown":
        return "PID alone"
    if answer["status"] not in ("exited", "reused"):
        print("wrong:", answer)
        return "wrong"
    return "right" if all(answer[name] is not None for name in of_process) else "no process"


assert len(made) == len(answers), (len(made), len(answers))
kinds = [kind(*both) for both in zip(made, answers)]
for title, some in ("all", kinds), (f"the latest {held}", kinds[-held:]):
    print(f"  {title}: " + ", ".join(f"{some.count(k)} {k}" for k in KINDS))
assert "wrong" not in kinds
right = kinds[-held:].count("right")
assert right >= least, f"{right} of the latest {held} are right, at least {least} should be"
