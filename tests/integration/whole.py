# SPDX-License-Identifier: BSD-2-Clause
"""A whole site for the tests that need one: the three daemons, a keystore, and ways to log in."""

import json
import os
import socket
import struct
import subprocess

from harness import PASSPHRASE, PATIENCE, Failure, Root, build_path, poll
from servers import Knot, zone_text

SHORT = """
[engine]
allow_short_waits = yes
retry_min = 1s
retry_max = 2s
[password]
overlap = 1h
[dkim]
soak = 1s
overlap = 2s
ttl = 1s
"""


def mux_login(path, login, password, patience=PATIENCE):
    """Asks the saslauthd socket; "ok", "no", or "unavail" when no answer comes."""
    request = b"".join(
        struct.pack(">H", len(part)) + part
        for part in (login.encode(), password.encode(), b"smtp", b""))
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(patience)
            s.connect(path)
            s.sendall(request)
            answer = b""
            while len(answer) < 4:
                more = s.recv(1024)
                if not more:
                    return "unavail"
                answer += more
    except OSError:
        return "unavail"
    word = answer[2:4]
    if word not in (b"OK", b"NO"):
        raise Failure(f"saslauthd socket: {answer!r}")
    return word.decode().lower()


def publish_by_knot(root, domain):
    """Configures DOMAIN to be published by dns-zonefile into a Knot of ROOT's own; the Knot."""
    include = root.write(f"dns/{domain}.inc", "")
    knot = Knot(root, domain, zone_text(f"ns1 IN A 127.0.0.1\n$INCLUDE {include}\n", negative=1))
    root.domain(domain, f"""[domain]
[dns]
hook = {os.path.join(root.build, "hooks/dns-zonefile")}
setting = FILE={include}
setting = RELOAD={knot.reload_command(domain)}
servers = 127.0.0.1:{knot.port}
""")
    return knot


class Site(Root):
    """The three daemons and an open keystore. AUTH opens by itself after a restart."""

    def __init__(self, conf="", services=("billing",), build=None, make_queue=True):
        super().__init__(SHORT + "[keystore]\nkey_file = /etc/rotated/auth.key\n" + conf, build)
        if make_queue:  # else a real Postfix makes it
            os.makedirs(self.join("var/spool/postfix/private"))
        self.passphrase = self.write("passphrase", PASSPHRASE + "\n", 0o600)
        for service in services:
            self.service(service)
        self.mux = self.join("var/spool/postfix/private/rotated-mux")
        self.daemons = {}

    def start_all(self):
        self.daemons["rotated"] = self.start_vault()
        self.daemons["rotated-auth"] = self.start_door()
        self.daemons["rotated-worker"] = self.start_worker()
        self.ctl("init", "--unattended", "--passphrase-file", self.passphrase)
        self.wait_connected()
        return self

    def status(self):
        return json.loads(self.ctl("--json", "status").stdout)

    def wait_connected(self):
        def connected():
            done = self.ctl("--json", "status", check=False)
            if done.returncode != 0:
                return False
            status = json.loads(done.stdout)
            return status["door"]["has_keys"] and status["worker"]["connected"]

        poll("the door and the worker to be connected", connected)

    def unseal(self):
        self.ctl("unseal", "--passphrase-file", self.passphrase)

    def restart(self, program):
        """Starts what was stopped or killed; a vault is unsealed by its person."""
        self.daemons[program] = self.start(program)
        if program == "rotated":
            self.unseal()
        self.wait_connected()

    def issue(self, service, verb="issue"):
        """Issues or rotates; returns (login, secret)."""
        answer = json.loads(self.ctl("--json", "credential", verb, service).stdout)
        return answer["login"], answer["secret"]

    def rotate(self, service):
        return self.issue(service, "rotate")

    def login(self, login, secret):
        return mux_login(self.mux, login, secret)

    def dkim(self, domain):
        return json.loads(self.ctl("--json", "dkim", "show", domain).stdout)

    def key_states(self, domain):
        return {key["selector"]: key["state"] for key in self.dkim(domain)["keys"]}

    def active_selector(self, domain):
        for selector, state in self.key_states(domain).items():
            if state == "active":
                return selector
        return None


def ctl_in_background(root, *args):
    """rotatectl as a process, for tests that do something while it runs."""
    return subprocess.Popen(
        [build_path("rotatectl", root.build), "--root", root.path, *args],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
