#!/usr/bin/env python3
"""The Debian installer to its first dialog, on each console it has.      usage: installer.py serial|screen|framebuffer"""
import sys
import time

from ringer import PATIENCE, Failure, Ringer, guest, run_test, scratch

BLUE, GREY, RED = b"\x00\x00\xaa", b"\xaa\xaa\xaa", b"\xaa\x00\x00"


def start(*options, **more):
    return Ringer("--memory", "512M", "--kernel", guest("di-i386/linux"), "--initrd", guest("di-i386/initrd.gz"), *options, **more)


def serial():
    with start("--append", "console=ttyS0 TERM=linux") as r:
        r.wait_serial(r"Select a language", 900)
        r.wait_serial(r"English", 60)
        time.sleep(2)
        r.type("\x1b[A")  # up: the line above becomes the red one
        r.wait_serial(r"\x1b\[41m *C\b", 60)


def screen():
    """VGA text mode: the kernel is told to leave the display adapter alone."""
    with start("--append", "nomodeset", serial=False) as r:
        r.wait_screen(r"Select a language", 900)
        r.wait_screen(r"English", 60)


def picture(r):
    """Bytes of the screen's pixels, three each."""
    path = scratch("screen.ppm")
    r.screendump(path)
    with open(path, "rb") as f:
        return f.read().split(b"\n", 3)[3]


def first_row_of(colour, pixels):
    """Where in the picture the colour begins; whole pixels only."""
    at = pixels.find(colour)
    while at % 3 and at >= 0:
        at = pixels.find(colour, at + 1)
    return at


def framebuffer():
    """The kernel's own driver sets a graphics mode: a grey dialog on blue, with the chosen language in red."""
    with start(serial=False) as r:
        deadline = time.monotonic() + 900 * PATIENCE
        while True:
            pixels = picture(r)
            count = len(pixels) // 3
            shares = [pixels.count(c) / count for c in (GREY, BLUE, RED)]
            if shares[0] > 0.5 and shares[1] > 0.02 and shares[2] > 0.002:
                break
            if time.monotonic() > deadline:
                raise Failure(f"no dialog on the screen: {shares} of it are grey, blue and red")
            time.sleep(1)
        time.sleep(3)
        chosen = first_row_of(RED * 20, picture(r))
        r.send_keys("down")
        time.sleep(5)
        if first_row_of(RED * 20, picture(r)) <= chosen:
            raise Failure("the key 'down' does not move the red line down")


if __name__ == "__main__":
    run_test({"serial": serial, "screen": screen, "framebuffer": framebuffer}[sys.argv[1]])
