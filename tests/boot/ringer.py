"""What every whole-system test needs: start Ringer (or QEMU, to compare), read and type on the serial console, look at the
screen through the control socket, and say everything there is to say when something goes wrong.

    from ringer import Ringer, guest, run_test

    def test():
        with Ringer("--kernel", guest("linux-686/vmlinuz"), "--append", "console=ttyS0 gend=shell") as r:
            r.wait_serial(r"# $")
            r.type("uname\\n")
            r.wait_exit(0)

    run_test(test)

Environment: RINGER (the program), RINGER_GUESTS (made by tests/guests/get-guests), RINGER_PATIENCE (factor on all
timeouts, default 1; they are generous already), RINGER_KEEP=1 (keep the temporary directory).
When the tests run as root, Ringer does not: it gets the user 65534 and a directory of its own."""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = float(os.environ.get("RINGER_PATIENCE", "1"))
NOBODY = 65534
EXIT_POWEROFF, EXIT_USAGE, EXIT_HOST, EXIT_RESET, EXIT_BUG, EXIT_TIMEOUT = 0, 2, 3, 4, 70, 124
SHELL_PROMPT = r"[#$] (\x1b\[6n)?$"


class Failure(Exception):
    pass


# --- where things are ---


def ringer_program():
    path = os.environ.get("RINGER") or os.path.join(SOURCE, "build/release/ringer")
    if not os.access(path, os.X_OK):
        raise Failure(f"no program '{path}': build it, or set RINGER")
    return os.path.abspath(path)


def guests_dir():
    places = [os.environ.get("RINGER_GUESTS"), os.path.join(SOURCE, "guests")]
    with open(os.path.join(SOURCE, "tests/guests/get-guests"), "rb") as f:  # where ringer-dev puts them
        places.append("/var/cache/ringer/guests-" + hashlib.sha256(f.read()).hexdigest()[:10])
    for place in places:
        if place and os.path.isdir(place):
            return os.path.abspath(place)
    raise Failure("no test guests: run tests/guests/get-guests DIR and set RINGER_GUESTS=DIR")


def guest(name):
    path = os.path.join(guests_dir(), name)
    if not os.path.exists(path):
        raise Failure(f"the guest file '{path}' is missing: run tests/guests/get-guests {guests_dir()}")
    return path


_scratch = []


def scratch_dir():
    """One per test process, writable for Ringer's user, removed at the end."""
    if not _scratch:
        path = tempfile.mkdtemp(prefix="ringer-test-", dir=os.environ.get("RINGER_TMP"))
        os.chmod(path, 0o755)
        give_away(path)
        _scratch.append(path)
    return _scratch[0]


def scratch(name, content=None):
    path = os.path.join(scratch_dir(), name)
    if content is not None:
        with open(path, "wb") as f:
            f.write(content)
        give_away(path)
    return path


def scratch_copy(source, name):
    """A copy that Ringer may write; holes stay holes."""
    path = scratch(name)
    subprocess.run(["cp", "--sparse=always", source, path], check=True)
    os.chmod(path, 0o644)
    give_away(path)
    return path


def give_away(path):
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def unprivileged(command):
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"] + command


def ringer_for_nobody():
    """The program where Ringer's user can reach it, whatever directory it was built in."""
    path = ringer_program()
    if os.geteuid() != 0:
        return path
    copy = scratch("ringer")
    if not os.path.exists(copy):
        shutil.copy(path, copy)
        os.chmod(copy, 0o755)
    return copy


def is_sanitized():
    with open(ringer_program(), "rb") as f:
        return b"__asan_init" in f.read()


