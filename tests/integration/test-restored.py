#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What was done since a backup is not forgotten by a restore: not by a vault that is killed once the restored keyring
has its name, and not by a disk that fills up then. The first unseal after it makes the list, with AUTH alone; until
there is one, everything is read and nothing is changed. ROTATED_LONG=1: every call to the disk is struck."""

import json
import os
import shutil
import sys

from faults import ENOSPC, FOR_GOOD, KILL_AFTER, NONE, Plan, need_shim, start_vault
from harness import NOTHING, PATIENCE, Results, poll
from whole import Site, ctl_in_background

STEP = 1 if os.environ.get("ROTATED_LONG") else 4  # calls between two strikes
SINCE = {"password/billing", "password/off"}  # what was done since the backup

results = Results()


class Machine:
    """Its keystore is lost; the audit log and the backup are there, each time anew."""

    def __init__(self, site, plan):
        self.site, self.plan = site, plan
        start_vault(site, plan)
        made = json.loads(site.ctl("--json", "init", "--unattended", "--passphrase-file", site.passphrase).stdout)
        self.key = site.write("recovery", made["recovery_key"] + "\n", 0o600)
        self.begun = self.ask("status")["time"]
        for service in ("billing", "off"):
            site.issue(service)
        self.path = site.join("keystore.backup")
        self.backup = json.loads(site.ctl("--json", "store", "backup", self.path).stdout)
        site.rotate("billing")
        site.ctl("credential", "revoke", "off.1")
        site.daemons["rotated"].stop()
        shutil.copytree(site.join("var/log/rotated"), site.join("log-of-then"))

    def renew(self):
        if self.site.daemons["rotated"].is_running():
            self.site.daemons["rotated"].kill()
        for name in ("var/lib/rotated", "var/log/rotated"):
            shutil.rmtree(self.site.join(name))
        os.mkdir(self.site.join("var/lib/rotated"))
        shutil.copytree(self.site.join("log-of-then"), self.site.join("var/log/rotated"))
        start_vault(self.site, self.plan)

    def restore(self, kind, nth, lasting=1):
        """One in which the NTH call to the disk goes wrong."""
        self.renew()
        self.plan.arm(kind, nth, lasting)
        process = ctl_in_background(self.site, "store", "restore", self.path, "--passphrase-file", self.key)
        said = process.communicate(timeout=4 * PATIENCE)
        return process.returncode, "".join(said)

    def ask(self, *words):
        return json.loads(self.site.ctl("--json", *words).stdout)

    def state(self):
        return self.ask("status")["keystore"]["state"]

    def problem(self):
        """None when everything is as it should be after a restore."""
        names = {e["name"] for e in self.ask("store", "reconcile")["reconcile"]}
        if names != SINCE:
            return f"the list is {sorted(names)}"
        logins = {c["login"] for c in self.ask("credential", "list")["credentials"]}
        if logins != {"billing.1"}:
            return f"{sorted(logins)} work"
        alarms = [a["what"] for a in self.ask("status")["alarms"] if "backup" in a["what"] or "again" in a["what"]]
        return f"alarms: {alarms}" if alarms else None


def killed(machine):
    """Backwards from the last call, until the kill leaves no keystore."""
    code, said = machine.restore(NONE, 0)
    results.check(code == 0 and machine.problem() is None, "undisturbed, a restore lists what was done since",
                  said + str(machine.problem()))
    total, strikes, bad, places = machine.plan.seen(), 0, [], set()
    for nth in range(total, 0, -STEP):
        machine.restore(KILL_AFTER, nth)
        where = f"call {nth}: {machine.plan.what()}"
        places.add(machine.plan.what().split(" ")[-1])
        machine.site.daemons["rotated"].kill()
        start_vault(machine.site, machine.plan)
        state = machine.state()
        if state == "absent":
            break
        done = machine.site.ctl("unseal", "--key-file", machine.site.join("etc/rotated/auth.key"), check=False)
        problem = machine.problem() if done.returncode in (0, NOTHING) else done.stderr
        if problem:
            bad.append(f"{where}: {problem}")
        strikes += 1
    results.check(not bad, "after a kill once the keyring has its name, the first unseal lists all of it", "\n".join(bad))
    results.check(strikes >= 8 and "lib/rotated/store/data.mdb" in places, f"{strikes} kills, before and after the list",
                  str(sorted(places)))
    results.equal(state, "absent", "and before that there is no keystore")
    return total


def refused(machine):
    """With no list, nothing is changed; everything is read."""
    for words in (("credential", "issue", "fresh"), ("credential", "rotate", "billing"), ("store", "reseal"),
                  ("service", "disable", "billing")):
        done = machine.site.ctl(*words, check=False)
        results.check(done.returncode in (1, 75) and "restored from a backup" in done.stderr and "next:" in done.stderr,
                      f"without the list, {' '.join(words)} is refused with the next command", done.stdout + done.stderr)
    plan = machine.ask("store", "restore", "--accept-rollback", "--dry-run")
    results.check(machine.begun <= plan["since"] <= machine.backup["time"],
                  "what is not listed is what was done since the backup", f"{plan['since']}, {machine.backup['time']}")
    results.equal({e["name"] for e in plan["reconcile"]}, SINCE, "and a person can look at it")
    logins = {c["login"] for c in machine.ask("credential", "list")["credentials"]}
    results.equal(logins, {"billing.1", "off.1"}, "what there is can be listed")


def full(machine, total):
    """No room for the list: backwards to the first disk that has none for it, whatever else there is room for."""
    stages = set()
    for nth in range(total, 0, -1):
        code, said = machine.restore(ENOSPC, nth, FOR_GOOD)
        status = machine.ask("status")
        alarms = "\n".join(a["what"] for a in status["alarms"])
        stage = "list" if "can not be listed" in alarms else "repeat" if "revoked again" in alarms else None
        if stage is None and status["keystore"]["state"] == "open":
            continue
        if stage is None or status["keystore"]["state"] != "open":
            break  # before the index was written: it does not open, and is not asked for a list
        if stage in stages:
            continue
        stages.add(stage)
        results.check(code not in (0, NOTHING) and "is restored, but" in said,
                      f"{stage}: the restore says that it is not all done", said)
        if stage == "list":
            refused(machine)
        machine.plan.disarm()
        poll(f"{stage}: to go on by itself", lambda: machine.problem() is None, 2 * PATIENCE)
        results.check(True, f"{stage}: with room again it goes on by itself")
        login, _ = machine.site.rotate("billing")
        results.equal(login, "billing.3", f"{stage}: then changes are made, and no number is given twice")
        if stage == "list":
            break
    results.equal(stages, {"repeat", "list"}, "a full disk was met at both")


def main():
    need_shim()
    with Site(services=("billing", "off", "fresh")) as site:
        machine = Machine(site, Plan(site.join("plan")))
        total = killed(machine)
        full(machine, total)
        log = site.daemons["rotated"].log()
        results.check("ERROR: AddressSanitizer" not in log and "runtime error" not in log, "no sanitizer complained")
    results.exit()


if __name__ == "__main__":
    sys.exit(main())
