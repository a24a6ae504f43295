#!/usr/bin/env python3
"""SIGINT, SIGTERM and SIGKILL at any time: the documented status at once, the terminal as it was, and on the disk all that
the guest has been told is there."""
import os
import pty
import random
import re
import signal
import subprocess
import termios
import time

from ringer import (PATIENCE, SHELL_PROMPT, Failure, Ringer, environment, guest, log, ringer_for_nobody, run_test, scratch,
                    unprivileged)

BLOCK = 64 << 10
BLOCKS = 200

# Writes block after block of one letter, each with O_SYNC semantics, and says which one is done.
WRITER = (f"i=0; while [ $i -lt {BLOCKS} ]; do tr '\\0' \"$(printf \"\\\\$(printf %o $((33 + i % 90)))\")\" </tmp/zero | "
          f"dd of=/dev/sda bs={BLOCK} seek=$i conv=notrunc,fsync 2>/dev/null; echo DONE $i.; i=$((i+1)); done")


def letter(i):
    return 33 + i % 90


def early_signals(seed=1):
    """Before, during and after the start of the guest."""
    chance = random.Random(seed)
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for _ in range(8):
            with Ringer("--kernel", guest("linux-686/vmlinuz"), "--initrd", guest("linux-686/initrd.gz"), "--append",
                        "console=ttyS0", control=False) as r:
                delay = chance.choice((0, 0.005, 0.02, 0.1, 0.5, 1.5)) * chance.uniform(0.5, 1.5)
                time.sleep(delay)
                os.killpg(r.process.pid, signo)
                start = time.monotonic()
                # a signal before main() has arranged for it ends the program by itself
                r.wait_exit(128 + signo, -signo, timeout=30)
                if time.monotonic() - start > 10 * PATIENCE:
                    raise Failure(f"{signo.name} took {time.monotonic() - start:.1f} s")


def acknowledged_writes(signo, chance):
    disk = scratch("disk.img", b"\0" * (BLOCK * BLOCKS))
    with Ringer("--kernel", guest("linux-686/vmlinuz"), "--initrd", guest("linux-686/initrd.gz"), "--append",
                "console=ttyS0 gend=shell", "--disk", disk, control=False) as r:
        r.wait_serial(r"GUEST-READY", 300)
        r.wait_serial(SHELL_PROMPT, 60)
        r.command_output(f"stty cols 400; head -c {BLOCK} /dev/zero >/tmp/zero")
        r.type(WRITER + "\n")
        r.wait_serial(r"DONE 3\.", 120)
        time.sleep(chance.random() * 2)
        os.killpg(r.process.pid, signo)
        r.wait_exit(-signo if signo == signal.SIGKILL else 128 + signo, timeout=60)
        done = max(int(n) for n in re.findall(r"DONE (\d+)\.", r.serial))
    with open(disk, "rb") as f:
        for i in range(done + 1):
            if f.read(BLOCK) != bytes([letter(i)]) * BLOCK:
                raise Failure(f"{signo.name} after {done} acknowledged writes: block {i} is not on the disk")
    log(f"{signo.name}: {done + 1} acknowledged writes are there")


def disk_writes():
    chance = random.Random(2)
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        acknowledged_writes(signo, chance)


def terminal(signo):
    """In a terminal of its own, with the serial console on it: raw while it runs, as before afterwards."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    command = unprivileged([ringer_for_nobody(), "run", "--serial", "stdio", "--display", "none", "--kernel",
                            guest("linux-686/vmlinuz"), "--initrd", guest("linux-686/initrd.gz"), "--append",
                            "console=ttyS0 gend=shell", "--timeout", "600"])
    with open(scratch("terminal-errors"), "wb") as errors:
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=errors, env=environment(), start_new_session=True,
                                   preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0))
    try:
        seen = b""
        deadline = time.monotonic() + 300 * PATIENCE
        while b"GUEST-READY" not in seen:
            if time.monotonic() > deadline:
                raise Failure("the guest did not come up in the terminal")
            seen += os.read(master, 65536)
        if termios.tcgetattr(slave)[3] & (termios.ICANON | termios.ECHO):
            raise Failure("the terminal is not raw while the guest runs")
        if signo is None:
            os.write(master, b"\x01x")
        else:
            process.send_signal(signo)
        os.set_blocking(master, False)
        deadline = time.monotonic() + 30 * PATIENCE
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise Failure("the program did not end")
            try:
                os.read(master, 65536)  # nobody must wait for a full terminal
            except BlockingIOError:
                time.sleep(0.05)
        time.sleep(0.5)  # a killed program's terminal is put right by what outlives it
        after = termios.tcgetattr(slave)
        if after[:4] != before[:4]:
            raise Failure(f"the terminal's settings are {after[:4]} after {signo or 'Ctrl-A x'}, were {before[:4]}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(master)
        os.close(slave)
    expected = 0 if signo is None else -signo if signo == signal.SIGKILL else 128 + signo
    if process.returncode != expected:
        raise Failure(f"status {process.returncode}, expected {expected}")


def terminal_restored():
    for signo in (None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        terminal(signo)


if __name__ == "__main__":
    run_test(early_signals, disk_writes, terminal_restored)
