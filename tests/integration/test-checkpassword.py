#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A service logs in through rotated-checkpassword: a qmail-style server, and Dovecot's auth."""

import base64
import os
import smtplib
import socketserver
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness
import whole

DOVECOT_CONF = """\
base_dir = {base}/run
log_path = {base}/log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_cache_size = 0
default_vsz_limit = 0
service auth {{
  unix_listener auth-client {{
    mode = 0666
  }}
}}
service stats {{
  chroot =
}}
passdb {{
  driver = checkpassword
  args = {program} --socket {socket}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
"""


def check_password(program, socket, login, password, env=None, rest=("true",)):
    """The exit status, as a server sees it that did all the interface asks for."""
    read, write = os.pipe()
    os.write(write, f"{login}\0{password}\0Y0\0".encode())
    os.close(write)
    script = f'exec 3<&{read} {read}<&-; exec "$@"' if read != 3 else 'exec "$@"'
    try:
        done = subprocess.run(
            ["sh", "-c", script, "sh", program, "--socket", socket, *rest],
            pass_fds=(read,), capture_output=True, text=True, timeout=harness.PATIENCE,
            env=dict(os.environ, **(env or {})), check=False)
    finally:
        os.close(read)
    return done


class QmailSmtpd(socketserver.StreamRequestHandler):
    """AUTH as netqmail's qmail-smtpd does it: 235, 535 and 454 by the exit status."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 mx.example.org ESMTP")
        for line in self.rfile:
            words = line.decode().split()
            verb = words[0].upper() if words else ""
            if verb == "EHLO":
                self.say("250-mx.example.org")
                self.say("250 AUTH PLAIN LOGIN")
            elif verb == "AUTH" and len(words) == 3 and words[1] == "PLAIN":
                _, login, password = base64.b64decode(words[2]).decode().split("\0")
                self.answer(login, password)
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("502 unimplemented")

    def answer(self, login, password):
        ip, port = self.client_address
        code = check_password(self.server.program, self.server.socket_path, login, password,
                              {"TCPREMOTEIP": ip, "TCPREMOTEPORT": str(port)}).returncode
        self.say({0: "235 ok, go ahead", 1: "535 authorization failed"}.get(
            code, "454 oops, problem with the checkpassword program"))


class Server:
    def __init__(self, program, path):
        self.tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), QmailSmtpd)
        self.tcp.daemon_threads = True
        self.tcp.program, self.tcp.socket_path = program, path
        self.port = self.tcp.server_address[1]
        threading.Thread(target=self.tcp.serve_forever, daemon=True).start()

    def auth(self, login, password):
        with smtplib.SMTP("127.0.0.1", self.port, "client.example.org", harness.PATIENCE) as c:
            c.ehlo()
            text = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
            return c.docmd("AUTH", "PLAIN " + text)[0]

    def stop(self):
        self.tcp.shutdown()
        self.tcp.server_close()


def check_interface(results, root, program, path, login, secret):
    def run(*pair, **more):
        return check_password(program, path, *pair, **more)

    done = run(login, secret, rest=("sh", "-c", 'echo "$USER in $PWD as $(id -u)"'))
    results.equal((done.returncode, done.stdout.strip()),
                  (0, f"billing in {os.getcwd()} as {os.getuid()}"),
                  "a right password runs the program, with the service as USER and nothing else")
    results.equal(run(login, secret[:-1] + "~").returncode, 1, "a wrong password exits with 1")
    results.equal(run("nobody.1", secret).returncode, 1, "an unknown login exits with 1")
    for pair in (("", secret), (login, ""), ("a b", "c"), ("\N{BULLET}" * 40, "x"),
                 ("x\ny", "z"), (login, "x" * 490), (login, "x" * 4000)):
        results.equal(run(*pair).returncode, 1,
                      f"{pair[0][:12]!r} with {len(pair[1])} bytes exits with 1")
    results.equal(run(login, secret, rest=()).returncode, 2, "no program exits with 2")
    seen = run(login, secret).stderr + root.daemons["rotated-auth"].log()
    results.check(secret not in seen, "no password is in a log")


def check_smtp(results, root, server, login, secret):
    results.equal([server.auth(login, secret), server.auth(login, "wrong")], [235, 535],
                  "a qmail-style server says 235 and 535")
    with results.case("the door's log has the client's address and the mechanism"):
        harness.poll("the refusal", lambda: (
            "address=127.0.0.1;" in root.daemons["rotated-auth"].log()
            and "mechanism=checkpassword" in root.daemons["rotated-auth"].log()))
    new = root.rotate("billing")
    results.equal([server.auth(login, secret), server.auth(*new)], [235, 235],
                  "both logins work after a rotation")
    root.ctl("credential", "revoke", login)
    results.equal([server.auth(login, secret), server.auth(*new)], [535, 235],
                  "the revoked one is refused at the next attempt")
    return new


def check_outage(results, root, program, path, server, pair):
    root.daemons["rotated-auth"].pause()
    done = check_password(program, path, *pair)
    results.equal(done.returncode, 111, "a door that does not answer exits with 111, in the end")
    root.daemons["rotated-auth"].resume()
    root.daemons["rotated-auth"].stop()
    done = check_password(program, path, *pair)
    results.equal(done.returncode, 111, "without the door it exits with 111")
    results.check("systemctl start rotated-auth" in done.stderr, "and says what to do", done.stderr)
    results.equal([server.auth(*pair), server.auth(pair[0], "wrong")], [454, 454],
                  "a qmail-style server says 454 then, to right and wrong")
    root.restart("rotated-auth")
    root.ctl("seal")
    with results.case("while the keystore is sealed it exits with 111 and says so"):
        harness.poll("111", lambda: check_password(program, path, *pair).returncode == 111)
        assert "cannot tell now" in check_password(program, path, *pair).stderr
    root.unseal()
    root.wait_connected()
    results.equal(server.auth(*pair), 235, "and it works again when it is unsealed")


def check_peers(results, root, program, path, pair):
    """As a user whom the socket lets in and [door] peers does not name, and one who is kept out."""
    def run_as_nobody():
        line = f'printf "%s\\0%s\\0\\0" {pair[0]} {pair[1]} | {program} --socket {path} true 3<&0'
        return subprocess.run(
            ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c", line],
            capture_output=True, text=True, timeout=harness.PATIENCE, check=False)

    mode = os.stat(path).st_mode
    os.chmod(path, 0o666)
    done = run_as_nobody()
    results.check(done.returncode == 111 and "peers=" in done.stderr,
                  "who is not in peers is told so, with 111", done)
    os.chmod(path, mode)
    done = run_as_nobody()
    results.check(done.returncode == 111 and "socket_mode=" in done.stderr,
                  "who may not open the socket is told so, with 111", done)


def start_dovecot(root, program, path):
    base = root.join("dovecot")
    os.makedirs(base)
    conf = root.write("dovecot/dovecot.conf",
                      DOVECOT_CONF.format(base=base, program=program, socket=path))
    root.adopt(harness.Process(["dovecot", "-F", "-c", conf], root.join("log/dovecot.log")))
    harness.poll("Dovecot's auth", lambda: os.path.exists(f"{base}/run/auth-client"))
    return conf


def check_dovecot(results, root, program, path, pair):
    conf = start_dovecot(root, program, path)

    def test(login, password):
        done = subprocess.run(["doveadm", "-c", conf, "auth", "test", "-x", "service=smtp", login],
                              input=password + "\n", capture_output=True, text=True,
                              timeout=harness.PATIENCE, check=False)
        return done.stdout + done.stderr

    good = test(*pair)
    results.check("auth succeeded" in good, "Dovecot authenticates a service by it",
                  good + open(root.join("dovecot/log"), encoding="utf-8").read())
    results.check("auth failed" in test(pair[0], "wrong"), "Dovecot refuses a wrong password")
    root.daemons["rotated-auth"].stop()
    text = test(*pair)
    results.check("succeeded" not in text, "without the door, Dovecot accepts nobody", text)
    results.check("temp" in text, "and calls it temporary", text)


def main():
    harness.need_programs("dovecot", "doveadm", "setpriv")
    if os.geteuid() != 0:
        harness.skip("needs root to act as other users")
    results = harness.Results()
    program = harness.build_path("rotated-checkpassword")
    conf = "[door]\nauth_socket = /run/rotated-auth/auth\nsocket_user = root\n"
    conf += "socket_group = dovecot\n"
    conf += "peers = root postfix dovecot\n" if harness.user_exists("postfix") else "peers = root dovecot\n"
    with whole.Site(conf) as root:
        os.makedirs(root.join("run/rotated-auth"))
        root.start_all()
        path = root.join("run/rotated-auth/auth")
        pair = root.issue("billing")
        server = Server(program, path)
        check_interface(results, root, program, path, *pair)
        pair = check_smtp(results, root, server, *pair)
        check_outage(results, root, program, path, server, pair)
        check_peers(results, root, program, path, pair)
        server.stop()
        check_dovecot(results, root, program, path, pair)
    results.exit()


main()
