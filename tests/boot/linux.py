#!/usr/bin/env python3
"""Debian's kernels by direct boot: a shell that answers, a log without complaints QEMU does not cause too, a clean
power-off, nearly all instructions translated.      usage: linux.py linux-686|linux-686-pae"""
import json
import re
import sys

from ringer import SHELL_PROMPT, Failure, Qemu, Ringer, guest, log, run_test, scratch

COMPLAINTS = re.compile(
    r"clocksource.*(unstable|skew|watchdog)|tsc.*(unstable|failed|skew)|spurious|nobody cared|lost interrupt|hda.*lost|"
    r"\bata\d.*(error|exception|failed|timeout|slow|reset)|\bsr\d.*error|I/O error|DMA.*(timeout|disabled)|\bBUG\b|WARNING|Oops|"
    r"IRQ.*disabled|irq.*disabled|timer.*not.*connected|IO-APIC.*timer|calibrat.*fail|PIT.*fail|hung task|soft lockup|"
    r"rcu.*stall|i8042.*(fail|error|No controller)|rtc.*(fail|unable)|unexpected|[Cc]all [Tt]race|invalid|firmware bug|\[Firmware Bug\]",
    re.I)

def complaints(dmesg):
    """The lines with a complaint, without times and other numbers."""
    lines = set()
    for line in dmesg.splitlines():
        line = re.sub(r"^\[ *[\d.]+\] ", "", line.strip())
        if COMPLAINTS.search(line):
            lines.add(re.sub(r"0x[0-9a-f]+|\d+", "N", line))
    return lines


def shell_session(g, prompt_timeout):
    g.wait_serial(r"GUEST-READY Linux \S+", prompt_timeout)
    g.wait_serial(SHELL_PROMPT, 120)
    g.command_output("PS1='[shell]# '; stty -echo; stty cols 200", prompt=r"\[shell\]# $")
    ask = lambda line, timeout=60: g.command_output("echo; " + line, timeout, prompt=r"\[shell\]# $").strip()
    # without echo, the first line end is the one that echo prints
    answers = {
        "arithmetic": ask("echo $((6 * 7))"),
        "pipe": ask("seq 1 1000 | awk '{ s += $1 } END { print s }'"),
        "hash": ask("seq 1 20000 | sha256sum"),
        "processes": ask("i=0; while [ $i -lt 50 ]; do /bin/busybox true; i=$((i+1)); done; echo $i"),
        "floating point": ask("awk 'BEGIN { x = 2; for (i = 0; i < 5; i++) x = x / 3 + sqrt(x); printf \"%.12f\\n\", x }'"),
        "compression": ask("seq 1 50000 | gzip -9 | gzip -d | md5sum", 120),
    }
    dmesg = ask("dmesg")
    return answers, dmesg


APPEND = "console=ttyS0 gend=shell"
EXPECTED = {
    "arithmetic": "42",
    "pipe": "500500",
    "processes": "50",
}


def boot_files(flavour):
    return guest(flavour + "/vmlinuz"), guest(flavour + "/initrd.gz"), guest("ipxe/ipxe.iso")


def boot_ringer(flavour, disk, stats):
    kernel, initrd, iso = boot_files(flavour)
    with Ringer("--kernel", kernel, "--initrd", initrd, "--append", APPEND, "--disk", disk, "--cdrom", iso,
                "--stats=" + stats) as r:
        answers, dmesg = shell_session(r, 300)
        r.type("poweroff -f\n")
        r.wait_exit(0, timeout=120)
    return answers, dmesg


def boot_qemu(flavour, disk):
    kernel, initrd, iso = boot_files(flavour)
    with Qemu("-m", "128", "-kernel", kernel, "-initrd", initrd, "-append", APPEND, "-drive", f"file={disk},format=raw",
              "-cdrom", iso) as q:
        return shell_session(q, 600)


def check_log(flavour, disk, dmesg, qemu_dmesg):
    """A complaint counts if it comes every time: a busy host can make any clock look wrong once."""
    if "Linux version" not in dmesg or "Linux version" not in qemu_dmesg:
        raise Failure("dmesg did not print the kernel's log")
    new = complaints(dmesg) - complaints(qemu_dmesg)
    for _ in range(2):
        if not new:
            return
        log("complaints, to be seen again:", *sorted(new))
        new &= complaints(boot_ringer(flavour, disk, scratch("stats-again.json", b""))[1])
    if new:
        raise Failure("complaints in dmesg that QEMU does not cause:\n  " + "\n  ".join(sorted(new)))


def check_answers(answers, expected):
    for name, answer in EXPECTED.items():
        if expected[name] != answer:
            raise Failure(f"QEMU's guest answers '{expected[name]}' to {name}: the test is wrong")
    for name, answer in expected.items():
        if answers[name] != answer:
            raise Failure(f"{name}: the guest answers '{answers[name]}', under QEMU '{answer}'")


def check_stats(stats):
    with open(stats) as f:
        numbers = json.load(f)
    share = numbers["instructions"]["translated_percent"]
    log(f"{numbers['instructions']['total']} instructions, {share:.3f} % translated, "
        f"{numbers['signals_per_million']:.2f} signals per million")
    if share <= 99:
        raise Failure(f"only {share:.3f} % of the instructions ran translated")


def test(flavour):
    disk = scratch("disk.img", b"\0" * (8 << 20))
    stats = scratch("stats.json", b"")
    answers, dmesg = boot_ringer(flavour, disk, stats)
    expected, qemu_dmesg = boot_qemu(flavour, disk)
    check_answers(answers, expected)
    check_log(flavour, disk, dmesg, qemu_dmesg)
    check_stats(stats)


if __name__ == "__main__":
    run_test(lambda: test(sys.argv[1]))