def environment():
    env = dict(os.environ)
    # with ASan, our own SIGSEGV handler must win
    env.setdefault("ASAN_OPTIONS", "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env["HOME"] = scratch_dir()
    return env


def log(*words):
    print(f"[{time.strftime('%H:%M:%S')}]", *words, flush=True)


# --- a running guest ---


class Guest:
    """A process whose stdin and stdout are the guest's first serial port."""

    name = "guest"

    def __init__(self, command, env=None):
        self.command = command
        self.started = time.monotonic()
        log(self.name + ":", " ".join(command))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=env, start_new_session=True)
        self.condition = threading.Condition()
        self.serial = ""      # all of it
        self.position = 0     # up to where wait_serial() has looked
        self.times = []       # (length of self.serial, time, processor time) after every piece
        self.stderr = ""
        self.is_eof = False
        self.readers = [threading.Thread(target=self._read_serial, daemon=True),
                        threading.Thread(target=self._read_stderr, daemon=True)]
        for t in self.readers:
            t.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        if error is not None and not getattr(error, "is_described", False):
            self.describe()
            error.is_described = True
        self.kill()

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for t in self.readers:
            t.join(5)

    def _read_serial(self):
        fd = self.process.stdout.fileno()
        while True:
            piece = os.read(fd, 65536)
            now, cpu = time.monotonic(), self.cpu_clock()
            with self.condition:
                if piece:
                    self.serial += piece.decode("utf-8", "replace")
                    self.times.append((len(self.serial), now, cpu))
                else:
                    self.is_eof = True
                self.condition.notify_all()
            if not piece:
                return

    def _read_stderr(self):
        fd = self.process.stderr.fileno()
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                return
            with self.condition:
                self.stderr = (self.stderr + piece.decode("utf-8", "replace"))[-40000000:]

    # -- waiting --

    def wait_serial(self, pattern, timeout=60, from_start=False):
        """Wait until pattern appears after what was matched last; returns the match."""
        deadline = time.monotonic() + timeout * PATIENCE
        with self.condition:
            start = 0 if from_start else self.position
            while True:
                m = re.compile(pattern).search(self.serial, start)
                if m:
                    self.position = max(self.position, m.end())
                    return m
                if self.is_eof:
                    raise Failure(f"{self.name} ended while '{pattern}' was expected on the serial console")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure(f"'{pattern}' did not appear on the serial console within {timeout} s")
                self.condition.wait(min(left, 1))

    def time_of(self, position):
        """When the serial output got that long."""
        return self.times_of(position)[0]

    def times_of(self, position):
        """The same, and the processor time it had taken by then; both in seconds."""
        with self.condition:
            for length, when, cpu in self.times:
                if length >= position:
                    return when, cpu
        raise Failure("there was not that much output")

    def type(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.name} ended while '{text.strip()}' was typed") from None

    def command_output(self, line, timeout=60, prompt=SHELL_PROMPT):
        """Type a line to a shell that waits at its prompt; what it printed."""
        start = self.position
        self.type(line + "\n")
        self.wait_serial(r"\n", timeout)  # the echo
        begin = self.position
        self.wait_serial(prompt, timeout)
        assert self.position > start
        text = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", self.serial[begin:self.position])
        return text.replace("\r", "").rpartition("\n")[0]  # without the prompt

    def wait_exit(self, *statuses, timeout=60):
        try:
            status = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {timeout} s") from None
        for t in self.readers:
            t.join(5)
        if statuses and status not in statuses:
            raise Failure(f"exit status {status}, expected {' or '.join(map(str, statuses))}")
        return status

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_clock(self):
        """User and system time of all threads, to the microsecond; None if the process is gone."""
        try:
            return time.clock_gettime((~self.process.pid << 3) | 2)  # as clock_getcpuclockid(3) makes it
        except OSError:
            return None

    def describe(self):
        print(f"--- {self.name}: {' '.join(self.command)}")
        print(f"--- {time.monotonic() - self.started:.1f} s after the start, exit status {self.process.poll()}")
        print("--- end of the serial console:\n" + printable(self.serial[-4000:]))
        print("--- stderr:\n" + printable(self.stderr[-4000:]), flush=True)


def printable(text):
    return re.sub(r"[^\n\t\x20-\x7e\u00a0-\uffff]", lambda m: "" if m[0] == "\r" else f"<{ord(m[0]):02x}>", text)


