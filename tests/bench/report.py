"""What tests/bench/run says: the table, the bounds, JSON, a plot."""
import json
import math
import os
import platform
import re
import statistics
import subprocess

ENGINES = ("native", "tcg", "ringer")


def medians(samples):
    """{engine: (wall, cpu)} of one item, of the engines that have run it in every round."""
    result = {}
    for engine, runs in samples.items():
        if runs and all("cpu" in r for r in runs):
            result[engine] = (statistics.median(r["wall"] for r in runs), statistics.median(r["cpu"] for r in runs))
    return result


def measures(item, samples, tsc_hz):
    """The ratios of one item, from medians of processor time."""
    m, found = medians(samples), {}
    if "ringer" not in m:
        return found
    ringer = max(m["ringer"][1], 1e-9)
    if "native" in m:
        found["of_native"] = m["native"][1] / ringer
        if item.work:
            found["cycles"] = (ringer - m["native"][1]) / item.work * tsc_hz
    if "tcg" in m:
        found["times_tcg"] = m["tcg"][1] / ringer
        found["of_tcg"] = ringer / max(m["tcg"][1], 1e-9)
        found["wall_of_tcg"] = m["ringer"][0] / max(m["tcg"][0], 1e-9)
    return found


def geomean(values):
    return math.exp(statistics.fmean(math.log(max(v, 1e-9)) for v in values))


STATISTICS = {"geomean": geomean, "min": min, "max": max}


def in_bound(bound, item):
    return ((not bound.part or item.part == bound.part) and (not bound.groups or item.group in bound.groups)
            and (not bound.names or item.name in bound.names))


def judge(bounds, items, results):
    """[(bound, value or None, which item, met?)]; met is None where something needed is broken or was not run."""
    verdicts = []
    for b in bounds:
        wanted = [i for i in items if in_bound(b, i)]
        if not wanted:
            continue
        values = {i.name: results[i.name]["measures"].get(b.measure) for i in wanted}
        present = {n: v for n, v in values.items() if v is not None}
        if not present:
            verdicts.append((b, None, "", None))
            continue
        value = STATISTICS[b.statistic](present.values())
        which = "" if b.statistic == "geomean" else next(n for n, v in present.items() if v == value)
        is_met = value >= b.limit if b.is_least else value <= b.limit
        if is_met and len(present) < len(values):
            is_met = None
        verdicts.append((b, value, which, is_met))
    return verdicts


def seconds(m, engine):
    return f"{m[engine][1]:9.3f}" if engine in m else " " * 8 + "-"


def ratio(found, name, digits=2):
    return f"{found[name]:.{digits}f}" if name in found else "-"


def group_means(items, results, group):
    """Geometric means of the group, as text: of native, times TCG."""
    means = []
    for measure in ("of_native", "times_tcg"):
        values = [results[i.name]["measures"][measure] for i in items if i.group == group and measure in results[i.name]["measures"]]
        means.append(f"{geomean(values):.2f}" if values else "-")
    return means


def text_table(items, results, part):
    lines = [f"{part:18} {'native':>9} {'tcg':>9} {'ringer':>9} {'of native':>10} {'times tcg':>10} {'us each':>9}"]
    for i in items:
        r = results[i.name]
        if r["error"]:
            lines.append(f"{i.name:18} BROKEN: {r['error']}")
            continue
        m, found = medians(r["samples"]), r["measures"]
        each = f"{m['ringer'][1] / i.work * 1e6:.2f}" if i.work and "ringer" in m else "-"
        slow = "  slower than TCG" if found.get("times_tcg", 1) < 1 else ""
        lines.append(f"{i.name:18} {seconds(m, 'native')} {seconds(m, 'tcg')} {seconds(m, 'ringer')} "
                     f"{ratio(found, 'of_native'):>10} {ratio(found, 'times_tcg'):>10} {each:>9}{slow}")
    for group in dict.fromkeys(i.group for i in items):
        of_native, times_tcg = group_means(items, results, group)
        lines.append(f"{'geometric mean, ' + group:48} {of_native:>10} {times_tcg:>10}")
    return "\n".join(lines)


def text_bounds(verdicts):
    lines = [f"{'bound':52} {'limit':>9} {'found':>9}"]
    for b, value, which, is_met in verdicts:
        word = {True: "met", False: "NOT MET", None: "unknown"}[is_met]
        found = "-" if value is None else f"{value:.3g}"
        lines.append(f"{b.what:52} {'>=' if b.is_least else '<='} {b.limit:<6g} {found:>9}  {word}{' (' + which + ')' if which else ''}")
    return "\n".join(lines)


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")[0]
    except OSError:
        return "?"


def cpuinfo(name):
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        m = re.search(rf"^{name}\s*: (.*)$", f.read(), re.M)
    return m[1] if m else "?"


def tsc_hz():
    """Of the host; what a "cycle" is here."""
    try:
        return float(cpuinfo("cpu MHz")) * 1e6
    except ValueError:
        return float("nan")


def about_host(ringer):
    return {"processor": f"{os.cpu_count()} x {cpuinfo('model name')}, {cpuinfo('cpu MHz')} MHz", "kernel": platform.release(),
            "ringer": first_line(ringer, "--version"), "qemu": first_line("qemu-system-i386", "--version"),
            "compiler": first_line("gcc", "--version"), "load": " ".join(f"{x:.1f}" for x in os.getloadavg())}


