#!/usr/bin/env python3
"""Everything a user can get wrong: always one clear line on stderr and the documented status, at once."""
import os
import re
import resource
import shutil
import stat
import subprocess

from ringer import (EXIT_HOST, EXIT_RESET, EXIT_TIMEOUT, EXIT_USAGE, NOBODY, Failure, Result, give_away, guest, is_sanitized,
                    ringer_program, run_ringer, run_test, scratch)

# what an option's file may be wrong with, and the status then
FILES = ("--kernel", "--initrd", "--disk", "--cdrom", "--floppy", "--bios", "--vgabios")


def one_line(result, status, what, *words):
    """words: any one of them must be in the line."""
    lines = [l for l in result.stderr.splitlines() if l.strip()]
    if result.status is None:
        raise Failure(f"{what}: no end; stderr:\n{result.stderr[-2000:]}")
    if result.status != status:
        raise Failure(f"{what}: status {result.status}, expected {status}; stderr:\n{result.stderr[-2000:]}")
    if len(lines) != 1:
        raise Failure(f"{what}: {len(lines)} lines instead of one:\n{result.stderr[-2000:]}")
    if not lines[0].startswith("ringer: "):
        raise Failure(f"{what}: the line does not start with 'ringer: ': {lines[0]}")
    if words and not any(w in lines[0] for w in words):
        raise Failure(f"{what}: the line says none of {words}: {lines[0]}")


def run(*options):
    return run_ringer("run", "--display", "none", "--serial", "none", "--timeout", "5", *options, limit=60)


def with_file(option, path):
    """Options that use path for option and are otherwise right."""
    if option == "--initrd":
        return ["--kernel", guest("linux-686/vmlinuz"), option, path]
    if option == "--vgabios":
        return ["--cdrom", guest("grub-rescue/grub-rescue-cdrom.iso"), option, path]
    return [option, path]



def missing_files():
    for option in FILES:
        path = scratch("no-such-file")
        one_line(run(*with_file(option, path)), EXIT_HOST, f"{option}, missing", "no-such-file")


def missing_directory():
    for option in FILES:
        one_line(run(*with_file(option, "/no-such-directory/file")), EXIT_HOST, f"{option}, missing directory", "no-such-directory")


def empty_files():
    path = scratch("empty-file", b"")
    for option in FILES:
        one_line(run(*with_file(option, path)), EXIT_HOST, f"{option}, empty", "empty-file")


def directories():
    path = scratch("directory")
    os.mkdir(path)
    give_away(path)
    for option in FILES:
        one_line(run(*with_file(option, path)), EXIT_HOST, f"{option}, a directory", "directory")


def unreadable_files():
    path = scratch("secret-file", b"\0" * 1474560)
    os.chmod(path, 0)
    for option in FILES:
        one_line(run(*with_file(option, path)), EXIT_HOST, f"{option}, unreadable", "secret-file")


def read_only_disk():
    path = scratch("readonly-file", b"\0" * 1474560)
    os.chmod(path, stat.S_IRUSR)
    for option in ("--disk", "--floppy"):
        one_line(run(option, path), EXIT_HOST, f"{option}, not writable", "readonly-file")


def special_files():
    fifo = scratch("fifo")
    os.mkfifo(fifo)
    give_away(fifo)
    for path in ("/dev/null", "/dev/zero", fifo):
        for option in FILES:
            one_line(run(*with_file(option, path)), EXIT_HOST, f"{option} {path}", path)


def head(name, size):
    with open(guest(name), "rb") as f:
        return f.read(size)


def truncated_kernels():
    for size in (1, 511, 512, 1000, 4096, 100000):
        path = scratch(f"cut-vmlinuz-{size}", head("linux-686/vmlinuz", size))
        one_line(run("--kernel", path), EXIT_HOST, f"bzImage cut to {size} bytes", "cut-vmlinuz")
    for size in (4, 51, 100, 5000, 200000):
        path = scratch(f"cut-gnumach-{size}", head("multiboot-iso/gnumach", size))
        one_line(run("--kernel", path), EXIT_HOST, f"multiboot ELF cut to {size} bytes", "cut-gnumach")


def wrong_kernels():
    wrong = {"text": b"Hello, I am not a kernel.\n" * 1000, "zeroes": b"\0" * 100000, "elf64": head_of_program(),
             "iso": head("ipxe/ipxe.iso", 1 << 20), "gzip": head("linux-686/initrd.gz", 100000)}
    for name, data in wrong.items():
        path = scratch("wrong-" + name, data)
        one_line(run("--kernel", path), EXIT_HOST, f"{name} as kernel", "wrong-" + name)


def head_of_program():
    """A 64-bit ELF that is no kernel: this interpreter."""
    with open("/proc/self/exe", "rb") as f:
        return f.read(1 << 20)


def misfits():
    """Files too small, or of a size that no image of the kind has."""
    for option in ("--disk", "--cdrom", "--floppy", "--bios"):
        path = scratch("eight-bytes", b"12345678")
        one_line(run(*with_file(option, path)), EXIT_HOST, f"{option} of 8 bytes", "eight-bytes")
    for option in ("--disk", "--cdrom", "--floppy"):
        path = scratch("odd-size", b"x" * 100001)
        one_line(run(*with_file(option, path)), EXIT_HOST, f"{option} of odd size", "odd-size")