class Ringer(Guest):
    name = "ringer"
    count = 0

    def __init__(self, *options, serial=True, control=True, timeout_option=3600):
        Ringer.count += 1
        self.control_path = scratch(f"control{Ringer.count}") if control else None
        self.socket = None
        command = [ringer_for_nobody(), "run", "--display", "none", "--serial", "stdio" if serial else "none"]
        if control:
            command += ["--control", "unix:" + self.control_path]
        if timeout_option:  # a net below the test's own limits
            command += ["--timeout", str(int(timeout_option * PATIENCE))]
        super().__init__(unprivileged(command + list(options)), environment())

    def kill(self):
        if self.socket:
            self.socket.close()
        super().kill()

    def describe(self):
        super().describe()
        if self.process.poll() is None and self.control_path:
            try:
                print("--- screen:\n" + (self.screen() or "(in a graphics mode)"))
            except (Failure, OSError) as e:
                print(f"--- the control socket does not answer: {e}")
        sys.stdout.flush()

    # -- control socket --

    def _connect(self):
        deadline = time.monotonic() + 30 * PATIENCE
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.control_path)
                break
            except OSError:
                s.close()
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Failure("the control socket cannot be reached") from None
                time.sleep(0.05)
        s.settimeout(60 * PATIENCE)
        self.socket, self.lines = s, s.makefile("rb")
        greeting = json.loads(self.lines.readline() or b"{}")
        if "QMP" not in greeting:
            raise Failure(f"the control socket greets with {greeting}")

    def control(self, command, **arguments):
        """Run a command of the control socket; its return object."""
        if not self.socket:
            self._connect()
        request = {"execute": command, "id": 1}
        if arguments:
            request["arguments"] = arguments
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
            while True:
                line = self.lines.readline()
                if not line:
                    raise Failure(f"the control socket was closed during '{command}'")
                answer = json.loads(line)
                if "event" not in answer:
                    break
        except OSError as e:
            raise Failure(f"the control socket failed during '{command}': {e}") from None
        if "error" in answer:
            raise Failure(f"'{command}' answered: {answer['error'].get('desc')}")
        return answer["return"]

    def screen(self):
        """The text screen as lines, or None in a graphics mode."""
        try:
            return "\n".join(self.control("screen-text")["lines"])
        except Failure as e:
            if "text mode" in str(e):
                return None
            raise

    def wait_screen(self, pattern, timeout=60):
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            text = self.screen()
            m = re.search(pattern, text) if text is not None else None
            if m:
                return m
            if time.monotonic() > deadline:
                raise Failure(f"'{pattern}' did not appear on the screen within {timeout} s")
            time.sleep(0.3)

    def send_keys(self, *chords):
        """Each chord is QEMU's key names joined by '-': "c", "ret", "ctrl-alt-delete"."""
        for chord in chords:
            self.control("send-key", keys=chord.split("-"))
            time.sleep(0.15)

    def screendump(self, path):
        self.control("screendump", filename=path)


class Qemu(Guest):
    """The same machine under QEMU's TCG, for comparison."""

    name = "qemu"

    def __init__(self, *options, serial=True):
        program = shutil.which("qemu-system-i386")
        if not program:
            raise Failure("no qemu-system-i386 to compare with: install the package qemu-system-x86")
        command = [program, "-accel", "tcg", "-display", "none", "-monitor", "none", "-nic", "none",
                   "-serial", "stdio" if serial else "none"]
        super().__init__(command + list(options))


# --- tests that are over when Ringer is ---


class Result:
    def __init__(self, status, stdout, stderr, seconds):
        self.status, self.stdout, self.stderr, self.seconds = status, stdout, stderr, seconds


def run_ringer(*arguments, limit=60, env=None):
    """Run `ringer ARGUMENTS` to its end; status -signal if killed, None if limit seconds were not enough."""
    command = unprivileged([ringer_for_nobody(), *arguments])
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**environment(), **(env or {})}, start_new_session=True)
    try:
        out, err = process.communicate(timeout=limit * PATIENCE)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        status = None
    return Result(status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), time.monotonic() - start)


def run_test(*tests):
    """Run test functions, say what failed, exit."""
    failed = []
    try:
        for test in tests:
            name = getattr(test, "__name__", "test")
            try:
                test()
                log(f"{name}: passed")
            except KeyboardInterrupt:
                raise
            except Exception as e:  # pylint: disable=broad-except
                failed.append(name)
                if isinstance(e, (Failure, AssertionError)):
                    where = traceback.extract_tb(e.__traceback__)
                    lines = ", ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in where[1:])
                    log(f"{name}: FAILED: {e} ({lines})")
                else:
                    traceback.print_exc()
                    log(f"{name}: FAILED")
    finally:
        for path in _scratch:
            if os.environ.get("RINGER_KEEP"):
                log("kept", path)
            else:
                shutil.rmtree(path, ignore_errors=True)
    sys.exit(1 if failed else 0)
