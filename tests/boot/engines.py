#!/usr/bin/env python3
"""The other engines: the interpreter boots Linux alone; lock-step compares the two over the first 200 million
instructions of that boot; the translator boots it with a code cache much too small, and with checked addresses.  By hand,
because they take long, whole guests in lock-step: Linux to its power-off, Debian from power-on to the login prompt, a pass of
memtest86+.     usage: engines.py interp|lockstep|tiny-cache|checked|lockstep-linux|lockstep-login|lockstep-memtest"""
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


def compared(r, stats):
    """Say how much was compared in a run that has ended without a difference."""
    with open(stats) as f:
        counters = json.load(f)
    blocks = counters["translator"]["blocks compared in lock-step"]
    log(f"{counters['instructions']['total']} instructions, {blocks} blocks compared, {counters['seconds']:.0f} s: no difference")
    if not blocks:
        raise Failure("nothing was compared")


def lockstep_linux():
    stats = scratch("stats.json", b"")
    options = ["--append", "console=ttyS0 quiet gwait=0 gcmd=echo ALIVE $((6*7))", "--engine", "lockstep", "--stats=" + stats]
    with Ringer(*kernel(), *options, timeout_option=0) as r:
        r.wait_serial(r"ALIVE 42", 7200)
        r.wait_exit(EXIT_POWEROFF, timeout=600)
    compared(r, stats)


def lockstep_login():
    stats = scratch("stats.json", b"")
    disk = guest("debian-disk/debian-i386.img")
    with Ringer("--memory", "256M", "--disk", disk, "--snapshot", "--engine", "lockstep", "--stats=" + stats, timeout_option=0) as r:
        for text in (r"GNU GRUB", r"Linux version", r"login: $|root@debian:~# ?$"):
            log(f"{r.wait_serial(text, 7200)[0]!r} after {r.cpu_seconds():.0f} s of processor time")
        r.control("quit")
        r.wait_exit(EXIT_POWEROFF)
    compared(r, stats)


def lockstep_memtest():
    stats = scratch("stats.json", b"")
    with Ringer("--memory", "6M", "--kernel", guest("memtest/memtest86+ia32.bin"), "--engine", "lockstep", "--stats=" + stats, serial=False,
                timeout_option=0) as r:
        m = r.wait_screen(r"Pass: +[1-9]\d* +.*Errors: +(\d+)", 7200)
        r.control("quit")
        r.wait_exit(EXIT_POWEROFF)
    if m[1] != "0":
        raise Failure(f"memtest86+ found {m[1]} errors")
    compared(r, stats)


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
    run_test({"interp": interp, "lockstep": lockstep, "tiny-cache": tiny_cache, "checked": checked, "lockstep-linux": lockstep_linux,
              "lockstep-login": lockstep_login, "lockstep-memtest": lockstep_memtest}[sys.argv[1]])
