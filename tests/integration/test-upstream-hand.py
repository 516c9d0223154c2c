#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The relay's logins where a person, a provider's bad hour or a deleted file is part of it."""

import json
import os
import shutil
import subprocess

import provider
from harness import BUILD, PATIENCE, Results, poll
from whole import Site

results = Results()
LONG = 4 * PATIENCE

TIMES = """
[upstream]
soak = 1s
overlap = 1s
timeout = 20s
schedule = never
"""


def show(site, upstream):
    return json.loads(site.ctl("--json", "upstream", "show", upstream).stdout)


def states(site, upstream):
    return {v["version"]: v["state"] for v in show(site, upstream)["versions"]}


def wait_active(site, upstream, version):
    poll(f"{upstream}.{version} to be active",
         lambda: show(site, upstream)["active_version"] == version, LONG)


def wait_alone(site, upstream, version):
    poll(f"{upstream}.{version} to be the only one",
         lambda: states(site, upstream) == {version: "active"}, LONG)


def reload(site, upstream, configured=True):
    site.daemons["rotated"].signal(1)
    poll("the reload", lambda: upstream in site.ctl("upstream", "list").stdout
         and show(site, upstream)["configured"] == configured)


def path(upstream):
    return f"etc/rotated/upstreams.d/{upstream}.conf"


def configure(site, there, upstream, hook, more):
    site.write(path(upstream),
               f"[upstream]\nserver = 127.0.0.1:{there.port}\nca_file = /ca.pem\n"
               f"hook = {os.path.join(BUILD, 'hooks', hook)}\n" + more)
    reload(site, upstream)


def account(there, user, secret):
    """A person at the provider's own pages; without SECRET the login is deleted."""
    args = ["-d", user] if secret is None else ["-p", "-c", user]
    subprocess.run(["saslpasswd2", "-f", there.db, "-u", provider.REALM, *args],
                   input=(secret or "").encode(), check=True, timeout=PATIENCE)
    shutil.chown(there.db, "postfix")


def hand_over(site, there, version):
    user, secret = f"relay-hand-{version}", f"by-hand-secret-{version}"
    account(there, user, secret)
    site.ctl("upstream", "set", "manual", "--user", user, stdin=secret + "\n")
    wait_active(site, "manual", version)


def by_hand(site, there):
    tickets = site.join("tickets")
    site.write("tell", f"#!/bin/sh\ncat >>{tickets}\n", 0o755)
    configure(site, there, "manual", "upstream-manual", f"setting = COMMAND={site.join('tell')}\n")
    with results.case("a person is asked for a login, hands it over, and it is used"):
        site.ctl("upstream", "rotate", "manual")
        poll("a person to be asked",
             lambda: "upstream set manual" in (show(site, "manual")["hint"] or ""), LONG)
        hand_over(site, there, 1)
    with results.case("the next one replaces it; who is to delete what is said until it is gone"):
        site.ctl("upstream", "rotate", "manual")
        hand_over(site, there, 2)
        said = poll("a person to be told", lambda: next(
            (r for r in [show(site, "manual")["reason"] or ""] if "still accepts" in r), None), LONG)
        assert said == ("the provider still accepts manual.1, which was replaced: "
                        "the login relay-hand-1 has to be deleted there"), said
        with open(tickets, encoding="utf-8") as f:
            assert "Please delete the login relay-hand-1 (manual.1)" in f.read()
        assert states(site, "manual") == {1: "withdrawing", 2: "active"}


def bad_hour(site, there):
    with results.case("a provider that refuses everything for a while has deleted nothing"):
        empty = there.join("empty")
        shutil.copy(there.db, there.join("full"))
        subprocess.run(["saslpasswd2", "-f", empty, "-u", provider.REALM, "-p", "-c", "other"],
                       input=b"other", check=True, timeout=PATIENCE)
        shutil.chown(empty, "postfix")
        os.rename(empty, there.db)
        said = poll("it to be noticed", lambda: next(
            (r for r in [show(site, "manual")["reason"] or ""] if "proves nothing" in r), None), LONG)
        assert "the secret in use as well" in said, said
        assert states(site, "manual")[1] == "withdrawing"
        shutil.chown(there.join("full"), "postfix")
        os.rename(there.join("full"), there.db)
        poll("the old one to be accepted again",
             lambda: "still accepts" in (show(site, "manual")["reason"] or ""), LONG)
    with results.case("deleted at the provider, it is seen gone"):
        account(there, "relay-hand-1", None)
        wait_alone(site, "manual", 2)
        assert show(site, "manual")["state"] == "ok", show(site, "manual")


