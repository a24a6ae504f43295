#!/usr/bin/env python3
"""The other engines: the interpreter boots Linux alone; lock-step compares the two over the first 200 million
instructions of that boot; the translator boots it with a code cache much too small, and with checked addresses.
                                usage: engines.py interp|lockstep|tiny-cache|checked"""
import json
import sys

from ringer import EXIT_POWEROFF, EXIT_TIMEOUT, Failure, Ringer, guest, log, run_ringer, run_test, scratch

LOCKSTEP_INSTRUCTIONS = 200_000_000


def kernel():
    return ["--kernel", guest("linux-686/vmlinuz"), "--initrd", guest("linux-686/initrd.gz")]


def interp():
    # gwait=0 and the shortest way to a power-off: this takes billions of instructions as it is
    options = ["--engine", "interp", "--append", "console=ttyS0 quiet gwait=0 gcmd=echo ALIVE $((6*7))", "--timeout", "10000"]
    with Ringer(*kernel(), *options, timeout_option=0) as r:
        r.wait_serial(r"GUEST-READY Linux", 3600)
        r.wait_serial(r"ALIVE 42", 600)
        r.wait_exit(0, timeout=600)


def lockstep():
    """Double the time limit until the count is reached; the boot is then far in the kernel."""
    seconds = 60
    while True:
        stats = scratch("stats.json", b"")
        result = run_ringer("run", *kernel(), "--append", "console=ttyS0 quiet", "--engine", "lockstep", "--display", "none",
                            "--serial", "none", "--timeout", str(seconds), "--stats=" + stats, limit=seconds + 120)
        if result.status not in (EXIT_POWEROFF, EXIT_TIMEOUT):
            raise Failure(f"status {result.status}:\n{result.stderr[-6000:]}")
        with open(stats) as f:
            done = json.load(f)["instructions"]["total"]
        log(f"{done} instructions without a difference in {seconds} s")
        if done >= LOCKSTEP_INSTRUCTIONS:
            return
        if result.status == EXIT_POWEROFF:
            raise Failure("the guest ended before that many instructions")
        seconds *= 2
        if seconds > 1000:
            raise Failure("lock-step is too slow for a test")


def tiny_cache():
    stats = scratch("stats.json", b"")
    result = run_ringer("run", *kernel(), "--append", "console=ttyS0 quiet gwait=0 gcmd=ls -lR /sys/bus | wc -l", "--code-cache", "1M",
                        "--display", "none", "--serial", "none", "--timeout", "300", "--stats=" + stats, limit=400)
    if result.status != EXIT_POWEROFF:
        raise Failure(f"status {result.status}:\n{result.stderr[-6000:]}")
    with open(stats) as f:
        flushes = json.load(f)["translator"]["code cache flushes"]
    log(f"the code cache was full {flushes} times")
    if flushes < 10:
        raise Failure("the code cache was hardly ever full: this tested nothing")


def checked():
    """Every address translated code accesses is checked before; a bad one ends with status 70."""
    result = run_ringer("run", *kernel(), "--append", "console=ttyS0 quiet gwait=0 gcmd=ls -lR /sys/bus | wc -l", "--check-addresses",
                        "--display", "none", "--serial", "none", "--timeout", "300", limit=400)
    if result.status != EXIT_POWEROFF:
        raise Failure(f"status {result.status}:\n{result.stderr[-6000:]}")


if __name__ == "__main__":
    run_test({"interp": interp, "lockstep": lockstep, "tiny-cache": tiny_cache, "checked": checked}[sys.argv[1]])
