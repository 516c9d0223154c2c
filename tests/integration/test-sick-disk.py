#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The vault on a disk that is sick: errors, read-only, half writes, another file system. Nothing is lost or done by
halves, people are told, reads and logins go on, and everything resumes by itself."""

import json

import faults
from harness import Results, poll
from whole import Site

SICK = (("gives errors", faults.EIO), ("is read-only", faults.EROFS), ("reports errors for what it did", faults.EIO_LATE),
        ("takes half of a write", faults.SHORT_ENOSPC))
NFS = "0x6969"  # NFS_SUPER_MAGIC of linux/magic.h


def get(site, *args):
    return json.loads(site.ctl("--json", *args).stdout)


def states(site):
    return {c["login"]: c["state"] for c in get(site, "credential", "list")["credentials"]}


def alarms(site):
    """No worker is started, of which there is an alarm all the time."""
    return [a["what"] for a in get(site, "status")["alarms"] if "rotated-worker" not in a["what"]]


def sick(site, plan, what, kind, logins, results):
    live, dead = logins
    before = states(site)
    plan.arm(kind, 1, faults.FOR_GOOD)
    for command in (("credential", "rotate", "billing"), ("service", "disable", "billing"), ("store", "rekey")):
        done = site.ctl(*command, check=False)
        results.check(done.returncode in (1, 75) and "next:" in done.stderr, f"a disk that {what}: {' '.join(command[:2])} says so, "
                      "and what to do", f"exit {done.returncode}: {done.stdout}{done.stderr}")
    results.equal(states(site), before, f"a disk that {what}: nothing is done by halves")
    results.check(alarms(site), f"a disk that {what} is an alarm")
    results.equal((site.login(*live), site.login(*dead)), ("ok", "no"), f"a disk that {what}: logins go on as they were")
    plan.disarm()
    poll("the alarm to go", lambda: not alarms(site))
    results.equal(states(site), before, f"the disk is well again, after it {what}: all is as it was")
    results.equal(site.ctl("store", "verify", check=False).returncode, 0, "and whole")
    new = site.rotate("billing")
    poll("the new login to work", lambda: site.login(*new) == "ok")
    results.check(True, "and changes are made again")
    site.revoke(live[0])
    poll("the old login to be refused", lambda: site.login(*live) == "no")
    return new, live


def elsewhere(site, plan, logins, results):
    """The keystore was moved to a network file system."""
    site.daemons["rotated"].stop()
    faults.start_vault(site, plan, FAULT_FS=NFS)
    done = poll("an answer", lambda: site.ctl("unseal", "--passphrase-file", site.passphrase, check=False))
    results.check(done.returncode != 0 and "network file system" in done.stderr and "path=" in done.stderr,
                  "a keystore on a network file system is refused, with what to do", done.stderr)
    results.equal((site.login(*logins[0]), site.login(*logins[1])), ("ok", "no"), "logins go on as they were")
    site.daemons["rotated"].stop()
    faults.start_vault(site, plan)
    site.unseal()
    results.equal(site.ctl("store", "verify", check=False).returncode, 0, "back on a local disk it opens, and is whole")


def main():
    faults.need_shim()
    results = Results()
    with Site() as site:
        plan = faults.Plan(site.join("plan"))
        faults.start_vault(site, plan)
        site.daemons["rotated-auth"] = site.start_door()
        site.ctl("init", "--unattended", "--passphrase-file", site.passphrase)
        dead = site.issue("billing")
        live = site.rotate("billing")
        poll("the door to have it", lambda: site.login(*live) == "ok")
        site.revoke(dead[0])
        poll("the door to have it", lambda: site.login(*dead) == "no")
        logins = live, dead
        logins = sick(site, plan, "gives errors for the audit log", faults.EIO, logins, results)
        site.daemons["rotated"].stop()
        faults.start_vault(site, plan, FAULT_DIR=site.join("var/lib"))
        site.unseal()
        for what, kind in SICK:
            logins = sick(site, plan, what, kind, logins, results)
        elsewhere(site, plan, logins, results)
    results.exit()


main()
