"""What translation costs beside time: memory, mappings, signals, call-outs, start-up; and how that grows with the guest.

Each case boots Ringer with --stats, has the agent do something, looks at /proc, and lets the guest power off."""
import json
import os
import re
import statistics
import time
from dataclasses import dataclass

import machines
from ringer import Failure, Qemu, Ringer, scratch

IDLE_SECONDS = 10
STARTS = 9


@dataclass
class Case:
    name: str
    memory: int = 256  # MiB
    command: str = ""


CASES = [
    Case("64 MiB", 64), Case("256 MiB"), Case("3 GiB", 3072),
    Case("5 processes", command="./scale processes 5 20000"), Case("500 processes", 512, "./scale processes 500 20000"),
    Case("1 MiB of code", 512, "./scale code 1 6000000"), Case("60 MiB of code", 512, "./scale code 60 6000000"),
]
SMOKE_CASES = [Case("64 MiB", 64)]


def pss_by_mapping(pid):
    """{name: KiB}: pages that are mapped several times are counted once."""
    found, name = {}, ""
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
        for line in f:
            m = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)", line)
            if m:
                name = m[1].strip()
            elif line.startswith("Pss:"):
                found[name] = found.get(name, 0) + int(line.split()[1])
    return found


def status_kib(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        m = re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M)
    return int(m[1]) if m else 0


def look(pid):
    """Memory in MiB, and mappings, of a running Ringer."""
    pss = pss_by_mapping(pid)
    guest_ram = sum(v for k, v in pss.items() if "ringer-guest" in k)
    tables = sum(v for k, v in pss.items() if "ringer-code-tables" in k)
    code = sum(v for k, v in pss.items() if k.startswith("/dev/zero")) + tables
    if not guest_ram:
        raise Failure("the guest's memory is not among Ringer's mappings")
    with open(f"/proc/{pid}/maps", "rb") as f:
        mappings = sum(1 for _ in f)
    page_tables = status_kib(pid, "VmPTE")
    return {"guest RAM touched, MiB": guest_ram / 1024, "code cache, MiB": code / 1024, "tables of blocks in it, MiB": tables / 1024,
            "page tables, MiB": page_tables / 1024,
            "beyond RAM and code cache, MiB": (sum(pss.values()) - guest_ram - code + page_tables) / 1024, "mappings": mappings}


def share_busy(process):
    """Percent of a core."""
    time.sleep(3)  # what the boot left to do
    best = 100.0
    for _ in range(3):
        wall, cpu = time.monotonic(), process.cpu_clock()
        time.sleep(IDLE_SECONDS)
        best = min(best, 100 * (process.cpu_clock() - cpu) / (time.monotonic() - wall))
    return best


def from_stats(path):
    with open(path, encoding="ascii") as f:
        s = json.load(f)
    t, insns = s["translator"], s["instructions"]["total"]
    per_million = {k[len("signals: "):]: v / insns * 1e6 for k, v in t.items() if k.startswith("signals: ")}
    found = {"million instructions": insns / 1e6, "of them translated, %": s["instructions"]["translated_percent"],
             "blocks": t["blocks"], "guest code, MB": t["guest bytes translated"] / 1e6, "host code, MB": t["host bytes emitted"] / 1e6,
             "translation, ns per guest byte": t["nanoseconds of translation"] / max(t["guest bytes translated"], 1),
             "translation, s": t["nanoseconds of translation"] / 1e9, "code cache flushes": t["code cache flushes"],
             "lookups that hit, %": 100 * (1 - t["lookup misses"] / max(t["lookups"], 1)),
             "signals per million": t["signals"] / insns * 1e6, "call-outs per million": t["call-outs"] / insns * 1e6}
    causes = [(c["instruction"] + (" (access)" if c.get("access") else ""), c["executed"] / insns * 1e6) for c in s.get("call_outs", [])]
    return found, {"signals per million": per_million, "call-outs per million": summed(causes)}


def summed(pairs, keep=12):
    total = {}
    for name, value in pairs:
        total[name] = total.get(name, 0) + value
    return dict(sorted(total.items(), key=lambda p: -p[1])[:keep])


def run_case(case, programs, want_idle):
    stats = scratch("stats.json", b"")
    agent = machines.ringer_agent(programs, case.memory, ("--stats=" + stats,))
    try:
        g, found = agent.process, {}
        found["processor s, boot"] = g.cpu_clock()
        if case.command:
            found["processor s, work"] = agent.command("run", case.name.replace(" ", "_"), 600).cpu
        found.update(look(g.process.pid))
        if want_idle:
            found["idle, % of a core"] = share_busy(g)
        g.type("quit\n")
        g.wait_exit(0, timeout=120)
    finally:
        agent.close()
    more, causes = from_stats(stats)
    return {**found, **more}, causes


def start_up():
    """Milliseconds on the wall from exec to the first instruction of the BIOS: an OUT."""
    rom = scratch("first.rom", b"\0" * 0xfff0 + b"\xb0\x21\xe6\xe9\xf4" + b"\0" * 11)  # mov al, '!'; out 0xe9, al; hlt
    os.chmod(rom, 0o644)
    found = {}
    for engine in ("ringer", "tcg"):
        times = []
        for _ in range(STARTS):
            g = (Ringer("--bios", rom, "--memory", "512M", "--debugcon", "stdio", serial=False, control=False) if engine == "ringer"
                 else Qemu("-bios", rom, "-m", "512", "-debugcon", "stdio", serial=False))
            with g:
                wall, cpu = g.times_of(g.wait_serial("!", 30).end())
                times.append(((wall - g.started) * 1e3, cpu * 1e3))
        found[engine] = {"wall": statistics.median(t[0] for t in times), "cpu": statistics.median(t[1] for t in times)}
    return found


def measure(programs, is_smoke):
    cases, causes = {}, {}
    for case in SMOKE_CASES if is_smoke else CASES:
        cases[case.name], why = run_case(case, programs, case.name == "256 MiB")
        if case.name in ("256 MiB", "64 MiB"):
            causes = why
    return {"cases": cases, "causes": causes, "start-up, ms": start_up()}


def functions():
    """For the agent's file `items`."""
    return "".join(f"run_{c.name.replace(' ', '_')}() {{\n{c.command}\n}}\n" for c in CASES if c.command)


def values(found):
    """What bounds look at: {name: value}."""
    result = {"memory, " + n: c["beyond RAM and code cache, MiB"] for n, c in found["cases"].items()}
    result.update({"idle": c["idle, % of a core"] for c in found["cases"].values() if "idle, % of a core" in c})
    return result


def text(found):
    names = list(found["cases"])
    lines = [f"{'cost':34}" + "".join(f"{n:>16}" for n in names)]
    rows = dict.fromkeys(k for c in found["cases"].values() for k in c)
    for row in rows:
        cells = (found["cases"][n].get(row) for n in names)
        lines.append(f"{row:34}" + "".join(f"{'-' if v is None else f'{v:.{0 if isinstance(v, int) or v >= 1000 else 2}f}':>16}" for v in cells))
    for title, table in found["causes"].items():
        lines.append(f"\n{title}, by cause (boot)")
        lines += [f"  {k:32} {v:12.3f}" for k, v in table.items() if v]
    lines.append("\nstart-up to the BIOS's first instruction")
    lines += [f"  {engine:32} {t['wall']:.1f} ms, {t['cpu']:.1f} ms of processor time" for engine, t in found["start-up, ms"].items()]
    return "\n".join(lines)
