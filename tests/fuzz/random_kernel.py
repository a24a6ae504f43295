#!/usr/bin/env python3
"""Random bytes run as guests.  Whatever a guest does, Ringer ends with a documented status in the time it was given, says one
line at most about itself, and trips no sanitizer.

    random_kernel.py [--seed N] [--seconds S] [--one CASE] [--keep DIR]

Case C of seed N is always the same guest; --one runs it alone and shows its output, --keep writes failing images there.
Use a program built with sanitizers: RINGER=build/asan/ringer (taken by itself if it is there and RINGER is not set)."""
import argparse
import os
import random
import struct
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests/boot"))
ASAN_PROGRAM = os.path.join(SOURCE, "build/asan/ringer")
if not os.environ.get("RINGER") and os.access(ASAN_PROGRAM, os.X_OK):
    os.environ["RINGER"] = ASAN_PROGRAM

from ringer import EXIT_HOST, EXIT_POWEROFF, EXIT_RESET, EXIT_TIMEOUT, Failure, log, run_ringer, run_test, scratch

GUEST_SECONDS = 1
ENDINGS = (EXIT_POWEROFF, EXIT_RESET, EXIT_TIMEOUT)
EXIT_PORT = 0xf4
SANITIZER_WORDS = ("Sanitizer", "runtime error:", "Assertion", "ringer: bug")

# Pieces that uniform bytes rarely hit: what changes modes, faults, and touches tables.  None stands for a random byte.
R = None
PIECES = [
    [0x0f, 0x01, R], [0x0f, 0x00, R], [0x0f, 0x20, R], [0x0f, 0x22, R], [0x0f, 0x23, R], [0x0f, 0x32], [0x0f, 0x30],
    [0x0f, R, R], [0x66, 0x0f, R, R], [0xf3, 0x0f, R, R], [0xf2, 0x0f, R, R], [0x0f, 0xae, R], [0x0f, 0xc7, R],
    [0xcd, R], [0xcc], [0xcf], [0x9d], [0x9c], [0xfa], [0xfb], [0x8e, R], [0x8c, R], [0x1f], [0x07], [0x17], [0x0f, 0xa9],
    [0xea, R, R, R, R], [0x66, 0xea, R, R, 0, 0, R, R], [0x9a, R, R, R, R], [0xcb], [0xca, R, R], [0xff, R], [0xff, R, R, R],
    [0xc4, R, R], [0xc5, R, R], [0x62, R, R], [0xc8, R, R, R], [0xc9], [0xd8, R], [0xd9, R], [0xdb, R], [0xdd, R], [0xdf, R],
    [0xf3, 0xa4], [0xf3, 0xaa], [0xf3, 0x6c], [0xf3, 0x6e], [0xf2, 0xae], [0xe2, 0xfe], [0xe4, R], [0xe6, R], [0xec], [0xee],
    [0xef], [0xba, R, R], [0xb8, R, R, R, R], [0xbc, R, R, R, R], [0x26], [0x2e], [0x36], [0x3e], [0x64], [0x65], [0x66], [0x67],
    [0xf0], [0x74, R], [0x75, R], [0xeb, R], [0xe8, R, R], [0xe8, R, 0, 0, 0], [0xc3], [0xc2, R, R], [0xa3, R, R], [0xa3, R, R, 0, 0],
    [0x88, R], [0x89, R], [0x8b, R], [0xc6, R, R], [0xc7, R, R, R, R], [0x0f, 0x01, 0xf8], [0x0f, 0x06], [0x0f, 0xa2], [0x0f, 0x31],
    [0xf4], [0x0f, 0x34], [0x0f, 0x35], [0x0f, 0x08], [0x0f, 0x0b], [0xf6, R], [0xf7, R], [0x80, R, R], [0x83, R, R], [0xd3, R],
    # CR0.PE on; CR0.PG on; an interrupt table out of this image
    [0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0], [0x0f, 0x20, 0xc0, 0x0d, 1, 0, 0, 0x80, 0x0f, 0x22, 0xc0],
    [0x2e, 0x0f, 0x01, 0x1e, R, R], [0x2e, 0x0f, 0x01, 0x16, R, R], [0x0f, 0x01, 0x1d, R, R, 0x10, 0], [0x0f, 0x01, 0x15, R, R, 0x10, 0],
]


def soup(chance, size):
    out = bytearray()
    while len(out) < size:
        if chance.random() < 0.3:
            out += chance.randbytes(chance.randrange(1, 6))
        else:
            out += bytes(chance.randrange(256) if b is None else b for b in chance.choice(PIECES))
    return bytes(out[:size])


def code(chance, size):
    return chance.randbytes(size) if chance.random() < 0.3 else soup(chance, size)


