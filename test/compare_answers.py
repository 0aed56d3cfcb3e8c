# SPDX-License-Identifier: MIT
"""What conn-lookup - answered against what was done.

usage: compare_answers.py [--misses N] MADE ANSWERS [UNPRIVILEGED]
MADE has "PROTOCOL DST SRC_PORT DST_PORT PID" lines, the others an answer to each in the
same order. Prints the counts; fails for any answer that names another process, for a
miss (more than N of them with --misses), and for a difference between ANSWERS and UNPRIVILEGED beyond what /proc hides.
"""
import json
import sys

files = sys.argv[1:]
may_miss = 0
if files[0] == "--misses":
    may_miss = int(files[1])
    files = files[2:]
made = [line.split() for line in open(files[0])]
answers = [json.loads(line) for line in open(files[1])]
counts = {"right": 0, "wrong": 0, "missed": 0, "without identity": 0}
assert len(made) == len(answers), (len(made), len(answers))
for (protocol, dst, src_port, dst_port, pid), answer in zip(made, answers):
    asked = (answer["protocol"], answer["dst_ip"], answer["src_port"], answer["dst_port"])
    assert asked == (protocol, dst, int(src_port), int(dst_port)), (asked, protocol, dst)
    if "error" in answer:
        counts["missed"] += 1
        if not may_miss:
            print("missed:", protocol, dst, src_port, dst_port, pid)
    elif answer["pid"] != int(pid):
        counts["wrong"] += 1
        print("wrong:", answer, "instead of", pid)
    else:
        counts["right"] += 1
        counts["without identity"] += answer["comm"] is None
print(counts)
assert not counts["wrong"] and counts["missed"] <= may_miss
for answer, other in zip(answers, map(json.loads, open(files[2])) if files[2:] else []):
    for name in answer:
        assert name in ("exe", "cgroup", "age_seconds") or answer[name] == other[name], (answer, other)
