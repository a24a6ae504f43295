"""The three places where an item runs: a guest of Ringer, a guest of QEMU's TCG, and a chroot on the host.

All speak the same protocol on their serial console (tests/bench/agent).  The guest's clock is not asked: wall and processor
time are the host's, taken when a line is sent and when the answer is seen.  Processor time is that of the whole emulator,
user and system, all threads."""
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../boot"))
from ringer import SHELL_PROMPT, Failure, Guest, Qemu, Ringer, guest, scratch  # noqa: E402  pylint: disable=wrong-import-position

MEMORY = 512
# What Ringer's processor offers (docs/machine.md), so that both guests choose the same code.
QEMU_CPU = os.environ.get("BENCH_QEMU_CPU", "qemu32,+ssse3,+sse4.1,+sse4.2,+popcnt,+movbe,+aes,+pclmulqdq,+rdrand,+rdseed,+nx")
# Disks may be late, and the first may be the second.
RUN_FROM_DISK = ("until [ -b /dev/sda ] && [ -b /dev/sdb ]; do sleep 1; done; t=sdb; mount -r -t ext4 /dev/sda /mnt || "
                 "{ t=sda; mount -r -t ext4 /dev/sdb /mnt; }; sh /mnt/run.sh $t")


@dataclass
class Sample:
    wall: float
    cpu: float
    sum: str = ""
    text: str = ""


@dataclass
class Programs:
    """What was built for this run."""
    folder: str
    tar: str
    is_small: bool = False  # no Debian around the programs, just linux-686
    bare: dict = field(default_factory=dict)

    def initrd(self):
        return initrd_with(self.folder) if self.is_small else guest("linux-686/initrd.gz")

    def disks(self):
        return [] if self.is_small else [guest("debian-bench/root.ext4"), self.tar]

    def append(self):
        return "console=ttyS0 quiet gwait=0 gcmd=" + ("sh /bench/agent /bench" if self.is_small else RUN_FROM_DISK)


def cpio_entry(name, mode, data=b""):
    """One file in the format the kernel calls newc."""
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    entry = ("070701" + "".join(f"{f:08x}" for f in fields) + name + "\0").encode()
    entry += b"\0" * (-len(entry) % 4)
    return entry + data + b"\0" * (-len(data) % 4)


def initrd_with(folder):
    """linux-686's own, and a second archive behind it with the folder as /bench; the kernel unpacks both."""
    with open(guest("linux-686/initrd.gz"), "rb") as f:
        initrd = f.read()
    initrd += b"\0" * (-len(initrd) % 4) + cpio_entry("bench", 0o040755)
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            initrd += cpio_entry("bench/" + name, 0o100755, f.read())
    return scratch("initrd", initrd + cpio_entry("TRAILER!!!", 0))


class Agent:
    """A started machine with tests/bench/agent in it."""

    def __init__(self, process, is_native):
        self.process, self.is_native = process, is_native
        self.process.wait_serial(r"BENCH-READY\r?\n", 300)

    def command(self, verb, name, timeout):
        g = self.process
        wall, cpu = time.monotonic(), g.cpu_clock()
        g.type(f"{verb} {name}\n")
        done = g.wait_serial(r"BENCH-DONE (\d+)\r?\n", timeout)
        end_wall, end_cpu = g.times_of(done.end())
        times = g.wait_serial(r"BENCH-TIMES ([\d.]+) ([\d.]+)\r?\n", 60)
        m = g.wait_serial(r"BENCH-SUM (\w+) ([^\r\n]*)\r?\n", 60)
        g.wait_serial(r"BENCH-READY\r?\n", 60)
        if done[1] != "0":
            raise BrokenItem(f"status {done[1]}: {m[2]}")
        if self.is_native:  # the host's own clock and accounting, by tests/bench/timed.c
            return Sample(float(times[1]), float(times[2]), m[1], m[2])
        return Sample(end_wall - wall, end_cpu - cpu, m[1], m[2])

    def close(self):
        self.process.kill()


class BrokenItem(Exception):
    """An item that ran and said that it failed; the machine is well."""


class Folder(Guest):
    """No guest's binaries, just our own, on the host."""

    name = "native"

    def __init__(self, programs):
        super().__init__(["sh", os.path.join(programs.folder, "agent"), programs.folder])


