#!/usr/bin/env python3
"""How Ringer ends: exit port, time limit, triple fault, reset, running into nowhere, and what is said then.  The guests are
a few bytes of real-mode code, at the start of a 64 KiB ROM that the reset vector jumps to."""
import re

from ringer import EXIT_RESET, EXIT_TIMEOUT, Failure, run_ringer, run_test, scratch

ROM_SIZE = 0x10000


def rom(code, name="rom.bin"):
    """code runs at F000:0000 after reset."""
    image = bytearray(b"\xf4" * ROM_SIZE)
    image[0:len(code)] = code
    image[0xfff0:0xfff5] = b"\xea\x00\x00\x00\xf0"  # jmp F000:0000
    return scratch(name, bytes(image))


def run_rom(code, *options, limit=60):
    return run_ringer("run", "--display", "none", "--serial", "none", "--memory", "4M", "--bios", rom(code), *options,
                      limit=limit)


def expect(result, status):
    if result.status != status:
        raise Failure(f"status {result.status}, expected {status}; stderr:\n{result.stderr[-3000:]}")


HANG = b"\xeb\xfe"                                 # jmp $
SLEEP = b"\xfa\xf4\xeb\xfd"                        # cli; hlt; jmp back
TRIPLE = (b"\xfa"                                  # cli
          b"\x2e\x0f\x01\x1e\x10\x00"              # lidt cs:[0010]
          b"\xcc") + b"\x90" * 8 + b"\0" * 6       # int3, and a table of no entries at 0010
RESET_KBC = b"\xb0\xfe\xe6\x64\xf4\xeb\xfd"        # mov al, 0FEh; out 64h, al
RESET_CF9 = b"\xba\xf9\x0c\xb0\x06\xee\xf4\xeb\xfd"  # mov dx, 0CF9h; mov al, 6; out dx, al
RESET_92 = b"\xb0\x01\xe6\x92\xf4\xeb\xfd"         # mov al, 1; out 92h, al


def exit_port():
    for value, status in ((0, 1), (1, 3), (0x2a, 0x55), (0x7f, 0xff)):
        expect(run_rom(bytes([0xb0, value, 0xe6, 0xf4]) + HANG, "--exit-port", "0xf4", "--timeout", "30"), status)


def exit_port_off():
    """Without the option the port is nothing special."""
    expect(run_rom(b"\xb0\x01\xe6\xf4" + HANG, "--timeout", "1"), EXIT_TIMEOUT)


def time_limit():
    for code in (HANG, SLEEP):
        for engine in ("bt", "interp", "lockstep"):
            result = run_rom(code, "--timeout", "1", "--engine", engine)
            expect(result, EXIT_TIMEOUT)
            if not 0.9 < result.seconds:
                raise Failure(f"the time limit of 1 s came after {result.seconds:.2f} s")


def triple_fault():
    for engine in ("bt", "interp"):
        result = run_rom(TRIPLE, "--no-reboot", "--timeout", "30", "--engine", engine)
        expect(result, EXIT_RESET)
        if not re.search(r"triple fault", result.stderr, re.I):
            raise Failure("stderr does not speak of a triple fault:\n" + result.stderr)
        if not re.search(r"int3", result.stderr, re.I) or not re.search(r"eip|rip", result.stderr, re.I):
            raise Failure("stderr does not show the last instructions with registers:\n" + result.stderr)


def resets():
    for name, code in (("keyboard controller", RESET_KBC), ("port CF9h", RESET_CF9), ("port 92h", RESET_92)):
        result = run_rom(code, "--no-reboot", "--timeout", "30")
        if result.status != EXIT_RESET:
            raise Failure(f"reset by {name}: status {result.status}; stderr:\n{result.stderr}")


def reset_restarts():
    """Without --no-reboot a reset starts again: CMOS byte 40h counts, the third start leaves through the exit port."""
    code = (b"\xb0\x40\xe6\x70\xe4\x71"   # mov al, 40h; out 70h, al; in al, 71h
            b"\xfe\xc0\x88\xc3"           # inc al; mov bl, al
            b"\xb0\x40\xe6\x70\x88\xd8\xe6\x71"  # mov al, 40h; out 70h, al; mov al, bl; out 71h, al
            b"\x3c\x03\x74\x06"           # cmp al, 3; je out
            b"\xb0\xfe\xe6\x64\xeb\xfe"   # mov al, 0FEh; out 64h, al; jmp $
            b"\xe6\xf4\xeb\xfe")          # out: out 0F4h, al
    expect(run_rom(code, "--exit-port", "0xf4", "--timeout", "30"), (3 << 1) | 1)


def triple_fault_restarts():
    """Without --no-reboot a triple fault is a reset like another; the machine goes round until the limit."""
    expect(run_rom(TRIPLE, "--timeout", "2"), EXIT_TIMEOUT)


def nowhere():
    """Unmapped memory reads as ones: the guest ends in some fault, Ringer does not."""
    far_jump = b"\xea\x00\x00\x00\x90"  # jmp 9000:0000, RAM full of zeroes
    to_hole = b"\xea\x00\x00\x00\xd8"   # jmp D800:0000, nobody lives there
    for code in (far_jump, to_hole):
        for engine in ("bt", "interp", "lockstep"):
            result = run_rom(code, "--no-reboot", "--timeout", "2", "--engine", engine)
            if result.status not in (EXIT_RESET, EXIT_TIMEOUT):
                raise Failure(f"status {result.status}; stderr:\n{result.stderr}")


if __name__ == "__main__":
    run_test(exit_port, exit_port_off, time_limit, triple_fault, resets, reset_restarts, triple_fault_restarts, nowhere)