def rom_guest(chance):
    """16 bit: a ROM whose reset vector leads into it."""
    image = bytearray(code(chance, 0x10000))
    image[0xfff0:0xfff5] = struct.pack("<BHH", 0xea, chance.randrange(0x10000), 0xf000)
    return "--bios", bytes(image)


def floppy_guest(chance):
    """16 bit, with SeaBIOS's interrupts and devices around it: a boot sector, and random sectors behind."""
    sector = bytearray(code(chance, 510))
    sector += b"\x55\xaa"
    return "--floppy", bytes(sector) + code(chance, 0x8000) + bytes(1474560 - 512 - 0x8000)


def multiboot_guest(chance):
    """32 bit, protected, flat: an ELF file with a multiboot header, one segment at 1 MiB."""
    body = code(chance, chance.choice((256, 4096, 0x10000)))
    header = struct.pack("<III", 0x1badb002, 0, (-0x1badb002) & 0xffffffff)
    load = 0x100000
    elf = struct.pack("<4sBBBB8sHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, b"", 2, 3, 1, load + 12 + chance.randrange(64), 52, 0, 0, 52, 32,
                      1, 40, 0, 0)
    size = len(header) + len(body)
    segment = struct.pack("<IIIIIIII", 1, 4096, load, load, size, size + 0x10000, 7, 4096)
    return "--kernel", (elf + segment).ljust(4096, b"\0") + header + body


def broken_file(chance):
    """A kernel file whose headers are damaged; refused or run, never worse."""
    image = bytearray(multiboot_guest(chance)[1])
    for _ in range(chance.randrange(1, 12)):
        image[chance.randrange(84 if chance.random() < 0.8 else 4108)] = chance.randrange(256)
    return "--kernel", bytes(image[:chance.choice((len(image), chance.randrange(1, 5000)))])


KINDS = [rom_guest] * 4 + [multiboot_guest] * 4 + [floppy_guest, broken_file]


def make_case(seed, number):
    chance = random.Random(f"{seed}/{number}")
    kind = chance.choice(KINDS)
    option, image = kind(chance)
    engine = chance.choice(("bt", "bt", "bt", "lockstep", "interp"))
    return kind, option, image, engine


def check(kind, result):
    if result.status is None:
        raise Failure(f"no end within {result.seconds:.0f} s")
    if result.status < 0:
        raise Failure(f"ended by signal {-result.status}")
    for word in SANITIZER_WORDS:
        if word in result.stderr:
            raise Failure(f"'{word}' on stderr")
    if kind is broken_file and result.status == EXIT_HOST:
        if len(result.stderr.strip().splitlines()) != 1:
            raise Failure("refused with more or less than one line")
    elif result.status not in ENDINGS and not result.status & 1:  # odd: through the exit port
        raise Failure(f"status {result.status} is not documented for this")


def run_case(seed, number, keep, is_shown=False):
    kind, option, image, engine = make_case(seed, number)
    path = scratch("case.img", image)
    arguments = ["run", "--display", "none", "--serial", "none", "--memory", "8M", option, path, "--no-reboot", "--engine", engine,
                 "--timeout", str(GUEST_SECONDS), "--exit-port", hex(EXIT_PORT)]
    if option == "--floppy":
        arguments[arguments.index("--timeout") + 1] = str(GUEST_SECONDS + 4)
    result = run_ringer(*arguments, limit=GUEST_SECONDS + 40)
    if is_shown:
        print(f"{kind.__name__}, {engine}: status {result.status}\n{result.stderr}")
    try:
        check(kind, result)
    except Failure as e:
        log(f"seed {seed} case {number} ({kind.__name__}, {engine}): {e}\n{result.stderr[-6000:]}")
        if keep:
            os.makedirs(keep, exist_ok=True)
            with open(os.path.join(keep, f"{seed}-{number}.img"), "wb") as f:
                f.write(image)
        return False, result.status
    return True, result.status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--one", type=int)
    parser.add_argument("--keep")
    args = parser.parse_args()

    def random_guests():
        if args.one is not None:
            if not run_case(args.seed, args.one, args.keep, True)[0]:
                raise Failure("see above")
            return
        end = time.monotonic() + args.seconds
        number, failed, endings = 0, [], {}
        while time.monotonic() < end:
            is_right, status = run_case(args.seed, number, args.keep)
            if not is_right:
                failed.append(number)
            endings[status] = endings.get(status, 0) + 1
            number += 1
        log(f"{number} guests; how they ended: " + ", ".join(f"{n} times {s}" for s, n in sorted(endings.items(), key=str)))
        if failed:
            raise Failure(f"cases {failed} of seed {args.seed}")
        if number < 3:
            raise Failure("hardly any guest was run")

    run_test(random_guests)


if __name__ == "__main__":
    main()
