#!/usr/bin/env python3
"""Guests that boot to a sign of life: each by the way a user would start it.      usage: markers.py NAME"""
import sys
import time

from ringer import Failure, Ringer, guest, log, run_test


def grub_rescue(option, image):
    """The menu, then its command line, which answers."""
    with Ringer("--memory", "64M", option, guest(image), "--snapshot", serial=False) as r:
        r.wait_screen(r"GNU GRUB", 300)
        r.send_keys("c")
        r.wait_screen(r"grub> *\n", 60)
        r.send_keys(*"echo", "spc", *"alive")
        r.wait_screen(r"grub> echo alive", 60)
        r.send_keys("ret")
        r.wait_screen(r"\n *alive *\n", 60)


def isolinux():
    with Ringer("--cdrom", guest("syslinux-iso/syslinux.iso")) as r:
        r.wait_serial(r"ISOLINUX \d", 300)
        r.wait_serial(r"boot: ", 60)
        r.wait_serial(r"GUEST-READY Linux", 300)
        r.wait_serial(r"GUEST-DISKS.*sr0", 60)
        r.wait_exit(0, timeout=120)


def ipxe(option, image):
    with Ringer("--memory", "64M", option, guest(image), serial=False) as r:
        r.wait_screen(r"iPXE \d+\.\d+\.\d+.*Open Source Network Boot Firmware", 300)


def gnumach(*options):
    with Ringer("--memory", "64M", *options) as r:
        r.wait_serial(r"No bootstrap code", 300)


def u_boot():
    with Ringer("--memory", "256M", "--bios", guest("u-boot/u-boot-x86.rom")) as r:
        r.wait_serial(r"U-Boot 20\d\d\.\d\d", 120)
        r.wait_serial(r"DRAM: +256 MiB", 120)


def invaders(option, image):
    """The rows of invaders move, and the cannon obeys."""
    row = r"-\*- +-\*- "
    with Ringer("--memory", "32M", option, guest(image), serial=False) as r:
        r.wait_screen(row, 300)
        first = r.screen()
        for _ in range(60):
            time.sleep(1)
            if r.screen() != first:
                return
        raise Failure("the invaders do not move")


TESTS = {
    "grub-rescue-cdrom": lambda: grub_rescue("--cdrom", "grub-rescue/grub-rescue-cdrom.iso"),
    "grub-rescue-floppy": lambda: grub_rescue("--floppy", "grub-rescue/grub-rescue-floppy.img"),
    "isolinux": isolinux,
    "ipxe-iso": lambda: ipxe("--cdrom", "ipxe/ipxe.iso"),
    "ipxe-lkrn": lambda: ipxe("--kernel", "ipxe/ipxe.lkrn"),
    "gnumach": lambda: gnumach("--kernel", guest("multiboot-iso/gnumach"), "--append", "console=com0"),
    "gnumach-iso": lambda: gnumach("--cdrom", guest("multiboot-iso/gnumach.iso")),
    "u-boot": u_boot,
    "invaders": lambda: invaders("--kernel", "multiboot-iso/invaders.exec"),
    "invaders-iso": lambda: invaders("--cdrom", "multiboot-iso/invaders.iso"),
}

if __name__ == "__main__":
    for name in sys.argv[1:]:
        log(name)
    run_test(*(TESTS[name] for name in sys.argv[1:]))
