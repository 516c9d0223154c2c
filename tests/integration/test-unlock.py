#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""AUTH opens by itself after a restart: by systemd's credentials, by age and by clevis with tang,
as rotated-unlock(8) says to the letter; and whatever fails leaves the vault up, and logins work."""

import json
import os
import pwd
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import whole  # noqa: E402
from harness import Process, poll  # noqa: E402

HELPER_USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
TANGD = "/usr/libexec/tangd"
CONF = f"[unlock]\nhelper_user = {HELPER_USER}\ntimeout = 10s\ncredential_key = host\n"

results = harness.Results()


def examples():
    """The literal blocks of the manual page that are for a shell: {"age": …, "clevis": …}"""
    with open(os.path.join(harness.SOURCE, "man/rotated-unlock.8"), encoding="utf-8") as f:
        blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", f.read(), re.M | re.S)
    found = {}
    for block in blocks:
        for name in ("age", "clevis"):
            if f"rotated/{name} --blob" in block:
                found[name] = block
    return found


def run_example(site, block, changes):
    """As root would, in a root of its own: only paths, the user and the server are other ones."""
    for old, new in {"/usr/local/lib/rotated": site.join("helpers"), "/etc/rotated": site.join("etc/rotated"),
                     "/root/": site.join("root/"), "rotated-key": str(pwd.getpwnam(HELPER_USER).pw_gid),
                     **changes}.items():
        block = block.replace(old, new)
    names = {"rotatectl": f"{harness.build_path('rotatectl')} --root {site.path}",
             # as `systemctl reload rotated rotated-unlock`, which comes back when both are ready
             "systemctl": f"{sys.executable} {os.path.abspath(__file__)} --reload {site.join('log')} "
                          f"{site.daemons['rotated'].pid} {site.daemons['rotated-unlock'].pid}"}
    functions = "".join(f'{name}() {{ {command} "$@"; }}\n' for name, command in names.items())
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", functions + block], capture_output=True, text=True,
                          timeout=harness.PATIENCE, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def reload(folder, *pids):
    """SIGHUP, and until both say that they have read the configuration."""
    logs = [os.path.join(folder, name) for name in ("rotated.log", "rotated-unlock.log")]

    def counts():
        found = []
        for path in logs:
            with open(path, encoding="utf-8") as f:
                found.append(len(re.findall("was taken over|was read anew", f.read())))
        return found

    before = counts()
    for pid in pids:
        os.kill(int(pid), 1)
    poll("both to reload", lambda: all(a > b for a, b in zip(counts(), before)))


class Unattended(whole.Site):
    """A site without a key file; its AUTH tier opens by slots alone."""

    def __init__(self):
        super().__init__(CONF)
        conf = self.join("etc/rotated/rotated.conf")
        with open(conf, encoding="utf-8") as f:
            text = f.read().replace("[keystore]\nkey_file = /etc/rotated/auth.key\n", "")
        self.write("etc/rotated/rotated.conf", text)
        self.write("etc/rotated/rotated.conf.d/unlock.conf", "[unlock]\n")
        for folder in ("var/lib/systemd", "helpers", "root"):
            os.makedirs(self.join(folder))
            os.chmod(self.join(folder), 0o755)

    def start_all(self):
        self.daemons["rotated"] = self.start_vault()
        self.daemons["rotated-auth"] = self.start_door()
        self.daemons["rotated-worker"] = self.start_worker()
        self.daemons["rotated-unlock"] = self.start_porter()
        self.ctl("init", "--passphrase-file", self.passphrase)
        self.unseal_both()
        self.wait_connected()
        return self

    def unseal_both(self):
        self.ctl("unseal", "--passphrase-file", self.passphrase, check=False)

    def slots(self):
        return json.loads(self.ctl("--json", "store", "slot", "list").stdout)["slots"]

    def slot(self, kind):
        return [s["id"] for s in self.slots() if s["kind"] == kind]

    def remove(self, kind):
        self.unseal_both()
        for slot in self.slot(kind):
            self.ctl("store", "slot", "remove", slot)

    def restart_vault(self):
        self.daemons["rotated"].kill()
        self.daemons["rotated"] = self.start_vault()

    def is_auth_open(self):
        return self.status()["keystore"]["auth"] == "open"

    def wait_open(self):
        poll("AUTH to open by itself", self.is_auth_open)

    def alarms(self):
        return [a["what"] + " / " + (a["hint"] or "") for a in self.status()["alarms"]]

    def wait_alarm(self, *words):
        return poll(f"an alarm with {words}",
                    lambda: [a for a in self.alarms() if all(w in a for w in words)])[0]


def opens_by_itself(site, what, login):
    with results.case(f"{what}: AUTH opens by itself after a restart, and ISSUER stays sealed"):
        site.restart_vault()
        site.wait_open()
        if site.status()["keystore"]["issuer"] != "sealed":
            raise harness.Failure("ISSUER is open")
        site.wait_connected()
    results.equal(site.login(*login), "ok", f"{what}: a login works after it")


def credential(site, login):
    site.ctl("store", "slot", "add", "credential")
    opens_by_itself(site, "credential", login)
    log = json.loads(site.ctl("--json", "audit", "show").stdout)["records"]
    results.check(any(r["ev"] == "store.unseal-unattended" and r["obj"].startswith("credential ") for r in log),
                  "which slot opened it is in the audit log", log[-3:])
    with results.case("the slot can be tested"):
        site.ctl("store", "slot", "test", "credential")


def other_machine(site, login):
    """The host's key is another one: what a new board, or a disk in another machine, is like."""
    key = site.join("var/lib/systemd/credential.secret")
    os.rename(key, key + ".away")
    site.restart_vault()
    with results.case("a credential that does not open leaves the vault up, sealed, with an alarm that says what to type"):
        alarm = site.wait_alarm("the slot credential ", "systemd-creds failed", "rotatectl unseal")
        if site.is_auth_open():
            raise harness.Failure(alarm)
    results.equal(site.login(*login), "ok", "logins go on meanwhile")
    os.unlink(key) if os.path.exists(key) else None
    os.rename(key + ".away", key)
    with results.case("it is tried again, and opens when the key is back"):
        site.wait_open()
    results.check(not [a for a in site.alarms() if "did not open" in a], "then the alarm is gone", site.alarms())


