#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The relay's logins at a provider, a real Postfix with accounts of its own."""

import glob
import json
import os
import subprocess
import sys

import provider
from harness import BUILD, PATIENCE, Results, poll
from wire import payload  # noqa: F401  (the path of the tests)
from whole import Site

results = Results()
BY_HOOK = "--by-hook" in sys.argv  # there is no server=: the hook tries it
LONG = 4 * PATIENCE

TIMES = """
[upstream]
soak = 1s
overlap = 1s
timeout = 20s
schedule = never
"""


def conf(there, *verbs, hook="upstream-command", more=""):
    """An account whose secrets are tried at THERE."""
    text = ("[upstream]\n"
            "destinations = [127.0.0.1]:2525 provider.example\nuser = relay-%v\n")
    server = ("[upstream]\n"
            f"server = 127.0.0.1:{there.port}\ntls = starttls\n"
            f"ca_file = /ca.pem\n"
            "destinations = [127.0.0.1]:2525 provider.example\nuser = relay-%v\n")
    if "TEST" not in verbs:
        text = server
    if hook:
        text += f"hook = {os.path.join(BUILD, 'hooks', hook)}\n"
    return text + (there.settings(*verbs) if hook == "upstream-command" else "") + more


def show(site, upstream="ses"):
    return json.loads(site.ctl("--json", "upstream", "show", upstream).stdout)


def active(site):
    return show(site)["active_version"]


def states(site):
    return {v["version"]: v["state"] for v in show(site)["versions"]}


def wait_active(site, version, patience=LONG):
    poll(f"version {version} to be active", lambda: active(site) == version, patience)


def wait_alone(site, version):
    poll(f"version {version} to be the only one",
         lambda: states(site) == {version: "active"}, LONG)