def wrong_firmware():
    path = scratch("large-rom", b"\xf4" * ((16 << 20) + 1))
    one_line(run("--bios", path), EXIT_HOST, "--bios of more than 16 MiB", "large-rom")
    path = scratch("not-a-vgabios", b"\0" * 32768)
    one_line(run(*with_file("--vgabios", path)), EXIT_HOST, "--vgabios without its signature", "not-a-vgabios")


def initrd_too_large():
    path = scratch("large-initrd")
    with open(path, "wb") as f:
        f.truncate(200 << 20)
    give_away(path)
    one_line(run("--memory", "64M", *with_file("--initrd", path)), EXIT_HOST, "initrd larger than memory", "large-initrd", "memory")


def memory_sizes():
    for size in ("0", "0M", "-1", "1", "abc", "12X", "1.5G", "", " ", "64MM", "0x40M", "99999G", "18446744073709551616",
                 "99999999999999999999999999999M", "5G", "4096M"):
        result = run("--memory", size, "--cdrom", guest("ipxe/ipxe.iso"))
        if size == "1":  # one MiB: small, and perhaps too small
            if result.status not in (EXIT_USAGE, EXIT_HOST, EXIT_TIMEOUT, EXIT_RESET):
                raise Failure(f"--memory 1: status {result.status}")
            continue
        one_line(result, EXIT_USAGE, f"--memory '{size}'", "--memory")


def no_memory_to_give():
    """A host limit below the guest's memory: refused, not crashed."""
    if is_sanitized():
        return  # AddressSanitizer itself needs more
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)  # inherited by the child
    try:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, hard))
        result = run("--memory", "2048M", "--cdrom", guest("ipxe/ipxe.iso"))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    one_line(result, EXIT_HOST, "an address-space limit of 1 GiB")


def wrong_usage():
    iso = guest("ipxe/ipxe.iso")
    for words in ((), ("fly",), ("run",), ("run", "--no-such-option"), ("run", "file"), ("run", "--cdrom"), ("run", "-x"),
                  ("run", "--cdrom", iso, "extra"), ("run", "--cdrom", iso, "--engine", "qemu"), ("run", "--cdrom", iso, "--boot", "tape"),
                  ("run", "--cdrom", iso, "--boot", "disk"), ("run", "--cdrom", iso, "--timeout", "soon"),
                  ("run", "--cdrom", iso, "--timeout", "-3"), ("run", "--cdrom", iso, "--timeout", "nan"),
                  ("run", "--cdrom", iso, "--exit-port", "f4h"), ("run", "--cdrom", iso, "--exit-port", "65536"),
                  ("run", "--cdrom", iso, "--exit-port", "-1"), ("run", "--cdrom", iso, "--serial", "com1"),
                  ("run", "--cdrom", iso, "--display", "holo"), ("run", "--cdrom", iso, "--log", "gossip"),
                  ("run", "--cdrom", iso, "--control", "tcp:1"), ("run", "--cdrom", iso, "--debugcon", "pty"),
                  ("run", "--cdrom", iso, "--screenshot", "picture.jpg"), ("run", "--cdrom", iso, "--no-reboot=1"),
                  ("run", "--initrd", iso), ("run", "--append", "quiet"), ("run", "--cdrom", iso, "--cdrom", iso),
                  ("run", "--serial", "stdio", "--serial", "stdio", "--cdrom", iso), ("doctor", "now")):
        one_line(run_ringer(*words, limit=60), EXIT_USAGE, "ringer " + " ".join(words))


def places_that_cannot_be_written():
    iso = guest("ipxe/ipxe.iso")
    for options in (("--serial", "file:/no-such-directory/serial"), ("--debugcon", "file:/no-such-directory/debug"),
                    ("--serial", "unix:/no-such-directory/socket"), ("--control", "unix:/no-such-directory/socket"),
                    ("--control", "unix:" + "/x" * 100)):
        one_line(run_ringer("run", "--display", "none", "--cdrom", iso, "--timeout", "5", *options, limit=60), EXIT_HOST,
                 " ".join(options)[:60])


def no_firmware():
    """In a root directory with the program and its libraries only: what is missing and which package has it."""
    if is_sanitized():
        return  # the sanitizers want /proc
    root = scratch("root")
    libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", ringer_program()], check=True, capture_output=True, text=True).stdout)
    for path in libraries:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    for name, path in (("ringer", ringer_program()), ("cd.iso", guest("ipxe/ipxe.iso"))):
        shutil.copy(path, os.path.join(root, name))
        os.chmod(os.path.join(root, name), 0o755)
    chroot = ["chroot", f"--userspec={NOBODY}:{NOBODY}"] if os.geteuid() == 0 else ["unshare", "-r", "chroot"]
    command = [*chroot, root, "/ringer", "run", "--display", "none", "--serial", "none", "--timeout", "5", "--cdrom", "/cd.iso"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    one_line(Result(done.returncode, done.stdout, done.stderr, 0), EXIT_HOST, "no firmware", "seabios")


if __name__ == "__main__":
    run_test(missing_files, missing_directory, empty_files, directories, unreadable_files, read_only_disk, special_files,
             truncated_kernels, wrong_kernels, misfits, wrong_firmware, initrd_too_large, memory_sizes, no_memory_to_give, wrong_usage,
             places_that_cannot_be_written, no_firmware)
