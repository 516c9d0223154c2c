#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotated-worker logs in at real servers, and at servers that answer otherwise; no mail is sent."""

import os
import shutil
import socket
import ssl
import subprocess
import threading

import harness
import postfix
from harness import Results, Root, free_port, need_programs, poll, wait_port
from tlsfiles import Authority
from wire import FakeVault

results = Results()
SECRET = "rtd1_s3cret/with+odd=bytes"
USER = "relay@example.org"


class Provider(postfix.Postfix):
    """A Postfix with accounts of its own in a sasldb, and a certificate of AUTHORITY."""

    def __init__(self, root, authority):
        self.tls_port = free_port()
        self.certificate = authority.server("mx", names=("mx.example.org", "localhost"))
        plugin = root.write("none.so", "")
        super().__init__(root, plugin)
        os.unlink(root.join("postfix/plugins/librotated.so"))
        root.write("postfix/conf/sasl/smtpd.conf",
                   "mech_list: PLAIN LOGIN\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   "sasldb_path: /etc/sasldb2\n")
        os.symlink(os.path.join(postfix.stock_folder(), "libsasldb.so"),
                   root.join("postfix/plugins/libsasldb.so"))
        for source, name in zip(self.certificate, ("cert.pem", "key.pem")):
            shutil.copy(source, os.path.join(self.conf, name))
        with open(root.join("postfix/conf/master.cf"), "a", encoding="utf-8") as f:
            f.write(f"127.0.0.1:{self.tls_port} inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n")
        with open(root.join("postfix/conf/main.cf"), "a", encoding="utf-8") as f:
            f.write("smtpd_sasl_local_domain = example.org\nsmtpd_tls_security_level = may\n")

    def account(self, secret):
        """In the chroot, which is where smtpd looks."""
        folder = os.path.join(self.spool, "etc")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "sasldb2")
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", path, "-u", "example.org", "relay"],
                       input=secret.encode(), check=True, timeout=harness.PATIENCE)
        os.chmod(path, 0o644)


class Script:
    """An SMTP server that says what it is told to: REPLIES maps the beginning of a line to the answer."""

    def __init__(self, greeting="220 script\r\n", tls=None, family=socket.AF_INET, **replies):
        self.greeting, self.replies, self.tls = greeting, replies, tls
        self.lines = []
        self.listener = socket.socket(family)
        self.listener.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        try:
            if self.greeting is None:
                client.recv(100)
                return
            client.sendall(self.greeting.encode())
            if not self.greeting.startswith("220"):
                client.recv(100)
                return
            self._commands(client)
        except OSError:
            pass
        finally:
            client.close()

    def _commands(self, client):
        stream = client.makefile("rb")
        while line := stream.readline():
            self.lines.append(line)
            verb = line.split()[0].decode().upper() if line.split() else ""
            reply = self.replies.get(verb, {"EHLO": "250-script\r\n250 AUTH PLAIN LOGIN\r\n",
                                            "QUIT": "221 bye\r\n"}.get(verb, "250 fine\r\n"))
            if reply == "HANG":
                stream.read()
            if reply == "CLOSE":
                return
            client.sendall(reply.encode())
            if verb == "STARTTLS" and self.tls and reply.startswith("220"):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.tls)
                client = context.wrap_socket(client, server_side=True)
                stream = client.makefile("rb")


def logins(vault, provider, authority):
    start, direct = f"127.0.0.1:{provider.port}", f"127.0.0.1:{provider.tls_port}"
    ca = {"ca": authority.ca, "user": USER}
    with results.case("a good secret is accepted, over STARTTLS, over TLS, by PLAIN and by LOGIN"):
        for server, tls in ((start, "starttls"), (direct, "tls")):
            for more in ({}, {"mechanism": "PLAIN"}, {"mechanism": "LOGIN"}):
                done = vault.probe(server, SECRET, tls=tls, **ca, **more)
                assert done.result == "accepted" and done.output["code"] == 235, (server, more, done)
    with results.case("a wrong secret is rejected, with what the server said"):
        for server, tls in ((start, "starttls"), (direct, "tls")):
            done = vault.probe(server, SECRET + "x", tls=tls, **ca)
            assert done.result == "rejected" and done.output["code"] == 535, done
            assert done.output["detail"].startswith("535 5.7.8"), done
    with results.case("a new secret is accepted and the old one is not, at once"):
        provider.account("another")
        assert vault.probe(start, "another", **ca).result == "accepted"
        assert vault.probe(start, SECRET, **ca).result == "rejected"
        provider.account(SECRET)
    with results.case("a mechanism that is not offered is config, and says what is"):
        done = vault.probe(start, SECRET, mechanism="CRAM-MD5", **ca)
        assert done.result == "config" and "PLAIN LOGIN" in done.output["detail"], done
    with results.case("no mail was tried"):
        assert "NOQUEUE" not in provider.log() and "from=<" not in provider.log(), provider.log()