class Chroot(Guest):
    """The guest's own binaries on the host, in a mount namespace that ends with them."""

    name = "native"

    def __init__(self, programs):
        root = guest("debian-bench/root")
        script = (f"mount --make-rprivate / && mount -t tmpfs tmp {root}/tmp && tar -x -C {root}/tmp -f {programs.tar} && "
                  f"mount --rbind /proc {root}/proc && mount --rbind /dev {root}/dev && exec chroot {root} /bin/sh /tmp/agent")
        user = [] if os.geteuid() == 0 else ["-r"]
        super().__init__(["unshare", *user, "-m", "sh", "-c", script])


def ringer_agent(programs, memory=MEMORY, options=()):
    disks = [word for path in programs.disks() for word in ("--disk", path)]
    return Agent(Ringer("--memory", f"{memory}M", "--kernel", guest("linux-686/vmlinuz"), "--initrd", programs.initrd(),
                        "--append", programs.append(), *disks, "--snapshot", *options, control=False), False)


def qemu_agent(programs):
    drives = [word for i, path in enumerate(programs.disks())
              for word in ("-drive", f"file={path},format=raw,if=ide,index={i},snapshot=on")]
    return Agent(Qemu("-cpu", QEMU_CPU, "-m", str(MEMORY), "-kernel", guest("linux-686/vmlinuz"), "-initrd", programs.initrd(),
                      "-append", programs.append(), *drives), False)


def native_agent(programs):
    return Agent(Folder(programs) if programs.is_small else Chroot(programs), True)


AGENTS = {"native": native_agent, "tcg": qemu_agent, "ringer": ringer_agent}


# --- without a system ---


def bare_process(engine, image):
    if engine == "ringer":
        return Ringer("--memory", "32M", "--kernel", image, "--debugcon", "stdio", "--exit-port", "0xf4", "--no-reboot",
                      serial=False, control=False)
    return Qemu("-cpu", QEMU_CPU, "-m", "32", "-kernel", image, "-debugcon", "stdio", "-no-reboot", serial=False)


def run_bare(engine, image, timeout):
    with bare_process(engine, image) as g:
        begin = g.wait_serial(r"BENCH-BEGIN\n", 60).end()
        done = g.wait_serial(r"BENCH-DONE ([0-9a-f]{8}) \n", timeout)
        (wall, cpu), (end_wall, end_cpu) = g.times_of(begin), g.times_of(done.end())
        if end_cpu <= cpu:
            raise BrokenItem("its begin was seen no sooner than its end")
        return Sample(end_wall - wall, end_cpu - cpu, done[1], done[0].strip())


# --- from power-on ---


@dataclass
class Boot:
    memory: int
    pattern: str
    ringer: tuple
    qemu: tuple


def boots():
    kernel = guest("linux-686/vmlinuz"), guest("linux-686/initrd.gz"), "console=ttyS0 gwait=0 gend=shell"
    disk = guest("debian-disk/debian-i386.img")
    return {
        "linux": Boot(128, r"GUEST-READY Linux[\s\S]*" + SHELL_PROMPT, ("--kernel", kernel[0], "--initrd", kernel[1], "--append", kernel[2]),
                      ("-kernel", kernel[0], "-initrd", kernel[1], "-append", kernel[2])),
        "debian": Boot(256, r"login: $|root@debian:~# ?$", ("--disk", disk, "--snapshot"),
                       ("-drive", f"file={disk},format=raw,if=ide,snapshot=on")),
    }


def run_boot(engine, name, timeout):
    b = boots()[name]
    if engine == "ringer":
        g = Ringer("--memory", f"{b.memory}M", *b.ringer, control=False)
    else:
        g = Qemu("-cpu", QEMU_CPU, "-m", str(b.memory), *b.qemu)
    with g:
        m = g.wait_serial(b.pattern, timeout)
        wall, cpu = g.times_of(m.end())
        return Sample(wall - g.started, cpu, "", re.sub(r"\s+", " ", m[0]))


# --- building ---


def compile_c(source, output, *options):
    command = ["gcc", "-m32", "-static", "-O2", *options, "-o", output, os.path.join(HERE, source), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(command)}\n{done.stderr}\n(package gcc-multilib?)")


def compile_bare(item, body, count):
    image = scratch(f"bare-{item}-{body}.elf")
    inc = os.path.join(HERE, "../guest")
    command = ["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", f"-Wl,-T,{inc}/guest.ld", f"-I{inc}",
               f"-DITEM=item_{item}", f"-DBODY16=body_{body}", f"-DCOUNT={count}", "-o", image, os.path.join(HERE, "bare/bare.S")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(command)}\n{done.stderr}")
    os.chmod(image, 0o755)
    return image
