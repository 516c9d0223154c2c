# SPDX-License-Identifier: BSD-2-Clause
"""A mail client that tells what it heard: AUTH PLAIN, LOGIN and SCRAM-SHA-256 over STARTTLS.

SCRAM is written out from RFC 5802 and RFC 7677, so that the server's part is checked by code
that shares nothing with it.
"""

import base64
import hashlib
import hmac
import os
import smtplib
import ssl

import harness

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256")


def b64(data):
    return base64.b64encode(data).decode("ascii")


class Reply:
    def __init__(self, pair):
        self.code, text = pair
        self.text = text.decode("utf-8", "replace")

    def __repr__(self):
        return f"{self.code} {self.text}"


class ScramError(Exception):
    """The server did not prove that it knows the password."""


class Scram:
    def __init__(self, login, password):
        self.login = login
        self.password = password
        self.bare = f"n={login},r={b64(os.urandom(18))}"
        self.server_first = ""
        self.codes = []  # of every reply in the exchange

    def first(self):
        return ("n,," + self.bare).encode()

    def parameters(self):
        """Salt and iteration count that the server sent."""
        fields = dict(f.split("=", 1) for f in self.server_first.split(","))
        return base64.b64decode(fields["s"]), int(fields["i"]), fields["r"]

    def final(self, server_first):
        self.server_first = server_first.decode()
        salt, iterations, nonce = self.parameters()
        if not nonce.startswith(self.bare.partition("r=")[2]):
            raise ScramError("the server changed our nonce")
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        stored_key = hashlib.sha256(client_key).digest()
        without_proof = f"c={b64(b'n,,')},r={nonce}"
        message = ",".join((self.bare, self.server_first, without_proof)).encode()
        signature = hmac.digest(stored_key, message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.expected = hmac.digest(server_key, message, "sha256")
        return f"{without_proof},p={b64(proof)}".encode()

    def check(self, server_final):
        if server_final != b"v=" + base64.b64encode(self.expected):
            raise ScramError("the server's signature is not right")


class Client:
    """One SMTP session over STARTTLS; IDENTITY is a file with key and chain to show."""

    def __init__(self, port, identity=None):
        self.smtp = smtplib.SMTP("127.0.0.1", port, "client.example.org", harness.PATIENCE)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the test's own throw-away certificate
        if identity:
            context.load_cert_chain(identity)
        self.smtp.starttls(context=context)
        self.smtp.ehlo()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.smtp.close()

    def mechanisms(self):
        return self.smtp.esmtp_features.get("auth", "").split()

    def command(self, *args):
        return Reply(self.smtp.docmd(*args))

    def auth(self, mechanism, login, password):
        """The last reply of an AUTH exchange."""
        if mechanism == "PLAIN":
            return self.command("AUTH", "PLAIN " + b64(f"\0{login}\0{password}".encode()))
        if mechanism == "LOGIN":
            return self._auth_login(login, password)
        return self.auth_scram(login, password)[0]

    def _auth_login(self, login, password):
        reply = self.command("AUTH", "LOGIN")
        for answer in (login, password):
            if reply.code != 334:
                return reply
            reply = self.command(b64(answer.encode()))
        return reply

    def auth_scram(self, login, password):
        """(last reply, Scram); its server_first is empty when the server sent none."""
        scram = Scram(login, password)

        def step(*args):
            reply = self.command(*args)
            scram.codes.append(reply.code)
            return reply

        reply = step("AUTH", "SCRAM-SHA-256 " + b64(scram.first()))
        if reply.code == 334:
            reply = step(b64(scram.final(base64.b64decode(reply.text))))
        if reply.code == 334:  # Postfix sends the server's signature as a step of its own
            scram.check(base64.b64decode(reply.text))
            reply = step("")
        return reply, scram

    def send(self, recipient, sender="billing@example.org"):
        """The reply to the end of a message, or the first that is not what it should be."""
        for command, wanted in (
            (f"MAIL FROM:<{sender}>", 250),
            (f"RCPT TO:<{recipient}>", 250),
            ("DATA", 354),
        ):
            reply = self.command(command)
            if reply.code != wanted:
                return reply
        self.smtp.send(b"Subject: a test\r\n\r\nhello\r\n.\r\n")
        return Reply(self.smtp.getreply())


def try_auth(port, mechanism, login, password):
    with Client(port) as client:
        return client.auth(mechanism, login, password)
