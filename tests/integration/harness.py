# SPDX-License-Identifier: BSD-2-Clause
"""What the integration tests share: private roots, the three daemons, polling, result lines.

A test makes one Results and one Root, starts what it needs, calls results.check() once for
each thing it shows, and ends with results.exit(). Nothing here waits without a deadline and
nothing stops a process that it did not start.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from signal import SIGTERM  # a method below is called as the module is

BUILD = os.path.abspath(os.environ.get("TOP_BUILDDIR", os.getcwd()))
SOURCE = os.path.abspath(
    os.environ.get("TOP_SRCDIR", os.path.join(os.path.dirname(__file__), "..", ".."))
)
PATIENCE = 60  # seconds: long enough for valgrind, short enough to end a hung run
SKIP = 77
NOTHING = 3  # rotatectl's exit code for "it is so already"
PASSPHRASE = "correct horse battery staple"


class Failure(Exception):
    """Something that the test needs did not come about."""


class Results:
    """One line for each case, in the form that a person and a TAP reader both take."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, condition, sentence, detail=""):
        self.count += 1
        if condition:
            print(f"ok - {sentence}", flush=True)
            return True
        self.failed += 1
        print(f"not ok - {sentence}", flush=True)
        for line in str(detail).splitlines()[-40:]:
            print(f"#   {line}", flush=True)
        return False

    def equal(self, got, wanted, sentence):
        return self.check(got == wanted, sentence, f"got {got!r}, wanted {wanted!r}")

    @contextlib.contextmanager
    def case(self, sentence):
        """The block is one case: it passes unless it raises."""
        try:
            yield
        except Exception:  # noqa: BLE001: whatever it was, it is this case's failure
            self.check(False, sentence, traceback.format_exc())
        else:
            self.check(True, sentence)

    def exit(self):
        if self.count == 0:
            print("not ok - the test checked something", flush=True)
        sys.exit(1 if self.failed or self.count == 0 else 0)


def skip(reason):
    print(f"skip - {reason}", flush=True)
    sys.exit(SKIP)


def need_programs(*names):
    """Skips the whole test, saying why, unless every program is installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for name in names:
        if not shutil.which(name, path=path):
            skip(f"{name} is not installed")


def poll(what, question, patience=None):
    """Asks until the answer is true and returns it; Failure when patience ends."""
    deadline = time.monotonic() + (patience or PATIENCE)
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failure(f"gave up waiting for {what}")
        time.sleep(0.01)


def free_port(kind=socket.SOCK_STREAM):
    """A loopback port that nobody used a moment ago."""
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, patience=None):
    def answers():
        with socket.socket() as s:
            s.settimeout(1)
            return s.connect_ex(("127.0.0.1", port)) == 0

    poll(f"127.0.0.1:{port} to answer", answers, patience)


def build_path(name, build=None):
    """Where the build tree has a program: beside its sources or at the top."""
    build = build or BUILD
    for folder in ("", "rotated/vault", "rotated/door", "rotated/hands", "cli"):
        path = os.path.join(build, folder, name)
        if os.path.isfile(path):
            return path
    raise Failure(f"{build} has no {name}: run make first")


def bench_programs(*names):
    """Paths of what `make` alone does not build, or an end that says what to type."""
    missing = [name for name in names if not os.path.isfile(os.path.join(BUILD, name))]
    if missing:
        sys.exit(f"{BUILD} lacks {' and '.join(missing)}: make -C {BUILD} {' '.join(missing)}, or make bench, "
                 "which builds all it runs; TOP_BUILDDIR names another build tree")
    return [os.path.join(BUILD, name) for name in names]


def is_asan_build(build):
    """An ASan build cannot be loaded into programs that are not built so, like smtpd."""
    with open(os.path.join(build, "config.status"), encoding="utf-8") as f:
        return "-fsanitize=address" in f.read()


def plain_build():
    """A build tree whose plugin Debian's own programs can load, or a skip."""
    build = os.environ.get("ROTATED_PLAIN_BUILDDIR", BUILD)
    if is_asan_build(build):
        skip("needs a build without ASan: set ROTATED_PLAIN_BUILDDIR")
    return os.path.abspath(build)


