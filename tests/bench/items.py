"""What is measured, and what it must reach.

An Item of the parts compute, kernel and jobs is two pieces of shell, run by tests/bench/agent in /tmp of a Debian: `prepare`
is not timed, `run` is.  What `run` prints must be the same everywhere, unless `expect`, a regular expression, says what it
must look like.  `work` is how often the thing happens, where that is a number worth dividing by.
An Item with `bare` is a program without a system around it: ITEM, BODY16 and COUNT of tests/bench/bare/bare.S.
One with `boot` is a name in BOOTS of machines.py, from power-on to a prompt.

Counts are chosen so that an item takes Ringer about a second."""
from dataclasses import dataclass


@dataclass
class Item:
    name: str
    part: str
    group: str
    run: str = ""
    prepare: str = ""
    expect: str = ""
    work: int = 0
    bare: tuple = ()
    boot: str = ""
    is_native: bool = True


@dataclass
class Bound:
    """statistic (geomean, min, max) of a measure over the items of a part (or of a group, or named) against a limit.
    Measures: of_native (1: as fast as native), times_tcg (2: twice as fast as TCG), of_tcg (0.5: half of TCG's time),
    cycles (host cycles beyond native's, for each time the thing happens), value (part cost)."""
    what: str
    measure: str
    statistic: str
    limit: float
    is_least: bool
    part: str = ""
    groups: tuple = ()
    names: tuple = ()


COMPUTE_PROGRAMS = {  # own kernels: source, compiler options
    "calls": ("calls.c", []),
    "pointers": ("pointers.c", []),
    "jumps": ("jumps.c", []),
    "bytes": ("bytes.c", []),
    "matrix": ("matrix.c", []),
    "strings": ("strings.c", []),
    "atomics": ("atomics.c", []),
    "float-x87": ("float.c", ["-mfpmath=387"]),
    "float-sse": ("float.c", ["-msse2", "-mfpmath=sse"]),
}

NO_AES = "OPENSSL_ia32cap=~0x1200000200000000:0"  # nor PCLMULQDQ and AVX
SQL = ("create table t(a int, b text); with recursive c(x) as (select 1 union all select x + 1 from c where x < {n}) "
       "insert into t select x * 7919 % 50021, hex(x) from c; create index i on t(a); "
       "select count(*), sum(a), max(b) from t where a % 3 = 0; select a % 100, count(*), min(b) from t group by 1 order by 2 limit 5;")


def data(megabytes):
    return f"head -c {megabytes}000000 $(gcc -print-prog-name=cc1) >data"


def times(n, command):
    return f"i=0; while [ $i -lt {n} ]; do {command}; i=$((i + 1)); done"


def compute_items():
    def item(name, group, run, prepare="", expect=""):
        return Item(name, "compute", group, run, prepare, expect)

    return [
        item("gzip", "integer", "gzip -9c data | gzip -dc | md5sum", data(6)),
        item("bzip2", "integer", "bzip2 -9c data | bzip2 -dc | md5sum", data(4)),
        item("xz", "integer", "xz -T1 -6c data | xz -dc | md5sum", data(2)),
        item("sha256", "integer", "openssl dgst -sha256 data", data(28) + "; cat data data data >d; mv d data"),
        item("rsa", "integer", times(3, "openssl pkeyutl -sign -inkey rsa.pem -in digest | md5sum"),
             "head -c 32 items >digest"),
        item("aes-plain", "integer", times(2, NO_AES + " openssl enc -aes-128-cbc -K 0123 -iv 4567 -in data | md5sum"), data(24)),
        item("aes-insns", "integer", times(2, "openssl enc -aes-128-cbc -K 0123 -iv 4567 -in data -out /dev/null"), data(28)),
        item("sqlite", "integer", f'sqlite3 :memory: "{SQL.format(n=600000)}"'),
        item("python", "integer", "python3 python.py 80"),
        item("perl", "integer", "perl perl.pl 300000"),
        item("7z", "integer", "7zr b 1 -mmt1 -md15 >log && grep -c Tot: log", "", r"1"),
        item("gcc", "integer", "gcc -O2 -S -o - gcc.c | md5sum"),
        item("calls", "integer", "./calls 10"),
        item("pointers", "integer", "./pointers 6"),
        item("jumps", "integer", "./jumps 12"),
        item("bytes", "integer", "./bytes 15"),
        item("matrix", "integer", "./matrix 12"),
        item("strings", "integer", "./strings 200"),
        item("atomics", "integer", "./atomics 25"),
        item("float-x87", "fp", "./float-x87 60"),
        item("float-sse", "fp", "./float-sse 150"),
    ]


def kernel_items():
    counts = {"int80": 500000, "sysenter": 600000, "read": 600000, "divide-error": 40000, "protection-fault": 40000,
              "signal": 100000, "page-fault": 60000, "pipe": 50000, "fork": 1000, "exec-static": 300, "exec-dynamic": 150,
              "mmap": 40000, "mprotect": 20000, "file": 60000, "code-in-place": 60000, "code-appended": 200000}
    scale = {"ring-5": "processes 5 20000", "ring-500": "processes 500 20000", "code-1M": "code 1 6000000",
             "code-60M": "code 60 6000000"}
    return ([Item(name, "kernel", "linux", f"./kernel {name} {count}", "", f"DONE {count} {count}", count)
             for name, count in counts.items()] +
            [Item(name, "kernel", "scale", f"./scale {what}", work=int(what.split()[-1])) for name, what in scale.items()])


