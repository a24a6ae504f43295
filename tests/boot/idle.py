#!/usr/bin/env python3
"""A guest that waits at its prompt leaves the host's processor alone, although Debian's i386 kernels (CONFIG_HZ_PERIODIC) tick
250 times a second all the while."""
import time

from ringer import SHELL_PROMPT, Failure, Ringer, guest, log, run_test

SECONDS = 10
SHARE = 0.01


def test():
    with Ringer("--kernel", guest("linux-686/vmlinuz"), "--initrd", guest("linux-686/initrd.gz"), "--append",
                "console=ttyS0 gend=shell") as r:
        r.wait_serial(r"GUEST-READY", 300)
        r.wait_serial(SHELL_PROMPT, 60)
        time.sleep(3)
        best = 1.0
        for _ in range(6):
            before, start = r.cpu_seconds(), time.monotonic()
            time.sleep(SECONDS)
            best = min(best, (r.cpu_seconds() - before) / (time.monotonic() - start))
            log(f"idle: {100 * best:.2f} % of a processor")
            if best < SHARE:
                break
        if best >= SHARE:
            raise Failure(f"the idle guest takes {100 * best:.2f} % of a processor")
        r.type("echo still $((40 + 2))\n")
        r.wait_serial(r"still 42", 60)


if __name__ == "__main__":
    run_test(test)