def porter_away(site, login):
    site.daemons["rotated-unlock"].kill()
    with results.case("a porter that the next start would need is missed while all is open"):
        site.wait_alarm("rotated-unlock is not connected: the next start needs a person")
    results.equal(site.status()["porter"], {"needed": True, "connected": False, "since": None},
                  "status says so of the porter")
    results.check("\nporter    NOT CONNECTED\n" in site.ctl("status").stdout, "in words, too")
    site.restart_vault()
    with results.case("without the porter the vault is up and sealed, and says what to type"):
        site.wait_alarm("rotated-unlock is not connected", "systemctl enable --now rotated-unlock")
    results.equal(site.login(*login), "ok", "the door authenticates without vault and porter")
    site.daemons["rotated-unlock"] = site.start_porter()
    with results.case("it opens when the porter comes"):
        site.wait_open()
    results.check("\nporter    connected since " in site.ctl("status").stdout, "and status shows it")


def sealed_by_order(site):
    site.ctl("seal")
    site.daemons["rotated-unlock"].kill()
    site.daemons["rotated-unlock"] = site.start_porter()
    poll("the porter to be back", lambda: "connected to the vault" in site.daemons["rotated-unlock"].log())
    site.ctl("status")
    results.check(not site.is_auth_open(), "what was sealed by order is not opened, also when the porter comes")
    site.unseal_both()
    site.wait_connected()


def second_slot(site, name, login):
    """The credential fails, the helper opens."""
    key = site.join("var/lib/systemd/credential.secret")
    os.rename(key, key + ".away")
    site.restart_vault()
    with results.case(f"when the credential fails, {name} opens it"):
        site.wait_open()
    results.equal(site.login(*login), "ok", "and logins work")
    if os.path.exists(key):
        os.unlink(key)
    os.rename(key + ".away", key)