def same_login(site, there):
    with results.case("a login that all versions share is not revoked from under the relay"):
        configure(site, there, "one", "upstream-command",
                  "user = relay-one\n" + there.settings("SET", "REVOKE"))
        for version in (1, 2):
            site.ctl("upstream", "rotate", "one")
            wait_active(site, "one", version)
        wait_alone(site, "one", 2)
        assert "relay-one" in there.accounts(), there.calls()
        assert not [c for c in there.calls() if c.startswith("revoke one.")], there.calls()
        assert "accepted" in site.ctl("upstream", "test", "one").stdout


LOUD = """\
#!/bin/sh
IFS= read -r secret
printf '%0500d%s\\n' 0 "$secret" >&2
echo 'plain words' >&2
printf '%s\\n' "$secret" | {command} set "$@" || exit
printf '%s' "${{secret%????????}}" >&2
[ -e {once} ] || {{ : >{once}; kill -9 $PPID; }}
"""


def loud_hook(site, there):
    with results.case("a hook that says the secret on standard error has no piece of it logged"):
        loud = site.write("loud", LOUD.format(command=there.command, once=there.join("once")), 0o755)
        configure(site, there, "loud", "upstream-command",
                  f"user = relay-loud-%v\nsetting = SET={loud}\n" + there.settings("REVOKE"))
        site.ctl("upstream", "rotate", "loud")
        wait_active(site, "loud", 1)
        log = site.daemons["rotated-worker"].log()
        assert "plain words" in log and "a line with the secret is left out" in log, log
        for secret in there.secrets():
            found = [secret[i:i + 8] for i in range(len(secret) - 7) if secret[i:i + 8] in log]
            assert not found, found


def file_gone(site, there):
    with results.case("a file that goes while its hook runs, and comes back, stops nothing"):
        configure(site, there, "two", "upstream-command",
                  "user = relay-two-%v\n" + there.settings("CREATE", "SET", "REVOKE", "LIST"))
        there.write("stop-set", "")
        site.ctl("upstream", "rotate", "two")
        poll("the hook to be there", lambda: os.path.exists(there.join("stopped-set")), LONG)
        os.rename(site.join(path("two")), site.join("kept"))
        reload(site, "two", False)
        said = show(site, "two")
        assert "no file of upstreams.d names it" in said["reason"], said
        poll("the hook to be stopped", lambda: "its time is over"
             in site.daemons["rotated-worker"].log(), LONG)
        os.remove(there.join("stopped-set"))
        os.rename(site.join("kept"), site.join(path("two")))
        reload(site, "two")
        wait_active(site, "two", 1)
    with results.case("without a file a version can be forgotten, and what remains is said"):
        os.remove(site.join(path("two")))
        reload(site, "two", False)
        said = show(site, "two")
        assert said["hint"] == "rotatectl upstream revoke two.1", said
        done = site.ctl("upstream", "revoke", "two.1", "--dry-run")
        assert "has to be deleted at the provider" in done.stdout + done.stderr, done
        site.ctl("upstream", "revoke", "two.1")
        assert not states(site, "two"), states(site, "two")


def revoked_active(site):
    with results.case("who revokes the secret in use is told what happens to mail"):
        done = site.ctl("upstream", "revoke", "one.2", "--dry-run")
        assert "mail waits until its successor is proven" in done.stdout + done.stderr, done
        done = site.ctl("upstream", "revoke", "one.2")
        assert "nothing to log in with" in done.stdout, done
        wait_alone(site, "one", 3)


def main():
    provider.need()
    with provider.Provider() as there, Site(TIMES, services=()) as site:
        os.makedirs(site.join("etc/rotated/upstreams.d"))
        site.write("ca.pem", there.certificate())
        there.start()
        site.start_all()
        by_hand(site, there)
        bad_hour(site, there)
        same_login(site, there)
        revoked_active(site)
        file_gone(site, there)
        loud_hook(site, there)
    results.exit()


main()
