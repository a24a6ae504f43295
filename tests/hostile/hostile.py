#!/usr/bin/env python3
"""Guests that misbehave.  Whatever they do, Ringer ends in time, with a documented status, and trips no sanitizer.

    hostile.py devices [--seed N] [--seconds S | --seeds COUNT] [--only] [--engine E]   random things to every device (hostile.c)
    hostile.py endless [NAME]                                                          guests without an end (endless.S)

Each seed is one guest; --only runs that one and shows its messages.  RINGER_HOSTILE: where the guests were built."""
import argparse
import os
import random
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests/boot"))

from ringer import EXIT_POWEROFF, EXIT_RESET, EXIT_TIMEOUT, Failure, log, ringer_for_nobody, run_ringer, run_test, scratch

BUILT = os.environ.get("RINGER_HOSTILE") or os.path.join(SOURCE, "build/release/tests/hostile")
SANITIZER_WORDS = ("Sanitizer", "runtime error:", "Assertion", "ringer: bug")
KINDS = ("all", "ports", "pci", "memory", "ide", "floppy", "msr", "vga", "fw_cfg", "chips", "apic", "control registers")
EXIT_PORT = 0xf4
GUEST_SECONDS = 2
GRACE_SECONDS = 15  # to end after the time limit: a sanitized program on a busy host


def patched(name, *words):
    """The guest with `words` behind its magic number."""
    with open(os.path.join(BUILT, name), "rb") as f:
        image = bytearray(f.read())
    at = image.index(struct.pack("<I", 0x5eed5eed)) + 4
    struct.pack_into(f"<{len(words)}I", image, at, *words)
    return scratch(name, bytes(image))


def check(result, *endings, limit):
    if result.status is None:
        raise Failure(f"no end within {result.seconds:.0f} s")
    if result.status < 0:
        raise Failure(f"ended by signal {-result.status}")
    for word in SANITIZER_WORDS:
        if word in result.stderr:
            raise Failure(f"'{word}' on stderr")
    if endings and result.status not in endings:
        raise Failure(f"status {result.status}, expected {' or '.join(map(str, endings))}")
    if result.seconds > limit * float(os.environ.get("RINGER_PATIENCE", "1")):
        raise Failure(f"it took {result.seconds:.1f} s")


def run_seed(seed, engine, is_shown):
    chance = random.Random(seed)
    kind = chance.randrange(len(KINDS))
    engine = engine or chance.choice(("bt", "bt", "interp", "lockstep"))
    disk, cdrom, floppy = scratch("disk.img", bytes(1 << 20)), scratch("cd.iso", bytes(1 << 18)), scratch("floppy.img", bytes(1474560))
    result = run_ringer(
        "run", "--display", "none", "--serial", "none", "--memory", "32M", "--kernel", patched("hostile.elf", seed, kind, 5000), "--disk", disk,
        "--cdrom", cdrom, "--floppy", floppy, "--engine", engine, "--timeout", str(GUEST_SECONDS), "--exit-port", hex(EXIT_PORT),
        "--debugcon", "file:" + scratch("progress", b""), "--screenshot", scratch("screen.png", b""), *(["--no-reboot"] if chance.random() < 0.7 else []), limit=GUEST_SECONDS + GRACE_SECONDS + 20)
    try:
        check(result, limit=GUEST_SECONDS + GRACE_SECONDS)
        if result.status not in (EXIT_POWEROFF, EXIT_RESET, EXIT_TIMEOUT) and not result.status & 1:
            raise Failure(f"status {result.status} is not documented for this")
    except Failure as e:
        log(f"seed {seed} ({KINDS[kind]}, {engine}): {e}\n{result.stderr[-6000:]}")
        return False, result.status, 0
    if is_shown:
        print(f"seed {seed} ({KINDS[kind]}, {engine}): status {result.status} after {result.seconds:.1f} s\n{result.stderr}")
    with open(scratch("progress"), "rb") as f:
        return True, result.status, 100 * f.read().count(b".")


def devices(args):
    end = time.monotonic() + args.seconds
    seed, failed, endings, actions = args.seed, [], {}, 0
    while time.monotonic() < end if not args.seeds and not args.only else seed < args.seed + (args.seeds or 1):
        is_right, status, done = run_seed(seed, args.engine, args.only)
        actions += done
        if not is_right:
            failed.append(seed)
        endings[status] = endings.get(status, 0) + 1
        seed += 1
    log(f"{seed - args.seed} guests, {actions} actions; how they ended: " + ", ".join(f"{n} times {s}" for s, n in sorted(endings.items(), key=str)))
    if failed:
        raise Failure(f"seeds {failed}")
    if actions < 1000 and not args.only:
        raise Failure("the guests did hardly anything")


def endless_names():
    """In the order of the table in endless.S."""
    with open(os.path.join(SOURCE, "tests/hostile/endless.S"), encoding="ascii") as f:
        return [line.split("/*")[1].split("*/")[0].strip() for line in f if line.strip().startswith(".long   do_")]


def run_endless(image, engine):
    return run_ringer("run", "--display", "none", "--serial", "none", "--memory", "16M", "--kernel", image, "--engine", engine,
                      "--timeout", "0.5", *(["--stats"] if engine == "bt" else []), limit=60)


def endless(args):
    names = endless_names()
    failed = []
    ringer_for_nobody()  # made once, not by three threads
    for number, name in enumerate(names):
        if args.name and args.name != name:
            continue
        image = patched("endless.elf", number)
        engines = ("bt", "interp", "lockstep")
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda e, image=image: run_endless(image, e), engines))
        for engine, result in zip(engines, results):
            try:
                check(result, EXIT_TIMEOUT, limit=GRACE_SECONDS)
            except Failure as e:
                failed.append(name)
                log(f"{name}, {engine}: {e}\n{result.stderr[-3000:]}")
            if args.name:
                print(f"{name}, {engine}: status {result.status} after {result.seconds:.2f} s\n{result.stderr}")
    log(f"{len(names)} endless guests")
    if failed:
        raise Failure(", ".join(failed))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("devices", "endless"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--only", action="store_true")
    parser.add_argument("--engine")
    args = parser.parse_args()

    def hostile_guests():
        {"devices": devices, "endless": endless}[args.what](args)

    run_test(hostile_guests)


if __name__ == "__main__":
    main()
