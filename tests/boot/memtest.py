#!/usr/bin/env python3
"""memtest86+: a full pass over 64 MiB without an error, and the screenshots that show it."""
import os
import re
import time

from ringer import Failure, Ringer, guest, log, run_test, scratch


def test():
    text, picture = scratch("screen.txt"), scratch("screen.png")
    with Ringer("--memory", "64M", "--kernel", guest("memtest/memtest86+ia32.bin"), "--screenshot", text, serial=False) as r:
        r.wait_screen(r"Memtest86\+ v", 120)
        r.wait_screen(r"Pass +0%|Pass +\d+%", 60)
        start = time.monotonic()
        m = r.wait_screen(r"Pass: +[1-9]\d* +.*Errors: +(\d+)", 3600)
        log(f"a pass in {time.monotonic() - start:.0f} s")
        if m[1] != "0":
            raise Failure(f"memtest86+ found {m[1]} errors")
        r.screendump(picture)
        r.control("quit")
        r.wait_exit(0)
    with open(text, encoding="utf-8") as f:
        saved = f.read()
    if not re.search(r"Pass: +[1-9]\d* +.*Errors: +0", saved):
        raise Failure("the saved text screen does not show the pass:\n" + saved)
    with open(picture, "rb") as f:
        if f.read(8) != b"\x89PNG\r\n\x1a\n" or os.path.getsize(picture) < 2000:
            raise Failure("the saved picture is not a picture of a full screen")
    print(saved)


if __name__ == "__main__":
    run_test(test)
