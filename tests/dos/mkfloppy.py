#!/usr/bin/env python3
"""A floppy image for the DOS-like system: mkfloppy.py IMAGE BOOT SYSTEM PROGRAM...  (see dos.inc for where things are)"""
import os
import struct
import sys

SECTOR, SECTORS, SYSTEM_SECTORS, DIRECTORY = 512, 2880, 24, 25


def data_file():
    """What SUMS reads."""
    return bytes((i * i + 3 * i) >> 3 & 0xff for i in range(7001))


def main():
    image, boot, system, *programs = sys.argv[1:]
    disk = bytearray(SECTOR * SECTORS)
    files = [("DATA", data_file())]
    for path in programs:
        with open(path, "rb") as f:
            files.append((os.path.basename(path).split(".")[0].upper(), f.read()))
    with open(boot, "rb") as f:
        disk[0:SECTOR] = f.read()
    with open(system, "rb") as f:
        content = f.read()
    assert len(content) <= SYSTEM_SECTORS * SECTOR, "the system is too large"
    disk[SECTOR:SECTOR + len(content)] = content
    sector, entry = DIRECTORY + 1, DIRECTORY * SECTOR
    for name, content in files:
        disk[entry:entry + 16] = struct.pack("<8sHHI", name.ljust(8).encode(), sector, 0, len(content))
        disk[sector * SECTOR:sector * SECTOR + len(content)] = content
        sector += (len(content) + SECTOR - 1) // SECTOR
        entry += 16
    with open(image, "wb") as f:
        f.write(disk)


if __name__ == "__main__":
    main()
