#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotated-auth alone, with a fixture in the vault's place: keys, sockets, limits."""

import os
import select
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness


class Vault:
    """tests/integration/fixture-vault"""

    def __init__(self, root):
        program = os.path.join(harness.BUILD, "tests", "integration", "fixture-vault")
        self.popen = subprocess.Popen(
            [program, root.join("var/lib/rotated/index"), root.join("run/rotated/door"),
             root.join("keys")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self._expect("ready")

    def _expect(self, wanted):
        if not select.select([self.popen.stdout], [], [], harness.PATIENCE)[0]:
            raise harness.Failure("the fixture says nothing")
        line = self.popen.stdout.readline().strip()
        if line != wanted:
            raise harness.Failure(f"the fixture says {line!r}, not {wanted!r}")

    def order(self, text):
        self.popen.stdin.write(text + "\n")
        self.popen.stdin.flush()
        self._expect("ok")

    def stop(self):
        self.popen.kill()
        self.popen.wait(harness.PATIENCE)


def frame(**fields):
    body = b""
    for key, value in {"v": "1", **fields}.items():
        data = value if isinstance(value, bytes) else value.encode()
        body += key.encode() + b"\0" + struct.pack(">I", len(data)) + data
    return struct.pack(">I", len(body)) + body


def fields(data):
    out, at = {}, 4
    while at < len(data):
        nul = data.index(b"\0", at)
        length = struct.unpack(">I", data[nul + 1:nul + 5])[0]
        out[data[at:nul].decode()] = data[nul + 5:nul + 5 + length].decode()
        at = nul + 5 + length
    return out


def receive_end(s):
    """Empty when the other end closed the connection, whatever it had not read."""
    try:
        return s.recv(65536)
    except ConnectionResetError:
        return b""


class Auth:
    """The plugin's place: one connection, kept."""

    def __init__(self, root):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(harness.PATIENCE)
        path = root.join("var/spool/postfix/private/rotated-auth")
        harness.poll("room in the backlog", lambda: self._connect(path))

    def _connect(self, path):
        try:
            self.socket.connect(path)
        except BlockingIOError:
            return False
        return True

    def ask(self, data):
        self.socket.send(data)
        return fields(self.socket.recv(65536))

    def password(self, login, password):
        return self.ask(frame(verb="Auth.Password", login=login, password=password,
                              mechanism="PLAIN", address="192.0.2.7;4711", service="smtp"))

    def verifier(self, login):
        return self.ask(frame(verb="Auth.Verifier", login=login, mechanism="SCRAM-SHA-256"))


def mux(root, *parts, torn=0):
    """What the door answers on its saslauthd socket, to the end of the connection."""
    data = b"".join(struct.pack(">H", len(p)) + p.encode() for p in parts)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(harness.PATIENCE)
        s.connect(root.join("var/spool/postfix/private/rotated-mux"))
        if torn:
            for i in range(len(data)):
                s.send(data[i:i + 1])
        else:
            s.send(data)
        answer = b""
        try:
            while chunk := s.recv(4096):
                answer += chunk
        except ConnectionResetError:
            pass  # it was closed with some of the request unread
        return answer


def verdict(root, login="billing.1", password="secret"):
    return Auth(root).password(login, password)["verdict"]


def wait_verdict(root, wanted):
    harness.poll(f"the verdict {wanted}", lambda: verdict(root) == wanted)


def check_protocols(results, root):
    auth = Auth(root)
    results.equal(auth.password("billing.1", "secret"),
                  {"v": "1", "status": "ok", "verdict": "ok", "identity": "billing"},
                  "the right password is accepted, with whose it is")
    results.equal(auth.password("billing.1", "wrong"), auth.password("nobody.1", "secret"),
                  "a wrong password and an unknown login are answered alike")
    results.equal(auth.password("billing.1@relay", "secret")["verdict"], "ok",
                  "a configured realm is taken off")
    results.equal(auth.password("billing.1@other", "secret")["verdict"], "reject",
                  "any other realm is not")
    results.equal(auth.password("shop.1", "secret")["verdict"], "reject",
                  "a login that is not in force is refused with its password")
    real, decoy = auth.verifier("billing.1"), auth.verifier("nobody.1")
    results.equal((decoy["verdict"], len(decoy["verifier"])),
                  (real["verdict"], len(real["verifier"])),
                  "an unknown login has a verifier of the usual shape")
    results.equal(auth.verifier("nobody.1"), decoy, "it has the same one every time")
    results.check("identity" not in decoy, "a decoy is nobody's")
    results.check("identity" not in auth.verifier("shop.1"),
                  "a login that is not in force gets a decoy")
    results.equal(auth.verifier("x" * 400)["verdict"], "ok", "so does an overlong login")


def check_mux(results, root):
    ok, no = b"\0\2OK", b"\0\2NO"
    results.equal(mux(root, "billing.1", "secret", "smtp", ""), ok, "four fields are enough")
    results.equal(mux(root, "billing.1", "secret", "smtp", "", "192.0.2.7;25"), ok,
                  "five are as good")
    results.equal(mux(root, "billing.1", "secret", "smtp", "relay"), ok,
                  "a realm that comes apart is taken off")
    results.equal(mux(root, "billing.1", "secret", "smtp", "relay", torn=1), ok,
                  "a request may come byte by byte")
    results.equal(mux(root, "billing.1", "wrong", "smtp", ""), no, "a wrong password is NO")
    results.equal(mux(root, "nobody.1", "secret", "smtp", ""), no, "an unknown login is NO")
    results.equal(mux(root, "billing.1", "a" * 9000, "smtp", ""), b"",
                  "an overlong request is cut off")


def check_hostile(results, root):
    for data, sentence in (
        (b"no frame", "bytes that are no frame"),
        (frame(verb="Status.Get"), "a verb of another socket"),
        (frame(verb="Auth.Verifier", login="a\0b", mechanism="x"), "a NUL in a login"),
        (b"\0" * 65537, "an overlong message"),
    ):
        auth = Auth(root)
        auth.socket.send(data)
        results.equal(receive_end(auth.socket), b"", f"{sentence}: the connection is closed")
    results.equal(verdict(root), "ok", "and others are served as before")
    idle = [Auth(root) for _ in range(200)]
    results.equal({a.password("billing.1", "secret")["verdict"] for a in idle}, {"ok"},
                  "200 connections are served")
    results.equal(verdict(root, password=""), "reject", "an empty password is refused")


def check_peers(results, root):
    """A stranger's connection is closed before it is read."""
    program = ("import os,socket,sys; os.setgid(65534); os.setuid(65534);"
               "s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); s.settimeout(60);"
               "s.connect(sys.argv[1]);\n"
               "try: sys.exit(0 if s.recv(1) == b'' else 1)\n"
               "except ConnectionResetError: sys.exit(0)")
    path = root.join("var/spool/postfix/private/rotated-auth")
    os.chmod(path, 0o666)
    done = subprocess.run([sys.executable, "-c", program, path], timeout=harness.PATIENCE,
                          check=False)
    os.chmod(path, 0o660)
    results.equal(done.returncode, 0, "a user who is not a peer is turned away")


def check_vault(results, root, vault):
    """Keys come, stay, go and come back, by the vault's word only."""
    vault.order("seal")
    with results.case("sealing the vault makes every verdict unavail"):
        wait_verdict(root, "unavail")
    results.equal(mux(root, "billing.1", "secret", "smtp", ""), b"\0\0",
                  "saslauthd's clients get an empty answer then, which is a 454")
    vault.order("open")
    with results.case("the keys come back when the vault is opened"):
        wait_verdict(root, "ok")
    vault.stop()
    results.equal(verdict(root), "ok", "logins go on while the vault is away")
    vault = Vault(root)
    vault.order("remove billing.1")
    results.equal(verdict(root), "reject", "what is removed is refused at the next question")
    vault.order("add billing.1 secret")
    results.equal(verdict(root), "ok", "what is added works at the next question")
    with results.case("the door finds a vault that was started anew"):
        vault.order("await")
    results.equal(verdict(root), "ok", "which changes nothing for the logins")
    vault.order("seal")
    with results.case("and hears when it is sealed"):
        wait_verdict(root, "unavail")
    vault.order("open")
    wait_verdict(root, "ok")
    return vault


def check_log(results, root, door):
    text = door.log()
    results.check('refused login=billing.1 address=192.0.2.7;4711 mechanism=PLAIN '
                  'reason="wrong password"' in text, "a refusal is logged with its reason", text)
    results.check("secret" not in text and "wrong " not in text.replace("wrong password", ""),
                  "no password is in the log", text)


def check_reload(results, root, door):
    root.write("etc/rotated/rotated.conf", "[door]\nrealms = other\n")
    door.signal(signal.SIGHUP)
    with results.case("SIGHUP takes over a new configuration"):
        harness.poll("the new realm",
                     lambda: verdict(root, login="billing.1@other") == "ok")
    root.write("etc/rotated/rotated.conf", "[door]\nrealm = other\n")
    door.signal(signal.SIGHUP)
    with results.case("a configuration with an error is told"):
        harness.poll("the complaint", lambda: "rotated.conf:2" in door.log())
    results.equal(verdict(root, login="billing.1@other"), "ok",
                  "and the old one stays in force")
    root.write("etc/rotated/rotated.conf", "[door]\nrealms = other\n")


def listen(root, name, kind):
    path = root.join("var/spool/postfix/private", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(path)
    s.listen()
    return s


def start_activated(root, sockets):
    """As systemd starts it: the sockets are descriptors 3 and up, and named."""
    def place():
        copies = [os.dup(s.fileno()) for s in sockets.values()]
        for i, fd in enumerate(copies):
            os.dup2(fd, 3 + i)

    program = harness.build_path("rotated-auth")
    with open(root.join("log/activated.log"), "ab") as out:
        return subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ exec "$0" --root "$1"', program, root.path],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, close_fds=False,
            preexec_fn=place,
            env=dict(os.environ, LISTEN_FDS=str(len(sockets)),
                     LISTEN_FDNAMES=":".join(sockets)),
        )


def check_activation(results, root):
    """Who listens is systemd: a login that comes while the door is down just waits."""
    sockets = {"mux": listen(root, "rotated-mux", socket.SOCK_STREAM),
               "auth": listen(root, "rotated-auth", socket.SOCK_SEQPACKET)}
    early = Auth(root)
    early.socket.send(frame(verb="Auth.Password", login="billing.1", password="secret",
                            mechanism="PLAIN"))
    door = start_activated(root, sockets)
    try:
        results.equal(fields(early.socket.recv(65536))["status"], "ok",
                      "a question from before the start is answered")
        with results.case("sockets that were handed over are served"):
            wait_verdict(root, "ok")
        results.equal(mux(root, "billing.1", "secret", "smtp", ""), b"\0\2OK", "both of them")
        door.send_signal(signal.SIGTERM)
        results.equal(door.wait(harness.PATIENCE), 0, "that door ends cleanly too")
        results.equal(sorted(os.listdir(root.join("var/spool/postfix/private"))),
                      ["rotated-auth", "rotated-mux"], "and leaves the sockets to who made them")
    finally:
        door.kill()
    wrong = {"auth": listen(root, "rotated-other", socket.SOCK_STREAM)}
    results.equal(start_activated(root, wrong).wait(harness.PATIENCE), 1,
                  "a socket of another type is refused at the start")
    for s in [*sockets.values(), *wrong.values()]:
        s.close()


def main():
    results = harness.Results()
    with harness.Root("[door]\nrealms = relay\n") as root:
        door = root.start_door()
        results.equal(verdict(root), "unavail", "a door without keys says unavail")
        results.equal(mux(root, "billing.1", "secret", "smtp", ""), b"\0\0",
                      "and an empty answer on the mux")
        vault = Vault(root)
        vault.order("add billing.1 secret")
        vault.order("disable shop.1 secret")
        with results.case("a vault that comes later is found"):
            wait_verdict(root, "ok")
        check_protocols(results, root)
        check_mux(results, root)
        check_hostile(results, root)
        if os.geteuid() == 0:
            check_peers(results, root)
        vault = check_vault(results, root, vault)
        check_reload(results, root, door)
        check_log(results, root, door)
        results.equal(root.start("rotated-auth", ready=False).popen.wait(harness.PATIENCE), 1,
                      "a second door leaves the first one's sockets alone")
        results.equal(verdict(root), "ok", "and the first goes on")
        results.equal(door.stop(), 0, "it ends cleanly when asked to")
        results.equal(os.listdir(root.join("var/spool/postfix/private")), [],
                      "and takes its sockets away")
        check_activation(results, root)
        vault.stop()
    results.exit()


if __name__ == "__main__":
    main()
