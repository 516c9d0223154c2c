#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the three daemons tell systemd: ready, alive, reloading, stopping; and that a daemon which
hangs stops saying that it is alive, so that it would be restarted."""

import os
import signal
import socket
import subprocess
import sys
import tempfile

from harness import PATIENCE, Results, Root, build_path, poll

PROGRAMS = ("rotated", "rotated-auth", "rotated-unlock", "rotated-worker")
WATCHDOG_USEC = 400000
MANY = 3000


class Manager:
    """systemd's end of the notification socket, and one daemon of it."""

    def __init__(self, root, program):
        self.folder = tempfile.TemporaryDirectory(prefix="rtn")
        path = os.path.join(self.folder.name, "n")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(0.05)
        self.heard = []
        with open(root.join("log", program), "ab") as log:
            self.popen = subprocess.Popen(
                [build_path(program, root.build), "--root", root.path], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
                env=dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC=str(WATCHDOG_USEC)))

    def listen(self):
        try:
            self.heard += self.socket.recv(4096).decode().split("\n")
            return True
        except socket.timeout:
            return False

    def wait(self, word, times=1):
        """Waits until WORD was heard so often, counting from the last time this was called."""
        self.heard = []

        def said():
            self.listen()
            return sum(line.startswith(word) for line in self.heard) >= times

        poll(f"{self.popen.args[0]} to say {word}", said)

    def drain(self):
        while self.listen():
            pass

    def close(self):
        self.popen.kill()
        self.popen.wait(PATIENCE)
        self.socket.close()
        self.folder.cleanup()


def check_program(results, root, program):
    daemon = Manager(root, program)
    try:
        with results.case(f"{program} says when it is ready"):
            daemon.wait("READY=1")
        with results.case(f"{program} says that it is alive, again and again"):
            daemon.wait("WATCHDOG=1", 3)
        daemon.popen.send_signal(signal.SIGSTOP)
        daemon.drain()
        results.check(not daemon.listen(), f"a {program} that hangs says nothing")
        daemon.popen.send_signal(signal.SIGCONT)
        with results.case(f"{program} goes on saying so afterwards"):
            daemon.wait("WATCHDOG=1")
        if program != "rotated-worker":  # which reads no configuration
            daemon.popen.send_signal(signal.SIGHUP)
            with results.case(f"{program} says when it reloads, and when it has"):
                daemon.wait("RELOADING=1")
        daemon.popen.send_signal(signal.SIGTERM)
        with results.case(f"{program} says that it stops"):
            daemon.wait("STOPPING=1")
        results.equal(daemon.popen.wait(PATIENCE), 0, f"{program} ends well")
    finally:
        daemon.close()


def many_services(results):
    """An unseal that builds the index of thousands is not taken for a hang, nor a start for one that failed."""
    with Root("[keystore]\nkey_file = /etc/rotated/key\n") as root:
        for n in range(MANY):
            root.service(f"s{n}")
        vault = root.start_vault()
        root.open_store("--unattended")
        vault.stop()
        daemon = Manager(root, "rotated")
        try:
            with results.case(f"a vault that opens by itself with {MANY} services tells that it gets on"):
                daemon.wait("EXTEND_TIMEOUT_USEC=", MANY // 1000)
        finally:
            daemon.close()


def main():
    results = Results()
    many_services(results)
    with Root() as root:
        os.makedirs(root.join("var/spool/postfix/private"))
        for program in PROGRAMS:
            check_program(results, root, program)
    results.exit()


if __name__ == "__main__":
    sys.exit(main())