def certificates(vault, provider, authority, stranger):
    ca = {"ca": authority.ca, "user": USER}
    port = provider.port
    with results.case("by a name that the certificate has: accepted"):
        assert vault.probe(f"localhost:{port}", SECRET, **ca).result == "accepted"
    with results.case("a certificate for another name is config, before anything secret was said"):
        other = Script(tls=authority.server("other", names=("elsewhere.example.org",), addresses=()),
                       EHLO="250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", STARTTLS="220 go\r\n")
        done = vault.probe(f"127.0.0.1:{other.port}", SECRET, **ca)
        assert done.result == "config" and not any(b"AUTH" in line for line in other.lines), (done, other.lines)
        assert "subject" in done.output["detail"] or "match" in done.output["detail"], done
        other.close()
    with results.case("a certificate of another CA is config"):
        done = vault.probe(f"127.0.0.1:{port}", SECRET, user=USER, ca=stranger.ca)
        assert done.result == "config" and "certificate" in done.output["detail"], done
        done = vault.probe(f"127.0.0.1:{port}", SECRET, user=USER)
        assert done.result == "config", done
    with results.case("a CA file that is not there is config"):
        assert vault.probe(f"127.0.0.1:{port}", SECRET, user=USER, ca="/none.pem").result == "config"
    with results.case("no STARTTLS offered: config, and nothing secret was said"):
        plain = Script()
        done = vault.probe(f"127.0.0.1:{plain.port}", SECRET, **ca)
        assert done.result == "config" and "STARTTLS" in done.output["detail"], done
        assert not any(b"AUTH" in line for line in plain.lines), plain.lines
        plain.close()
    with results.case("TLS that is refused for now is temporary"):
        busy = Script(EHLO="250-x\r\n250 STARTTLS\r\n", STARTTLS="454 4.7.0 TLS not available\r\n")
        done = vault.probe(f"127.0.0.1:{busy.port}", SECRET, **ca)
        assert done.result == "temporary" and done.output["code"] == 454, done
        busy.close()


# what the server answers -> the result, and the code
ANSWERS = [
    ({"AUTH": "235 2.7.0 ok\r\n"}, "accepted", 235),
    ({"AUTH": "235 2.7.0 ok\r\n", "NOOP": "421 leaving\r\n"}, "accepted", 235),
    ({"AUTH": "235 2.7.0 ok\r\n", "NOOP": "CLOSE"}, "accepted", 235),
    ({"AUTH": "235 2.7.0 ok\r\n", "NOOP": "502 what\r\n"}, "accepted", 235),
    ({"AUTH": "535 5.7.8 no\r\n"}, "rejected", 535),
    ({"AUTH": "535-5.7.8 no,\r\n535 5.7.8 really\r\n"}, "rejected", 535),
    ({"AUTH": "534 5.7.9 application password required\r\n"}, "rejected", 534),
    ({"AUTH": "550 account is off\r\n"}, "rejected", 550),
    ({"AUTH": "454 4.7.0 later\r\n"}, "temporary", 454),
    ({"AUTH": "421 4.7.0 too many\r\n"}, "temporary", 421),
    ({"AUTH": "CLOSE"}, "temporary", None),
    ({"AUTH": "504 5.5.4 unknown\r\n"}, "config", 504),
    ({"AUTH": "530 5.7.0 TLS first\r\n"}, "config", 530),
    ({"AUTH": "538 5.7.11 encryption\r\n"}, "config", 538),
    ({"EHLO": "250 script\r\n"}, "config", None),
    ({"EHLO": "250-x\r\n250 AUTH GSSAPI NTLM\r\n"}, "config", None),
    ({"EHLO": "421 4.3.2 shutting down\r\n"}, "temporary", 421),
    ({"EHLO": "CLOSE"}, "unreachable", None),
]


