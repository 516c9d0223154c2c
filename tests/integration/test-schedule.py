#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""When a credential is due: by a calendar expression, in a window, and not in a blackout. The vault is
reloaded with one configuration after the other, and says when, and why then."""

import json
import signal
from datetime import datetime, timedelta, timezone

import harness

HEAD = "[vault]\n[engine]\nallow_short_waits = yes\njitter = 0\n"
ALWAYS = "2020-01-01..2199-12-30"


def configure(root, vault, engine="", schedule="yearly UTC"):
    root.write("etc/rotated/rotated.conf", HEAD + engine)
    root.service("billing", f"[service]\n[password]\nschedule = {schedule}\noverlap = 100ms\n")
    vault.signal(signal.SIGHUP)


def show(root):
    return json.loads(root.ctl("--json", "service", "show", "billing").stdout)


def wait_due(root, when, results, sentence):
    """A reload ends in its own time."""
    with results.case(sentence):
        harness.poll(f"{when} to be told", lambda: show(root)["next_rotation"] == when)


def planned(root):
    plan = json.loads(root.ctl("--json", "plan").stdout)
    return next(step for step in plan["actions"] if step["id"] == "billing" and step["action"] == "rotate")


def by_calendar(root, vault, results):
    configure(root, vault)
    year = datetime.now(timezone.utc).year + 1
    wait_due(root, f"{year}-01-01T00:00:00Z", results, "it is due at the next slot")
    told = show(root)
    results.equal((told["calendar"], told["schedule"]), ("*-01-01 00:00:00 UTC", None), "show names the calendar")
    results.check("rotated at     *-01-01 00:00:00 UTC" in root.ctl("service", "show", "billing").stdout,
                  "and people read it")
    results.equal(planned(root)["why"], "the schedule says so", "the plan says that the schedule says so")


def by_window(root, vault, results):
    day = (datetime.now(timezone.utc) + timedelta(days=9)).strftime("%Y-%m-%d")
    configure(root, vault, f"window = {day} 02:00-05:00 UTC\n", "*:*:* UTC")
    wait_due(root, f"{day}T02:00:00Z", results, "a slot waits for the window")
    results.check(planned(root)["why"].find(f"outside its windows until {day}T02:00:00Z") > 0, "the plan says so",
                  planned(root))
    results.equal(show(root)["state"], "ok", "nobody is asked to rotate it before")


def by_blackout(root, vault, results):
    configure(root, vault, f"blackout = {ALWAYS} UTC\n", "*:*:* UTC")
    wait_due(root, "2199-12-31T00:00:00Z", results, "a slot waits for the end of a blackout")
    results.check("in a blackout" in planned(root)["why"], "the plan says so", planned(root))


def at_last(root, vault, results):
    configure(root, vault, "", "*:*:* UTC")
    with results.case("it is due as soon as nothing is in the way"):
        harness.poll("billing to be due", lambda: show(root)["state"] == "waiting")
        harness.poll("the plan to say now", lambda: planned(root)["at"] is None)


def what_is_wrong(root, vault, results):
    root.write("etc/rotated/rotated.conf", HEAD + "window = Mon..Fri 02:00-25:00\n")
    done = root.ctl("check", check=False)
    results.check("rotated.conf:5:25: window" in done.stdout + done.stderr, "an error has line and column", done)


def main():
    results = harness.Results()
    with harness.Root(HEAD) as root:
        root.service("billing")
        vault = root.start_vault()
        root.open_store()
        root.issue("billing")
        for part in (by_calendar, by_window, by_blackout, at_last, what_is_wrong):
            part(root, vault, results)
    results.exit()


if __name__ == "__main__":
    main()