def write_json(path, host, items, results, verdicts, cost):  # pylint: disable=too-many-arguments
    with open(path, "w", encoding="ascii") as f:
        json.dump({"host": host,
                   "items": {i.name: {"part": i.part, "group": i.group, "work": i.work, **results[i.name]} for i in items},
                   "cost": cost,
                   "bounds": [{"what": b.what, "limit": b.limit, "is_least": b.is_least, "value": v, "item": which, "met": met}
                              for b, v, which, met in verdicts]}, f, indent=1)


def read_json(paths):
    """What earlier runs wrote, put together; where two have an item, the later file's counts.  host, results, cost, rounds."""
    host, results, cost = {}, {}, None
    for path in paths:
        with open(path, encoding="ascii") as f:
            run = json.load(f)
        host.update(run["host"])
        results.update(run["items"])
        cost = run.get("cost") or cost
    rounds = max((len(runs) for r in results.values() for runs in r["samples"].values()), default=0)
    return host, results, cost, rounds


# --- Markdown, for docs/ ---


def row(cells):
    return "| " + " | ".join(cells) + " |"


def markdown_seconds(m, engine):
    return f"{m[engine][1]:.2f}" if engine in m else ""


def markdown(host, items, results, cost_text, verdicts, rounds):
    out = ["# Results of tests/bench/run", "", "Written by `tests/bench/run --markdown`; what the columns mean: [performance.md](performance.md).", ""]
    out += [f"- {k}: {v}" for k, v in host.items()]
    out += [f"- rounds: {rounds}", "", "## Bounds", "", row(["bound", "limit", "found", ""]), row(["---"] * 4)]
    for b, value, which, is_met in verdicts:
        out.append(row([b.what, f"{'at least' if b.is_least else 'at most'} {b.limit:g}", "" if value is None else f"{value:.3g}",
                        {True: "met", False: "**not met**", None: "unknown"}[is_met] + (f" ({which})" if which else "")]))
    for part in dict.fromkeys(i.part for i in items if i.part != "cost"):
        out += ["", f"## {part}", "", row([part, "native, s", "TCG, s", "Ringer, s", "of native", "times TCG", "us each"]), row(["---"] * 7)]
        for i in (i for i in items if i.part == part):
            r = results[i.name]
            if r["error"]:
                out.append(row([i.name, "broken: " + r["error"].replace("|", "/"), "", "", "", "", ""]))
                continue
            m, found = medians(r["samples"]), r["measures"]
            each = f"{m['ringer'][1] / i.work * 1e6:.2f}" if i.work and "ringer" in m else ""
            out.append(row([i.name, markdown_seconds(m, "native"), markdown_seconds(m, "tcg"), markdown_seconds(m, "ringer"),
                            ratio(found, "of_native").strip("-"), ratio(found, "times_tcg").strip("-"), each]))
        for group in dict.fromkeys(i.group for i in items if i.part == part):
            of_native, times_tcg = group_means(items, results, group)
            out.append(row([f"**geometric mean, {group}**", "", "", "", of_native.strip("-"), times_tcg.strip("-"), ""]))
    if cost_text:
        out += ["", "## cost", "", "```", cost_text, "```"]
    return "\n".join(out) + "\n"


# --- the plot: a bar for each item, times TCG, logarithmic, with a mark where native is ---

BAR, GAP, LABEL, WIDTH = 11, 5, 130, 640
COLOURS = {"compute": "#4c78a8", "kernel": "#e0823d", "jobs": "#58a05f", "bits16": "#9c6fb0"}


def svg(items, results):
    rows = [(i, results[i.name]["measures"]) for i in items if "times_tcg" in results[i.name]["measures"]]
    if not rows:
        return ""
    top = max(2, *(m["times_tcg"] * max(1, 1 / m.get("of_native", 1)) for _, m in rows))
    low = min(0.5, min(m["times_tcg"] for _, m in rows))
    scale = (WIDTH - LABEL - 50) / math.log(top / low)
    height = len(rows) * (BAR + GAP) + 50

    def x(value):
        return LABEL + math.log(max(value, low) / low) * scale

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="10">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
           f'<text x="{LABEL}" y="12" font-size="12">times as fast as QEMU TCG (bar); native (line); logarithmic</text>']
    for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200):
        if low <= tick <= top:
            out.append(f'<line x1="{x(tick):.1f}" y1="18" x2="{x(tick):.1f}" y2="{height - 18}" stroke="{"#888" if tick == 1 else "#ddd"}"/>'
                       f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle">{tick:g}</text>')
    for n, (item, m) in enumerate(rows):
        y, times = 22 + n * (BAR + GAP), m["times_tcg"]
        left, right = sorted((x(1), x(times)))
        out.append(f'<text x="{LABEL - 6}" y="{y + 9}" text-anchor="end">{item.name}</text>'
                   f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" height="{BAR}" fill="{COLOURS.get(item.part, "#888")}"/>'
                   f'<text x="{right + 4:.1f}" y="{y + 9}">{times:.2g}</text>')
        if "of_native" in m:
            native = x(times / m["of_native"])
            out.append(f'<line x1="{native:.1f}" y1="{y - 2}" x2="{native:.1f}" y2="{y + BAR + 2}" stroke="black" stroke-width="1.5"/>')
    return "\n".join(out + ["</svg>", ""])