def everything(folder):
    for path in glob.glob(os.path.join(folder, "**"), recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                yield path, f.read()


def make_site(there):
    site = Site(TIMES, services=())
    os.makedirs(site.join("etc/rotated/upstreams.d"))
    site.write("ca.pem", there.certificate())
    return site


def configure(site, text, upstream="ses"):
    site.write(f"etc/rotated/upstreams.d/{upstream}.conf", text)
    vault = site.daemons.get("rotated")
    if vault:
        vault.signal(1)
        poll("the reload", lambda: upstream in site.ctl("upstream", "list").stdout)


def rotation(site, there):
    with results.case("the first secret is made, tried by a real login, and then used"):
        site.ctl("upstream", "rotate", "ses")
        wait_active(site, 1)
        assert there.accounts() == ["relay-1"], there.accounts()
        assert "auth=1 " in there.server.log()
        done = site.ctl("upstream", "test", "ses")
        assert "accepted" in done.stdout, done
    with results.case("its successor replaces it, and the old one is gone at the provider"):
        site.ctl("upstream", "rotate", "ses")
        wait_active(site, 2)
        wait_alone(site, 2)
        assert there.accounts() == ["relay-2"], there.accounts()
    with results.case("the audit log tells each step of it, and verifies"):
        text = site.ctl("--json", "audit", "show", "--count", "200").stdout
        for event in ("upstream.rotate", "upstream.create", "upstream.publishing",
                      "upstream.visible", "upstream.active",
                      "upstream.withdraw", "upstream.destroyed"):
            assert f'"{event}"' in text, event
        site.ctl("audit", "verify")


def rejected(site, there):
    with results.case("a secret that the provider refuses is given up and replaced"):
        there.write("bad-create", "")
        site.ctl("upstream", "rotate", "ses")
        poll("the first to be given up", lambda: max(states(site)) >= 4, LONG)
        assert active(site) == 2
        os.remove(there.join("bad-create"))
        poll("a good one to be active", lambda: active(site) >= 4, LONG)
        wait_alone(site, active(site))
        assert len(there.accounts()) == 1, there.accounts()


def down(site, there):
    before = active(site)
    with results.case("a provider that is down is waited for, and the old secret stays"):
        there.write("down", "")
        site.ctl("upstream", "rotate", "ses")
        poll("it to be told", lambda: show(site)["state"] == "failing", LONG)
        assert active(site) == before
        os.remove(there.join("down"))
        wait_active(site, before + 1)
        wait_alone(site, before + 1)


def killed_hook(site, there):
    before = active(site)
    with results.case("what a killed hook left at the provider is revoked before a new try"):
        there.write("kill-create", "")
        site.ctl("upstream", "rotate", "ses")
        wait_active(site, before + 1)
        made = [c for c in there.calls() if c.startswith(f"create ses.{before + 1} ")]
        gone = [c for c in there.calls() if c.startswith(f"revoke ses.{before + 1} ")]
        assert len(made) == 2 and gone, there.calls()
        wait_alone(site, before + 1)


def in_processes(secrets):
    """Command lines and environments of everything that runs now."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                text = f.read()
        except OSError:
            continue
        found += [path for s in secrets if s.encode() in text]
    return found


def killed_vault(site, there):
    for verb in ("list", "create", "set", "revoke"):
        before = active(site)
        with results.case(f"the vault is killed while the hook does `{verb}`: it goes on"):
            there.write(f"stop-{verb}", "")
            site.ctl("upstream", "rotate", "ses")
            poll("the hook to be there",
                 lambda: os.path.exists(there.join(f"stopped-{verb}")), LONG)
            assert not in_processes(there.secrets())
            site.daemons["rotated"].kill()
            os.remove(there.join(f"stopped-{verb}"))
            site.restart("rotated")
            poll("a later one to be active", lambda: active(site) > before, LONG)
            wait_alone(site, active(site))
            assert len(there.accounts()) == 1, there.accounts()


def sealed(site):
    before = active(site)
    with results.case("sealed, it waits for a person, and says so"):
        site.ctl("seal", "--issuer")
        done = site.ctl("upstream", "rotate", "ses", check=False)
        assert done.returncode == 75 and "sealed" in done.stderr, done
        site.unseal()
        site.ctl("upstream", "rotate", "ses")
        wait_active(site, before + 1)


def by_hand(site, there):
    with results.case("a person makes it, and hands it over"):
        configure(site, conf(there, hook="upstream-manual").replace("user = relay-%v\n", "")
                  .replace("destinations", "description"),
                  "manual")
        done = site.ctl("upstream", "rotate", "manual")
        poll("a person to be asked",
             lambda: "upstream set manual" in (show(site, "manual")["hint"] or ""), LONG)
        subprocess.run(["saslpasswd2", "-f", there.db, "-u", provider.REALM, "-p", "-c",
                        "relay-hand"], input=b"by-hand-secret-1", check=True, timeout=PATIENCE)
        there.write("secrets", "\n".join(there.secrets() + ["by-hand-secret-1"]) + "\n", 0o600)
        done = site.ctl("upstream", "set", "manual", check=False, stdin="by-hand-secret-1\n")
        assert done.returncode == 2 and "--user" in done.stderr, done
        site.ctl("upstream", "set", "manual", "--user", "relay-hand", stdin="by-hand-secret-1\n")
        poll("it to be active", lambda: show(site, "manual")["active_version"] == 1, LONG)


def kept_secret(site, there):
    secrets = [s for s in there.secrets() if s]
    with results.case(f"none of {len(secrets)} secrets is in any file of ours, log or process"):
        assert secrets
        for path, text in everything(site.path):
            for secret in secrets:
                assert secret.encode() not in text, path
        assert not in_processes(secrets)


def main():
    provider.need()
    with provider.Provider() as there, make_site(there) as site:
        there.start()
        configure(site, conf(there, "CREATE", "SET", "REVOKE", "LIST", *(["TEST"] if BY_HOOK else [])))
        site.start_all()
        rotation(site, there)
        rejected(site, there)
        down(site, there)
        killed_hook(site, there)
        killed_vault(site, there)
        sealed(site)
        if not BY_HOOK:
            by_hand(site, there)
        kept_secret(site, there)
    results.exit()


main()
