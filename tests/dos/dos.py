#!/usr/bin/env python3
"""Boot the DOS-like system and compare all it prints, in real and in virtual-8086 mode.      usage: dos.py IMAGE [ENGINE]"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../boot"))
sys.path.insert(0, HERE)

from mkfloppy import data_file
from ringer import Failure, Ringer, run_test, scratch

IMAGE, ENGINE = sys.argv[1], (sys.argv[2:] or ["bt"])[0]
KEYS = ("a", "shift-b", "ret")
PASSED = 1  # status of the exit port's 0
FREE_SEG = 0x2000       # where the first program is loaded; TSR.COM keeps 20h paragraphs in each of the two rounds
RESIDENT = 0x20


def words(*values):
    return "".join(f" {v & 0xffff:04x}" for v in values)


def rotated_sum(data, bits):
    mask, total = (1 << bits) - 1, 0
    for byte in data:
        total = ((total << 1 | total >> (bits - 1)) + byte) & mask
    return total


def crc16(data):
    crc = 0xffff
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc


def expected(is_v86):
    squares = sum(i * i for i in range(3000)) & 0xffffffff
    cells = bytes(b for i in range(26) for b in (0x41 + i, 0x1f))
    pixels = sum(i * 3 & 0xff for i in range(64000))
    signed = sum((i & 0xff) - (256 if i & 0x80 else 0) for i in range(1, 501))
    total = rotated_sum(data_file(), 32)
    free = FREE_SEG + (RESIDENT if is_v86 else 0)
    return [
        "DOS-like system, " + ("v86 mode" if is_v86 else "real mode"),
        "HELLO from" + words(free, 0x0005, 0x20cd, 0xfffc),
        f"RELOC {crc16(bytes(i * 7 & 0xff for i in range(4096))):04X}",
        "TSR stays",
        "TICKS agree",
        "KEYS? " + words(0x1e61, 0x3042, 0x1c0d) + " seen",
        "SMC" + words(4, sum(range(1000)), signed, 8 * sum(range(201))),
        "VGA" + words(rotated_sum(cells, 16), 10 * 80 + 20, pixels, 0xa53c),
        "BIOS" + words(639, 1, 79 << 8 | 18, 0xaa55, 80 << 8 | 3),
        "UNREAL not in v86 mode" if is_v86 else "UNREAL" + words(squares >> 16, squares, 100),
        "XMS" + words(1 + 2047 * 0x123),
        "FAULTS" + words(6, 10),
        "CHILD runs HELLO from" + words(free + RESIDENT + 0x100, 0x0005, 0x20cd, 0xfffc),
        "CHILD goes on" + words(0, 0xff),
        "SUMS" + words(len(data_file()), total >> 16, total, 0x8000),
    ]


def test():
    floppy = scratch("dos.img", open(IMAGE, "rb").read())
    with Ringer("--memory", "16M", "--floppy", floppy, "--engine", ENGINE, "--exit-port", "0xf4", *os.environ.get("DOS_OPTIONS", "").split(), timeout_option=100) as r:
        for _ in range(2):
            r.wait_serial(r"KEYS\? ", 30)
            r.send_keys(*KEYS)
        r.wait_exit(timeout=90)
    want = expected(False) + expected(True) + ["DOS-like system, end"]
    got = [line for line in r.serial.replace("\r", "").split("\n") if line]
    for g, w in zip(got + ["(nothing)"] * len(want), want):
        if g != w:
            raise Failure(f"printed '{g}' instead of '{w}'")
    if len(got) > len(want):
        raise Failure(f"printed '{got[len(want)]}' after the end")
    if r.process.returncode != PASSED:
        raise Failure(f"status {r.process.returncode}")


if __name__ == "__main__":
    run_test(test)
