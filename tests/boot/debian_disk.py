#!/usr/bin/env python3
"""SeaBIOS, GRUB, Debian from an IDE disk: log in, write files, sync, idle, power off; then the host checks the file system."""
import hashlib
import os
import shutil
import subprocess
import time

from ringer import Failure, Ringer, guest, log, run_test, scratch, scratch_copy

PARTITION_START = 2048 * 512
IDLE_SECONDS = 10
IDLE_SHARE = 0.03


def content(i):
    """What `seq` with this number writes."""
    return "".join(f"{n}\n" for n in range(1, 10000 * i + 1)).encode()


def log_in(r):
    m = r.wait_serial(r"login: $|root@debian:~# ?$", 900)
    if "login" in m[0]:
        r.type("root\n")
        r.wait_serial(r"root@debian:~# ?$", 180)


def ask(r, line, timeout=120):
    return r.command_output(line, timeout, prompt=r"root@debian:~# ?$").strip()


def idle_share(r):
    time.sleep(5)  # what the log-in left to do
    best = 1.0
    for _ in range(3):
        before, start = r.cpu_seconds(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        best = min(best, (r.cpu_seconds() - before) / (time.monotonic() - start))
        log(f"idle: {100 * best:.2f} % of a processor")
        if best < IDLE_SHARE:
            break
    return best


def extract_partition(disk):
    part = scratch("part.ext4")
    subprocess.run(["dd", f"if={disk}", f"of={part}", "bs=1M", f"skip={PARTITION_START}", "iflag=skip_bytes", "conv=sparse",
                    "status=none"], check=True)
    return part


def file_in(part, path):
    return subprocess.run(["debugfs", "-R", f"cat {path}", part], check=True, capture_output=True).stdout


def test():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in ("e2fsck", "debugfs"):
        if not shutil.which(tool):
            raise Failure(f"no {tool} on this host: install the package e2fsprogs")
    disk = scratch_copy(guest("debian-disk/debian-i386.img"), "disk.img")
    with Ringer("--memory", "256M", "--disk", disk) as r:
        r.wait_serial(r"GNU GRUB", 300)
        r.wait_serial(r"Linux version", 300)
        log_in(r)
        ask(r, "stty cols 200; mkdir /root/written")
        for i in range(1, 6):
            ask(r, f"seq {10000 * i} >/root/written/{i}")
            digest = ask(r, f"md5sum </root/written/{i}")
            if hashlib.md5(content(i)).hexdigest() not in digest:
                raise Failure(f"the guest reads file {i} back as {digest}")
        ask(r, "head -c 20000000 /dev/urandom >/root/written/random; sync")
        random_digest = ask(r, "md5sum </root/written/random").split()[-2]
        if ask(r, "dmesg | grep -E 'ata[0-9].*(error|exception|failed)|I/O error|EXT4-fs error' | head").strip():
            raise Failure("the kernel complains about the disk")
        share = idle_share(r)
        r.type("poweroff\n")
        r.wait_exit(0, timeout=300)
    if share >= IDLE_SHARE:
        raise Failure(f"the idle guest takes {100 * share:.2f} % of a processor")
    part = extract_partition(disk)
    check = subprocess.run(["e2fsck", "-fn", part], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if check.returncode:
        raise Failure("e2fsck -fn is not content:\n" + check.stdout)
    for i in range(1, 6):
        if file_in(part, f"/root/written/{i}") != content(i):
            raise Failure(f"file {i} is not on the disk as it was written")
    if hashlib.md5(file_in(part, "/root/written/random")).hexdigest() != random_digest:
        raise Failure("the file of random bytes is not on the disk as it was written")


if __name__ == "__main__":
    run_test(test)
