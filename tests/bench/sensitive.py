#!/usr/bin/env python3
"""What each of the 17 sensitive unprivileged instructions costs: host time for one execution, in ring 0 and in ring 3.

    tests/bench/sensitive.py [--ringer FILE] [--engine E] [--seconds S] [--only NAME,...]

Each runs in a loop of its own in a bare guest (tests/guest/guest.inc); the time is the emulator's processor time, less that of the same
loop with the rest of the body (the push that a pop needs).  Cycles are of the host's TSC.  "call-outs": how many for one execution."""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GUESTS = os.path.join(HERE, "../guest")
UNROLLED = 8
# name: what is timed, and the rest of the body.  %CODE% and %DATA% are the ring's selectors.
BODIES = {
    "sgdt": ("sgdt memory", ""),
    "sidt": ("sidt memory", ""),
    "sldt": ("sldt %eax", ""),
    "str": ("str %eax", ""),
    "smsw": ("smsw %eax", ""),
    "pushf": ("pushfl; popl %eax", "pushl %ebx; popl %eax"),
    "popf": ("pushl %esi; popfl", "pushl %esi; popl %eax"),
    "lar": ("lar %edi, %eax", ""),
    "lsl": ("lsl %edi, %eax", ""),
    "verr": ("verr %di", ""),
    "verw": ("verw %di", ""),
    "mov r, sreg": ("movl %ds, %eax", ""),
    "mov sreg, r": ("movl %edi, %es", ""),
    "push sreg": ("pushl %ds; popl %eax", "pushl %ebx; popl %eax"),
    "pop sreg": ("pushl %edi; popl %es", "pushl %edi; popl %eax"),
    "call + ret far": ("lcall $%CODE%, $far_routine", ""),
    "jmp far": ("ljmp $%CODE%, $771f; 771:", ""),
    "int n + iret": ("int $VEC_USER", ""),
}
GUEST = """#include "guest.inc"
        set_gate VEC_USER, int_routine, 0xee
        movl    ${data}, %edi
        movl    $2, %esi
        movl    ${count}, %ecx
        try     {ring}
881:
        .rept   {unrolled}
        {body}
        .endr
        decl    %ecx
        jnz     881b
        done
        expect_done
        pass
far_routine: lret
int_routine: iret
        .text   1
        .balign 8
memory: .quad   0
"""


def build(folder, ring, body, count):
    """A guest that runs body count times in ring."""
    source, image = os.path.join(folder, "bench.S"), os.path.join(folder, "bench.elf")
    body = body.replace("%CODE%", f"SEL_CODE{ring}").replace("771", "882")
    with open(source, "w", encoding="ascii") as f:
        f.write(GUEST.format(data=f"SEL_DATA{ring}", ring=ring, count=count // UNROLLED, unrolled=UNROLLED, body=body))
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-I", GUESTS,
                    "-Wl,-T," + os.path.join(GUESTS, "guest.ld"), "-o", image, source], check=True)
    return image


def run(opt, folder, image):
    """Processor seconds, call-outs."""
    stats = os.path.join(folder, "stats.json")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([opt.ringer, "run", "--kernel", image, "--engine", opt.engine, "--exit-port", "0xf4", "--display", "none",
                           "--serial", "none", "--no-reboot", "--memory", "32M", "--timeout", "600", "--stats=" + stats], check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 1:
        sys.exit(f"{image}: status {done.returncode}")
    with open(stats, encoding="utf-8") as f:
        callouts = [int(n) for n in re.findall(r'"call-outs": *(\d+)', f.read())]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, callouts[0] if callouts else 0


def cost(opt, folder, ring, body):
    """Nanoseconds and call-outs for one execution of body: the slope between a short loop and one of opt.seconds."""
    short, (start, start_callouts) = 8000, run(opt, folder, build(folder, ring, body, 8000))
    count = 200_000
    while True:
        seconds, callouts = run(opt, folder, build(folder, ring, body, count))
        if seconds - start >= opt.seconds or count >= 1 << 30:
            return 1e9 * (seconds - start) / (count - short), (callouts - start_callouts) / (count - short)
        count = int(count * min(50, max(2, 1.2 * opt.seconds / max(seconds - start, 1e-3)))) & ~7


def tsc_ghz():
    """Of the host, as the kernel measured it."""
    with open("/proc/cpuinfo", encoding="ascii") as f:
        return float(re.search(r"cpu MHz\s*:\s*([\d.]+)", f.read()).group(1)) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringer", default=os.path.join(HERE, "../../build/release/ringer"))
    parser.add_argument("--engine", default="bt")
    parser.add_argument("--seconds", type=float, default=0.5, help="of processor time for each loop")
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    opt = parser.parse_args()
    wanted = opt.only.split(",") if opt.only else list(BODIES)
    ghz, results, rest_costs = tsc_ghz(), {}, {}
    print(f"{'instruction':16}{'ring 0: ns':>12}{'cycles':>8}{'call-outs':>11}{'ring 3: ns':>13}{'cycles':>8}{'call-outs':>11}")
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            body, rest = BODIES[name]
            line = f"{name:16}"
            for ring in (0, 3):
                if (ring, rest) not in rest_costs:
                    rest_costs[ring, rest] = cost(opt, folder, ring, rest)[0]
                ns, callouts = cost(opt, folder, ring, body)
                ns = max(0.0, ns - rest_costs[ring, rest])
                results[f"{name}, ring {ring}"] = {"ns": ns, "callouts": callouts}
                line += f"{ns:{12 + (ring and 1)}.1f}{ns * ghz:8.0f}{callouts:11.2f}"
            print(line, flush=True)
    if opt.json:
        with open(opt.json, "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