def answers(vault):
    for replies, wanted, code in ANSWERS:
        server = Script(**replies)
        with results.case(f"{replies} is {wanted}"):
            done = vault.probe(f"127.0.0.1:{server.port}", SECRET, tls="none")
            assert (done.result, done.output["code"]) == (wanted, code), done
            assert not any(line.upper().startswith((b"MAIL", b"RCPT", b"DATA", b"VRFY")) for line in server.lines)
        server.close()
    for greeting, wanted in (("421 4.3.2 busy\r\n", "temporary"), ("554 5.7.1 not you\r\n", "config"),
                             ("SSH-2.0-OpenSSH\r\n", "unreachable")):
        server = Script(greeting=greeting)
        with results.case(f"the greeting {greeting.strip()!r} is {wanted}"):
            done = vault.probe(f"127.0.0.1:{server.port}", SECRET, tls="none", timeout=5)
            assert done.result == wanted, done
        server.close()


def silence(vault):
    server = Script(greeting=None)
    with results.case("a server that says nothing is unreachable, in its time"):
        for tls in ("starttls", "tls"):
            done = vault.probe(f"127.0.0.1:{server.port}", SECRET, tls=tls, timeout=2)
            assert done.result == "unreachable", done
    server.close()
    server = Script(AUTH="HANG")
    with results.case("one that says nothing to AUTH is timeout: the outcome is not known"):
        assert vault.probe(f"127.0.0.1:{server.port}", SECRET, tls="none", timeout=2).result == "timeout"
    server.close()
    with results.case("no server, no such name: unreachable"):
        assert vault.probe(f"127.0.0.1:{free_port()}", SECRET, tls="none").result == "unreachable"
        assert vault.probe("no-such-host.invalid:587", SECRET, timeout=20).result == "unreachable"
    with results.case("IPv6 works as IPv4 does"):
        try:
            server = Script(family=socket.AF_INET6, AUTH="235 ok\r\n")
        except OSError:
            return
        assert vault.probe(f"[::1]:{server.port}", SECRET, tls="none").result == "accepted"
        server.close()


def mistakes(vault, worker):
    with results.case("a secret is not sent without TLS to another machine"):
        done = vault.probe("mx.example.org:25", SECRET, tls="none")
        assert done.result == "config" and "TLS" in done.output["detail"], done
    with results.case("what is no server, no user, no secret is config"):
        for server in ("mx.example.org", "mx:0", "mx:99999", "a b:25", "user@mx:25", "mx/x:25", "[::1:25"):
            assert vault.probe(server, SECRET).result == "config", server
        assert vault.probe("mx.example.org:25", b"a\0b").result == "config"
        assert vault.probe("mx.example.org:25", "").result == "config"
        assert vault.probe("mx.example.org:25", SECRET, user="").result == "config"
        assert vault.probe("mx.example.org:25", SECRET, mechanism="PLAIN;X=1").result == "config"
        assert vault.probe("mx.example.org:25", SECRET, tls="maybe").result == "config"
    with results.case("a server that says the secret back is not quoted"):
        server = Script(AUTH=f"535 5.7.8 no account with {SECRET}\r\n")
        done = vault.probe(f"127.0.0.1:{server.port}", SECRET, tls="none")
        assert done.result == "rejected" and SECRET not in repr(done), done
        server.close()
    with results.case("control characters of a server are not passed on"):
        server = Script(AUTH="535 \033[2Jno\r\n")
        done = vault.probe(f"127.0.0.1:{server.port}", SECRET, tls="none")
        assert done.result == "rejected" and "\033" not in done.output["detail"], done
        server.close()
    with results.case("no secret is in the log"):
        assert SECRET not in worker.log() and "another" not in worker.log(), worker.log()


def main():
    postfix.need()
    need_programs("saslpasswd2", "openssl")
    with Root() as root:
        authority = Authority(root.join("tls"))
        stranger = Authority(root.join("tls-other"), "Other CA")
        vault = FakeVault(root.path)
        worker = root.start_worker()
        vault.accept()
        answers(vault)
        silence(vault)
        mistakes(vault, worker)
        provider = Provider(root, authority)
        provider.account(SECRET)
        provider.start()
        wait_port(provider.tls_port)
        logins(vault, provider, authority)
        certificates(vault, provider, authority, stranger)
        poll("the worker to be well", worker.is_running)
    results.exit()


main()
