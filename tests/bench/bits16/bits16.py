#!/usr/bin/env python3
"""16-bit loops in real, virtual-8086 and 16-bit protected mode: Ringer against QEMU's TCG, same image, alternating runs.

    RINGER=ringer bits16.py [--rounds N] [--only ringer|qemu] [--json FILE] [--limit RATIO]

Processor time of the whole emulator between the guest's "begin" and "end" lines, the least of all rounds.  The ratio is TCG's time over
Ringer's: above 1, Ringer is faster.  With --limit, fails if the geometric mean is below it."""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = os.path.join(HERE, "../../guest")


def build(directory):
    image = os.path.join(directory, "bits16.elf")
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", f"-Wl,-T,{GUEST}/guest.ld", f"-I{GUEST}",
                    "-o", image, os.path.join(HERE, "bits16.S")], check=True)
    return image


def command(engine, image):
    if engine == "qemu":
        return ["qemu-system-i386", "-accel", "tcg", "-m", "32", "-kernel", image, "-display", "none", "-serial", "none", "-monitor", "none",
                "-nic", "none", "-no-reboot", "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4"]
    return [os.environ.get("RINGER", "ringer"), "run", "--memory", "32M", "--kernel", image, "--display", "none", "--serial", "none",
            "--no-reboot", "--debugcon", "stdio", "--exit-port", "0xf4"]


def cpu_seconds(pid):
    return time.clock_gettime(~pid << 3 | 2)  # CPU-time clock of a process, see clock_getcpuclockid(3)


def run(engine, image):
    seconds, started = {}, None
    with subprocess.Popen(command(engine, image), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0) as p:
        for line in p.stdout:
            now, words = cpu_seconds(p.pid), line.decode().split()
            if words[0] == "begin":
                name, started = (words[1], words[2]), now
            elif words[0] == "end":
                seconds[name] = now - started
            else:
                sys.exit(f"{engine}: {line.decode()}")
    if p.returncode != 1:
        sys.exit(f"{engine}: status {p.returncode}")
    return seconds


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("ringer", "qemu"))
    parser.add_argument("--json")
    parser.add_argument("--limit", type=float)
    args = parser.parse_args()
    engines = [args.only] if args.only else ["ringer", "qemu"]
    best = {e: {} for e in engines}
    with tempfile.TemporaryDirectory() as directory:
        image = build(directory)
        for _ in range(args.rounds):
            for engine in engines:
                for name, seconds in run(engine, image).items():
                    best[engine][name] = min(seconds, best[engine].get(name, math.inf))
    ratios = {}
    print(f"{'mode':8}{'kernel':8}" + "".join(f"{e + ' ms':>12}" for e in engines) + f"{'ratio':>8}")
    for name in best[engines[0]]:
        line = f"{name[0]:8}{name[1]:8}" + "".join(f"{best[e][name] * 1000:12.1f}" for e in engines)
        if len(engines) == 2:
            ratios[name] = best["qemu"][name] / best["ringer"][name]
            line += f"{ratios[name]:8.2f}"
        print(line)
    means = {}
    for mode in sorted({name[0] for name in ratios}):
        means[mode] = geometric_mean([r for name, r in ratios.items() if name[0] == mode])
        print(f"{mode:8}geometric mean {means[mode]:.2f}")
    if ratios:
        means["all"] = geometric_mean(ratios.values())
        print(f"all     geometric mean {means['all']:.2f}, least {min(ratios.values()):.2f} ({' '.join(min(ratios, key=ratios.get))})")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"seconds": {e: {" ".join(n): s for n, s in best[e].items()} for e in engines},
                       "ratios": {" ".join(n): r for n, r in ratios.items()}, "geometric_means": means}, f, indent=2)
    if args.limit and means.get("all", math.inf) < args.limit:
        sys.exit(f"geometric mean {means['all']:.2f} is below {args.limit}")


if __name__ == "__main__":
    main()
