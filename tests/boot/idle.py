#!/usr/bin/env python3
"""A guest that waits at its prompt leaves the host's processor alone, although Debian's i386 kernels (CONFIG_HZ_PERIODIC) tick
250 times a second all the while.  On some hosts it costs more than 1 % to wake up so often and do nothing: then it may be a few
times what that costs this script, which does it at the same time."""
import time

from ringer import SHELL_PROMPT, Failure, Ringer, guest, log, run_test

SECONDS = 10
SHARE = 0.01
TICKS_PER_SECOND = 250
TIMES_WAKING = 3


def wake_up_only(seconds):
    """For so long; returns the share of a processor that took."""
    start, cpu = time.monotonic(), time.thread_time()
    while time.monotonic() - start < seconds:
        time.sleep(1 / TICKS_PER_SECOND)
    return (time.thread_time() - cpu) / (time.monotonic() - start)


def test():
    with Ringer("--kernel", guest("linux-686/vmlinuz"), "--initrd", guest("linux-686/initrd.gz"), "--append",
                "console=ttyS0 gend=shell") as r:
        r.wait_serial(r"GUEST-READY", 300)
        r.wait_serial(SHELL_PROMPT, 60)
        time.sleep(3)
        for _ in range(6):
            before, start = r.cpu_seconds(), time.monotonic()
            waking = wake_up_only(SECONDS)
            share = (r.cpu_seconds() - before) / (time.monotonic() - start)
            log(f"idle: {100 * share:.2f} % of a processor; waking up only: {100 * waking:.2f} %")
            if share < max(SHARE, TIMES_WAKING * waking):
                break
        else:
            raise Failure(f"the idle guest takes {100 * share:.2f} % of a processor")
        r.type("echo still $((40 + 2))\n")
        r.wait_serial(r"still 42", 60)


if __name__ == "__main__":
    run_test(test)
