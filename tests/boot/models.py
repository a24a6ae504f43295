#!/usr/bin/env python3
"""Systems on older processors: what they say of them, and that one who needs more notices.      usage: models.py NAME"""
import re
import sys

from ringer import SHELL_PROMPT, Failure, Ringer, guest, log, run_test

# flags of /proc/cpuinfo; Linux does not use the PAT of these two
PENTIUM2 = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pse36 mmx fxsr"


def linux(cpu, flavour, family, model, flags):
    kernel, initrd = guest(flavour + "/vmlinuz"), guest(flavour + "/initrd.gz")
    with Ringer("--cpu", cpu, "--kernel", kernel, "--initrd", initrd, "--append", "console=ttyS0 gend=shell") as r:
        r.wait_serial(r"GUEST-READY Linux \S+", 300)
        r.wait_serial(SHELL_PROMPT, 120)
        r.command_output("PS1='[shell]# '; stty -echo; stty cols 200", prompt=r"\[shell\]# $")
        info = r.command_output("echo; cat /proc/cpuinfo", prompt=r"\[shell\]# $")
        said = dict(m.groups() for m in re.finditer(r"^([\w ]+?)\s*: (.*?)\r?$", info, re.M))
        log(said["model name"], said["flags"])
        if (said["cpu family"], said["model"]) != (str(family), str(model)):
            raise Failure(f"family {said['cpu family']}, model {said['model']}, not {family}, {model}")
        missing = set(flags.split()) - set(said["flags"].split())
        if missing or {"sse2", "nx", "hypervisor", "clflush"} & set(said["flags"].split()):
            raise Failure(f"flags {said['flags']}: not those of the processor")
        if "sse" in said["flags"].split() and "sse" not in flags.split():
            raise Failure("the processor has no SSE")
        r.type("poweroff -f\n")
        r.wait_exit(0, timeout=120)


def needs_more():
    """Debian's kernel wants CMOV, and says so before it runs into one."""
    with Ringer("--cpu", "pentium", "--kernel", guest("linux-686/vmlinuz"), serial=False) as r:
        r.wait_screen(r"requires the following features not present on the CPU: *\n *cmov", 120)


def type_line(r, line):
    names = {" ": "spc", "-": "minus", ";": "semicolon"}
    for c in line:
        r.send_keys(names.get(c, c))
    r.send_keys("ret")


def grub():
    with Ringer("--cpu", "486", "--memory", "16M", "--cdrom", guest("grub-rescue/grub-rescue-cdrom.iso"), serial=False) as r:
        r.wait_screen(r"GNU GRUB", 300)
        r.send_keys("c")
        r.wait_screen(r"grub> *\n", 60)
        type_line(r, "if cpuid -p; then echo new; else echo old; fi")
        r.wait_screen(r"\n *(new|old) *\n", 60)
        if not re.search(r"\n *old *\n", r.screen()):
            raise Failure("GRUB finds PAE on a 486")


def memtest():
    """It names the processor, and its tests run."""
    with Ringer("--cpu", "486", "--memory", "16M", "--kernel", guest("memtest/memtest86+ia32.bin"), serial=False) as r:
        r.wait_screen(r"Intel 486DX4", 120)
        m = r.wait_screen(r"Test #[3-9].*(?s:.)*Errors: +(\d+)", 900)
        if m[1] != "0":
            raise Failure(f"memtest86+ found {m[1]} errors")


TESTS = {
    "linux-pentium2": lambda: linux("pentium2", "linux-686", 6, 5, PENTIUM2),
    "linux-pentium3-pae": lambda: linux("pentium3", "linux-686-pae", 6, 8, PENTIUM2 + " sse"),
    "linux-pentium": needs_more,
    "grub-486": grub,
    "memtest-486": memtest,
}


if __name__ == "__main__":
    run_test(TESTS[sys.argv[1]])
