#!/usr/bin/env python3
"""Time to the initramfs prompt, Ringer against QEMU's TCG, on the same kernel and initrd: alternating runs, median ratio.

    boot_ratio.py [--rounds N] [--flavour linux-686] [--limit RATIO] [--json FILE]

With --limit, fails if the median is above it, after doubling the rounds twice to see whether it was noise."""
import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../boot"))
from ringer import SHELL_PROMPT, Failure, Qemu, Ringer, guest, log, run_test

APPEND = "console=ttyS0 gwait=0 gend=shell"


def time_to_prompt(start):
    """Seconds on the wall, seconds of processor time."""
    with start() as g:
        g.wait_serial(r"GUEST-READY Linux", 600)
        g.wait_serial(SHELL_PROMPT, 120)
        return time.monotonic() - g.started, g.cpu_seconds()


def one_round(flavour):
    kernel, initrd = guest(flavour + "/vmlinuz"), guest(flavour + "/initrd.gz")
    ringer = time_to_prompt(lambda: Ringer("--kernel", kernel, "--initrd", initrd, "--append", APPEND, control=False))
    qemu = time_to_prompt(lambda: Qemu("-m", "128", "-kernel", kernel, "-initrd", initrd, "-append", APPEND))
    return {"ringer": ringer[0], "qemu": qemu[0], "ratio": ringer[0] / qemu[0],
            "ringer_cpu": ringer[1], "qemu_cpu": qemu[1], "cpu_ratio": ringer[1] / qemu[1]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flavour", default="linux-686")
    parser.add_argument("--limit", type=float)
    parser.add_argument("--json")
    args = parser.parse_args()

    def boot_ratio():
        rounds, wanted = [], args.rounds
        for attempt in range(3):
            while len(rounds) < wanted:
                rounds.append(one_round(args.flavour))
                log("ringer {ringer:.2f} s, qemu {qemu:.2f} s, ratio {ratio:.2f}; processor time {ringer_cpu:.2f} s, {qemu_cpu:.2f} s, "
                    "ratio {cpu_ratio:.2f}".format(**rounds[-1]))
            median = statistics.median(r["ratio"] for r in rounds)
            if args.limit is None or median <= args.limit:
                break
            wanted *= 2
        cpu_median = statistics.median(r["cpu_ratio"] for r in rounds)
        log(f"{args.flavour} to the prompt: median ratio {median:.3f} (below 1: Ringer is faster), of processor time {cpu_median:.3f}, "
            f"{len(rounds)} rounds")
        if args.json:
            with open(args.json, "w") as f:
                json.dump({"flavour": args.flavour, "median_ratio": median, "median_cpu_ratio": cpu_median, "rounds": rounds}, f, indent=2)
        if args.limit is not None and median > args.limit:
            raise Failure(f"median ratio {median:.3f} is above {args.limit}")

    run_test(boot_ratio)


if __name__ == "__main__":
    main()
