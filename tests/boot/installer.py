#!/usr/bin/env python3
"""The Debian installer to its first dialog.      usage: installer.py serial|screen"""
import sys

from ringer import Ringer, guest, run_test


def start(*options, **more):
    return Ringer("--memory", "512M", "--kernel", guest("di-i386/linux"), "--initrd", guest("di-i386/initrd.gz"), *options, **more)


def serial():
    with start("--append", "console=ttyS0 TERM=linux") as r:
        r.wait_serial(r"Select a language", 900)
        r.wait_serial(r"English", 60)
        r.type("\x1b[B")  # a key reaches it: the next line becomes the chosen one
        r.wait_serial(r"\x1b\[", 60)


def screen():
    with start(serial=False) as r:
        r.wait_screen(r"Select a language", 900)
        r.wait_screen(r"English", 60)


if __name__ == "__main__":
    run_test({"serial": serial, "screen": screen}[sys.argv[1]])