def bare_kernel_items():
    counts = {"in": 10000000, "mmio": 8000000, "call-ret": 60000000, "cr3-write": 2000000, "cr3-switch": 2000000,
              "page-fault": 500000, "pte-modify": 300000, "divide-error": 500000, "pushf-popf": 50000000, "mov-sreg": 4000000,
              "int-gate": 3000000, "sysenter": 5000000}
    return [Item("bare-" + name, "kernel", "bare", work=count, bare=(name.replace("-", "_"), "sort", count))
            for name, count in counts.items()]


def job_items():
    def item(name, run, prepare="", expect="", is_native=True):
        return Item(name, "jobs", "job", run, prepare, expect, is_native=is_native)

    return [
        Item("boot-linux", "jobs", "boot", expect="GUEST-READY", boot="linux", is_native=False),
        Item("boot-debian", "jobs", "boot", expect="login|root@debian", boot="debian", is_native=False),
        item("build", "make -s -C build clean all && ./build/program", expect=r"built -?\d+"),
        item("200-execs", times(200, "/bin/true") + "; echo $i"),
        item("pipe-throughput", "dd if=/dev/zero bs=512 count=200000 2>log | cat | md5sum"),
        item("dpkg", "dpkg -i /debs/*.deb && dpkg -s nano | grep Status:", expect="Status: install ok installed", is_native=False),
        item("disk-write", "dd if=/dev/zero of=/big bs=64k count=1600 conv=fsync && md5sum /big | cut -c1-32", "rm -f /big",
             expect="[0-9a-f]{32}$", is_native=False),
        item("disk-read", "dd if=/big of=/dev/null bs=64k 2>&1 | grep -o '^1600+0 records out'",
             "dd if=/dev/zero of=/big bs=64k count=1600 conv=fsync; echo 3 >/proc/sys/vm/drop_caches", expect="1600",
             is_native=False),
    ]


def smoke_items():
    """One of each kind, small, with no more than the guest linux-686."""
    return [Item("calls", "compute", "integer", "./calls 1"),
            Item("int80", "kernel", "linux", "./kernel int80 2000", "", "DONE 2000 2000", 2000),
            Item("bare-in", "kernel", "bare", work=200000, bare=("in", "sort", 200000)),
            Item("200-execs", "jobs", "job", times(20, "./kernel nothing") + "; echo $i"),
            Item("real-bytes", "bits16", "real", work=1000, bare=("real", "bytes", 1000))]


def bits16_items():
    counts = {"bytes": 60000, "sort": 40000, "calls": 150000, "strings": 800000, "segments": 300000, "int": 300000}
    return [Item(f"{mode}-{body}", "bits16", mode, work=count, bare=(mode, body, count))
            for mode in ("real", "pm16") for body, count in counts.items() if (mode, body) != ("pm16", "int")]


def all_items():
    return compute_items() + kernel_items() + bare_kernel_items() + job_items() + bits16_items()


BOUNDS = [
    Bound("integer code, of native, geometric mean", "of_native", "geomean", 0.85, True, "compute", ("integer",)),
    Bound("integer code, of native, lowest", "of_native", "min", 0.60, True, "compute", ("integer",)),
    Bound("x87 and SSE, of native, lowest", "of_native", "min", 0.90, True, "compute", ("fp",)),
    Bound("integer code, times TCG, geometric mean", "times_tcg", "geomean", 3.5, True, "compute", ("integer",)),
    Bound("x87 and SSE, times TCG, geometric mean", "times_tcg", "geomean", 20, True, "compute", ("fp",)),
    Bound("nothing slower than TCG: compute", "times_tcg", "min", 1, True, "compute"),
    Bound("python, sqlite, sha256, of TCG's time", "of_tcg", "max", 0.15, False, "compute", (), ("python", "sqlite", "sha256")),
    Bound("gzip, bzip2, xz, of TCG's time", "of_tcg", "max", 0.35, False, "compute", (), ("gzip", "bzip2", "xz")),
    Bound("kernel-bound, times TCG, geometric mean", "times_tcg", "geomean", 3, True, "kernel", ("linux", "bare")),
    Bound("nothing slower than TCG: kernel-bound", "times_tcg", "min", 1, True, "kernel"),
    Bound("SYSENTER round trip, host cycles beyond native's", "cycles", "max", 300, False, "kernel", (), ("sysenter",)),
    Bound("gcc, of TCG's time", "of_tcg", "max", 0.2, False, "", (), ("gcc", "build")),
    Bound("boot to the prompt, of TCG's time", "of_tcg", "max", 0.4, False, "jobs", ("boot",)),
    Bound("200 fork and exec, of TCG's time", "of_tcg", "max", 0.15, False, "jobs", (), ("200-execs",)),
    Bound("pipe throughput, of TCG's time", "of_tcg", "max", 0.2, False, "jobs", (), ("pipe-throughput",)),
    Bound("16-bit code, times TCG, lowest", "times_tcg", "min", 2, True, "bits16"),
    Bound("idle at the prompt, percent of a core", "value", "max", 1, False, "cost", (), ("idle",)),
    Bound("memory beyond guest RAM and code cache, MiB", "value", "max", 64, False, "cost", ("memory",)),
]