class Process:
    """A program in the foreground whose output goes to a file; stopped by its own pid."""

    def __init__(self, argv, log, env=None, cwd=None, **popen):
        self.argv = argv
        self.log_path = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd, **popen
            )

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def signal(self, number):
        self.popen.send_signal(number)

    def pause(self):
        self.signal(signal.SIGSTOP)

        def stopped():
            with open(f"/proc/{self.pid}/stat", encoding="utf-8") as f:
                return f.read().rpartition(")")[2].split()[0] == "T"

        poll(f"pid {self.pid} to stop", stopped)

    def resume(self):
        self.signal(signal.SIGCONT)

    def is_running(self):
        return self.popen.poll() is None

    def stop(self, number=SIGTERM):
        """Ends it and returns its exit code; SIGKILL when it does not listen."""
        if self.is_running():
            self.resume()
            self.signal(number)
            try:
                self.popen.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(PATIENCE)
        return self.popen.returncode

    def kill(self):
        return self.stop(signal.SIGKILL)


class Daemon(Process):
    """One of ours: it says READY=1 over NOTIFY_SOCKET when it may be talked to."""

    def __init__(self, argv, log, cwd=None, ready=True, env=None, **popen):
        folder = tempfile.mkdtemp(prefix="rtn")
        path = os.path.join(folder, "n")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.bind(path)
                os.chmod(folder, 0o755)
                os.chmod(path, 0o666)
                notify.settimeout(0.05)
                env = dict(env or os.environ, NOTIFY_SOCKET=path)
                super().__init__(argv, log, env=env, cwd=cwd, **popen)
                if ready:
                    poll(f"{argv[0]} to be ready", lambda: self._is_ready(notify))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _is_ready(self, notify):
        try:
            return b"READY=1" in notify.recv(4096).split(b"\n")
        except socket.timeout:
            if not self.is_running():
                raise Failure(f"{self.argv[0]} ended: {self.log()}") from None
            return False


class Root:
    """A private root: configuration, state and sockets of one set of daemons.

    Use as a context manager: at its end what was started is stopped and the folder is removed,
    unless KEEP_ROOT is in the environment.
    """

    def __init__(self, conf="[vault]\n", build=None):
        self.build = build or BUILD
        self.path = tempfile.mkdtemp(prefix="rt", dir="/tmp")  # short: sockets live below
        os.chmod(self.path, 0o755)
        self.processes = []
        for folder in ("etc/rotated/services.d", "etc/rotated/domains.d", "run/rotated",
                       "var/lib/rotated", "var/log/rotated", "log"):
            os.makedirs(os.path.join(self.path, folder))
        self.write("etc/rotated/rotated.conf", conf)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        for process in reversed(self.processes):
            process.kill()
        if os.environ.get("KEEP_ROOT"):
            print(f"# kept {self.path}", flush=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)

    def join(self, *names):
        return os.path.join(self.path, *names)

    def write(self, name, text, mode=0o644):
        path = self.join(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def service(self, service, conf=""):
        return self.write(f"etc/rotated/services.d/{service}.conf", conf or "[service]\n")

    def domain(self, domain, conf=""):
        return self.write(f"etc/rotated/domains.d/{domain}.conf", conf or "[domain]\n")

    def adopt(self, process):
        """Stops PROCESS with the rest when the root is closed."""
        self.processes.append(process)
        return process

    def start(self, program, *args, ready=True):
        argv = [build_path(program, self.build), "--root", self.path, *args]
        return self.adopt(Daemon(argv, self.join("log", f"{program}.log"), ready=ready))

    def start_vault(self):
        return self.start("rotated")

    def start_door(self):
        return self.start("rotated-auth")

    def start_worker(self):
        return self.start("rotated-worker")

    def start_porter(self):
        return self.start("rotated-unlock")

    def ctl(self, *args, stdin="", check=True, patience=None):
        """Runs rotatectl; returns the CompletedProcess, or Failure if it did not exit with 0."""
        done = subprocess.run(
            [build_path("rotatectl", self.build), "--root", self.path, *args],
            input=stdin, capture_output=True, text=True, timeout=patience or PATIENCE,
            check=False,
        )
        if check and done.returncode != 0:
            raise Failure(
                f"rotatectl {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    # What most tests do first; each is the documented command line.

    def open_store(self, *args):
        """Makes the keystore and leaves it unsealed. The vault must run."""
        self.ctl("init", *args, stdin=PASSPHRASE + "\n")
        self.unseal()

    def unseal(self):
        done = self.ctl("unseal", stdin=PASSPHRASE + "\n", check=False)
        if done.returncode not in (0, NOTHING):
            raise Failure(f"unseal: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def _credential(self, verb, service):
        answer = json.loads(self.ctl("--json", "credential", verb, service).stdout)
        return answer["login"], answer["secret"]

    def issue(self, service):
        """(login, secret) of a service's first credential."""
        return self._credential("issue", service)

    def rotate(self, service):
        return self._credential("rotate", service)

    def revoke(self, login):
        return self.ctl("credential", "revoke", login)


def user_exists(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False
