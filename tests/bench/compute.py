#!/usr/bin/env python3
"""Compute-bound programs inside linux-686, Ringer against QEMU's TCG: timed from the host by lines on the serial console,
alternating runs, a table of ratios and their geometric mean.  The programs are in compute/; both must print the same sums.

    compute.py [--rounds N] [--programs a,b] [--limit TIMES] [--json FILE]

With --limit, fails if a geometric mean, of all or of the integer programs, is below it (2: twice as fast as TCG)."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../boot"))
from ringer import Failure, Qemu, Ringer, guest, log, run_test, scratch

# name: source, compiler options, scale
PROGRAMS = {
    "calls": ("calls.c", [], 12),
    "pointers": ("pointers.c", [], 2),
    "jumps": ("jumps.c", [], 5),
    "bytes": ("bytes.c", [], 5),
    "matrix": ("matrix.c", [], 4),
    "float-x87": ("float.c", ["-mfpmath=387"], 40),
    "float-sse": ("float.c", ["-msse2", "-mfpmath=sse"], 40),
}
APPEND = "console=ttyS0 quiet gwait=0 gcmd=sh /bench/run.sh"


def compile_program(name):
    source, options, _ = PROGRAMS[name]
    path = scratch(name)
    command = ["gcc", "-m32", "-static", "-O2", *options, "-o", path, os.path.join(HERE, "compute", source), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(command)}\n{done.stderr}\n(package gcc-multilib?)")
    with open(path, "rb") as f:
        return f.read()


def cpio_entry(name, mode, data=b""):
    """One file in the format the kernel calls newc."""
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    entry = ("070701" + "".join(f"{f:08x}" for f in fields) + name + "\0").encode()
    entry += b"\0" * (-len(entry) % 4)
    return entry + data + b"\0" * (-len(data) % 4)


def initrd_with(programs):
    """The guest's own, and a second archive behind it, which the kernel unpacks as well."""
    with open(guest("linux-686/initrd.gz"), "rb") as f:
        initrd = f.read()
    initrd += b"\0" * (-len(initrd) % 4)
    script = "".join(f"echo BENCH-BEGIN {p}\n/bench/{p} {PROGRAMS[p][2]}\necho BENCH-END {p}\n" for p in programs)
    archive = cpio_entry("bench", 0o040755) + cpio_entry("bench/run.sh", 0o100755, script.encode())
    for p in programs:
        archive += cpio_entry("bench/" + p, 0o100755, compile_program(p))
    return scratch("initrd", initrd + archive + cpio_entry("TRAILER!!!", 0))


def run_programs(start, programs):
    """{program: (seconds, sum)}"""
    results = {}
    with start() as g:
        for p in programs:
            begin = g.wait_serial(rf"BENCH-BEGIN {p}\r?\n", 300).end()
            total = g.wait_serial(r"SUM ([0-9a-f]{16})\r?\n", 600)[1]
            end = g.wait_serial(rf"BENCH-END {p}\r?\n", 60).end()
            results[p] = (g.time_of(end) - g.time_of(begin), total)
        g.wait_exit(0, timeout=120)
    return results


def geometric_mean(ratios):
    return math.exp(statistics.fmean(math.log(r) for r in ratios))


def table(programs, times):
    """Of each program the quickest run counts: other work on the host only ever adds."""
    ratios = {}
    print(f"{'program':12} {'ringer':>9} {'tcg':>9} {'times as fast':>14}")
    for p in programs:
        ringer, qemu = (min(times[engine][p]) for engine in ("ringer", "qemu"))
        ratios[p] = qemu / ringer
        print(f"{p:12} {ringer:8.2f}s {qemu:8.2f}s {ratios[p]:13.2f}x")
    means = {"all": geometric_mean(ratios.values())}
    integer = [r for p, r in ratios.items() if not p.startswith("float")]
    if integer:  # TCG computes x87 in software; that alone would carry the other mean
        means["integer"] = geometric_mean(integer)
    for name, mean in means.items():
        print(f"{'geometric mean, ' + name:32} {mean:13.2f}x", flush=True)
    return ratios, means


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--limit", type=float)
    parser.add_argument("--json")
    args = parser.parse_args()
    programs = args.programs.split(",")

    def one_round(kernel, initrd, times):
        both = {
            "ringer": lambda: Ringer("--kernel", kernel, "--initrd", initrd, "--append", APPEND, control=False),
            "qemu": lambda: Qemu("-m", "128", "-kernel", kernel, "-initrd", initrd, "-append", APPEND),
        }
        sums = {}
        for engine, start in both.items():
            for p, (seconds, total) in run_programs(start, programs).items():
                times[engine][p].append(seconds)
                if sums.setdefault(p, total) != total:
                    raise Failure(f"{p}: the sum is {sums[p]} under Ringer and {total} under QEMU")

    def compute():
        kernel, initrd = guest("linux-686/vmlinuz"), initrd_with(programs)
        times = {engine: {p: [] for p in programs} for engine in ("ringer", "qemu")}
        for attempt in range(3):  # more rounds damp the noise of other work on the host
            for _ in range(args.rounds):
                one_round(kernel, initrd, times)
            ratios, means = table(programs, times)
            if args.limit is None or min(means.values()) >= args.limit:
                break
        if args.json:
            with open(args.json, "w") as f:
                json.dump({"geometric_means": means, "ratios": ratios, "seconds": times}, f, indent=2)
        if args.limit is not None and min(means.values()) < args.limit:
            raise Failure(f"{min(means.values()):.2f} times as fast as TCG, wanted {args.limit}")

    run_test(compute)


if __name__ == "__main__":
    main()