def broken_helper(site, login):
    """The helper of the one slot that is left: it hangs while the porter is killed, gives another
    key, is written by others, is not listed any more."""
    helper = site.join("helpers/age")
    with open(helper, encoding="utf-8") as f:
        good = f.read()

    site.write("helpers/age", "#!/bin/sh\ntouch " + site.join("root/hanging") + "\nexec sleep 1000\n", 0o755)
    os.chmod(site.join("root"), 0o777)
    site.restart_vault()
    poll("the helper to run", lambda: os.path.exists(site.join("root/hanging")))
    results.equal(site.login(*login), "ok", "logins work while a helper hangs")
    site.daemons["rotated-unlock"].kill()
    with results.case("a porter that is killed in the middle is told, and the vault goes on"):
        site.wait_alarm("the slot exec ", "rotated-unlock")

    site.write("helpers/age", "#!/bin/sh\nprintf 0123456789abcdef0123456789abcdef\n", 0o755)
    site.daemons["rotated-unlock"] = site.start_porter()
    with results.case("a helper that prints another key opens nothing, and that is told"):
        site.wait_alarm("the slot exec ", "what it was given is not its key", "rotatectl")
    results.check(not site.is_auth_open(), "a wrong key leaves it sealed")

    site.write("helpers/age", good, 0o777)
    with results.case("a helper that others may write is not run, and that is told"):
        site.wait_alarm("the slot exec ", "can be written by others", "chmod go-w")
    results.check(not site.is_auth_open(), "it stays sealed")

    unlock = "etc/rotated/rotated.conf.d/unlock.conf"
    with open(site.join(unlock), encoding="utf-8") as f:
        conf = f.read()
    os.chmod(helper, 0o755)
    site.daemons["rotated-unlock"].kill()
    site.write(unlock, "[unlock]\n")
    site.restart_vault()
    site.daemons["rotated-unlock"] = site.start_porter()
    with results.case("a slot's program that is not configured is not run, and that is told"):
        site.wait_alarm("is not among the helpers", "helper = ")
    results.check(not site.is_auth_open(), "a slot alone does not decide what root runs")
    site.write(unlock, conf)
    site.daemons["rotated-unlock"].signal(1)
    with results.case("it opens when the helper is as it was"):
        site.wait_open()
    results.equal(site.login(*login), "ok", "and logins work again")


def start_tang(site):
    folder = site.join("tang")
    os.makedirs(folder)
    subprocess.run([TANGD + "-keygen", folder], check=True, capture_output=True)
    port = harness.free_port()
    site.adopt(Process(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"EXEC:{TANGD} {folder}"],
                       site.join("log/tang.log")))
    harness.wait_port(port)
    return port, subprocess.run(["tang-show-keys", str(port)], check=True, capture_output=True,
                                text=True).stdout.strip()


def main():
    if sys.argv[1:2] == ["--reload"]:  # stands in for systemctl in the examples
        reload(sys.argv[2], *sys.argv[3:5])
        return
    harness.need_programs("systemd-creds", "age", "clevis", "socat", "tang-show-keys", "curl")
    shown = examples()
    results.equal(sorted(shown), ["age", "clevis"], "the manual page has both examples")
    with Unattended() as site:
        site.start_all()
        login = site.issue("billing")
        results.equal(site.login(*login), "ok", "a login works to begin with")
        credential(site, login)
        other_machine(site, login)
        porter_away(site, login)
        sealed_by_order(site)

        good, said = run_example(site, shown["age"], {})
        results.check(good, "the manual page's example with age works", said)
        second_slot(site, "age", login)
        site.remove("credential")
        opens_by_itself(site, "age", login)
        broken_helper(site, login)

        site.remove("exec")
        port, thumbprint = start_tang(site)
        good, said = run_example(site, shown["clevis"],
                                 {"tang.example.com": f"127.0.0.1:{port}", "THUMBPRINT": thumbprint})
        results.check(good, "the manual page's example with clevis and tang works", said)
        opens_by_itself(site, "clevis", login)
    results.exit()


if __name__ == "__main__":
    main()
