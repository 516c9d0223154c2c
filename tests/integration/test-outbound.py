#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Postfix to Postfix: a relay whose outbound secret comes from the door for each lookup, and a
provider with accounts of its own. Mail flows while the secret rotates; all of it arrives."""

import glob
import json
import os
import smtplib
import threading

import postfix
import provider
from harness import BUILD, PATIENCE, Results, build_path, poll
from whole import Site

results = Results()
IS_LONG = bool(os.environ.get("ROTATED_LONG"))
MESSAGES = 5000 if IS_LONG else 500
ROTATIONS = 100 if IS_LONG else 10
LONG = 4 * PATIENCE
PACE = 0.1  # seconds between two messages: some are always under way

RELAY = """
smtpd_sasl_auth_enable = no
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = smtp
relayhost = [127.0.0.1]:{port}
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = socketmap:unix:private/rotated-map:outbound
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = plain
smtp_tls_security_level = encrypt
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
"""

UPSTREAM = """
[upstream]
soak = 1s
overlap = 3s
timeout = 30s
schedule = never
"""


def show(site):
    return json.loads(site.ctl("--json", "upstream", "show", "ses").stdout)


def relay(site, there):
    mail = postfix.Postfix(site, build_path("hooks/hook-upstream"))
    os.remove(site.join("postfix/plugins/librotated.so"))
    with open(os.path.join(mail.conf, "main.cf"), "a", encoding="utf-8") as f:
        f.write(RELAY.format(port=there.port))
    return mail


class Sender(threading.Thread):
    """Hands messages to the relay, one after the other; `sent` are those it took."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.sent = []
        self.trouble = None
        self.pause = threading.Event()

    def run(self):
        try:
            for n in range(MESSAGES):
                self.one(n)
                self.pause.wait(PACE)
        except (OSError, smtplib.SMTPException) as e:
            self.trouble = e

    def one(self, n):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as s:
            name = f"m{n}@relay.example"
            s.sendmail("a@relay.example", [f"to{n}@far.example.net"],
                       f"Message-ID: <{name}>\r\nSubject: {n}\r\n\r\nhello\r\n")
            self.sent.append(name)


def rotate(site, version):
    site.ctl("upstream", "rotate", "ses")
    poll(f"version {version} to be the only one",
         lambda: [(v["version"], v["state"]) for v in show(site)["versions"]]
         == [(version, "active")], LONG)


def check_kept(site, there):
    secrets = [s.encode() for s in there.secrets() if s]
    with results.case(f"none of the {len(secrets)} secrets is in a file of the relay or of ours"):
        assert len(secrets) > ROTATIONS
        for path in glob.glob(os.path.join(site.path, "**"), recursive=True):
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                text = f.read()
            assert not [s for s in secrets if s in text], path


def sealed(site, mail, there, sender):
    with results.case("sealed, mail waits in the relay's queue, and goes on after the unseal"):
        site.ctl("seal", "--issuer")
        sender.one(MESSAGES)
        mail.wait_log("status=deferred")
        site.unseal()
        poll("it to arrive", lambda: f"m{MESSAGES}@relay.example" in there.received(), LONG)


def flow(site, mail, there):
    sender = Sender(mail.port)
    sender.start()
    with results.case(f"the secret rotates {ROTATIONS} times while mail flows"):
        for version in range(2, ROTATIONS + 2):
            rotate(site, version)
    poll("all messages to be handed over", lambda: not sender.is_alive(),
         MESSAGES * PACE + 10 * LONG)
    results.check(not sender.trouble, "the relay took every message", str(sender.trouble))
    with results.case(f"all {MESSAGES} arrived, each once; none bounced, none lost"):
        poll("the queue to be empty", lambda: len(set(there.received())) >= len(sender.sent), LONG)
        got = there.received()
        assert sorted(got) == sorted(sender.sent) and len(got) == MESSAGES, len(got)
        assert "status=bounced" not in mail.log()
    users = {u for u in there.logged_in()}
    results.check(len(users) > ROTATIONS / 2, f"it logged in as {len(users)} users in turn",
                  str(users))
    print(f"# {mail.log().count('status=deferred')} deliveries were put off and tried again")
    sealed(site, mail, there, sender)


def main():
    provider.need()
    with provider.Provider() as there, Site(UPSTREAM, services=(), make_queue=False) as site:
        mail = relay(site, there)
        site.write("ca.pem", there.certificate())
        site.write("etc/rotated/upstreams.d/ses.conf",
                   f"[upstream]\nserver = 127.0.0.1:{there.port}\nca_file = /ca.pem\n"
                   f"destinations = [127.0.0.1]:{there.port}\nuser = relay-%v\n"
                   f"hook = {os.path.join(BUILD, 'hooks/upstream-command')}\n"
                   + there.settings("CREATE", "REVOKE", "LIST"))
        there.start()
        site.start_all()
        mail.start()
        site.ctl("upstream", "rotate", "ses")
        poll("the first secret", lambda: show(site)["active_version"] == 1, LONG)
        flow(site, mail, there)
        check_kept(site, there)
    results.exit()


main()
