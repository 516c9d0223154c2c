#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""plan --until and simulate: the years to come, by the real engine and the real configuration, and nothing is done."""

import datetime
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from clients import Client, txid  # noqa: E402

CONF = """[keystore]
key_file = /etc/rotated/key
[password]
schedule = 90d
overlap = 14d
"""
SERVICES = 40

results = harness.Results()


def in_years(years):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365 * years)).strftime("%Y-%m-%d")


def get(root, *args):
    return json.loads(root.ctl("--json", *args).stdout)


def moment(event):
    return datetime.datetime.fromisoformat(event["at"].replace("Z", "+00:00"))


def plans_two_years(root):
    before = get(root, "plan")["actions"], txid(root)
    told = get(root, "plan", "--until", in_years(2))
    events = told["events"]
    results.check(all(a["at"] <= b["at"] for a, b in zip(events, events[1:])), "events come in order")
    results.check(events[-1]["at"] <= told["until"], "and none after the end")
    mine = [e for e in events if e["id"] == "s0"]
    active = [moment(e) for e in mine if e["what"] == "active"]
    spans = [(b - a).days for a, b in zip(active, active[1:])]
    results.check(len(active) in (7, 8), "a schedule of 90 days gives seven or eight rotations in two years", active)
    # up to a twentieth early, and two days for the people: one to rotate, one to confirm
    results.check(all(85 <= days <= 92 for days in spans), "as far apart as the schedule says", spans)
    gone = [moment(e) for e in mine if e["what"] == "destroyed"]
    results.check(all((b - a).days == 14 for a, b in zip(active, gone)), "and what is replaced goes after the overlap",
                  [active, gone])
    results.equal({e["why"] for e in mine if e["what"] == "due"}, {"the schedule says so"}, "each with its reason")
    totals = {t["kind"]: t for t in told["totals"]}
    results.equal(totals["password"]["rotations"], len([e for e in events if e["what"] == "active"]),
                  "the totals are those of the events")
    results.equal((get(root, "plan")["actions"], txid(root)), before, "nothing was done by looking ahead")
    text = root.ctl("plan", "--until", in_years(1)).stdout
    results.check("the schedule says so" in text and "ROTATIONS" in text, "people get a table", text)


def simulates_faults(root):
    first = get(root, "simulate", "--until", in_years(3), "--faults", "7")
    again = get(root, "simulate", "--until", in_years(3), "--faults", "7")
    other = get(root, "simulate", "--until", in_years(3), "--faults", "8")

    def shape(told):
        return [(e["id"], e["what"], e["version"]) for e in told["events"]]
    results.equal(shape(again), shape(first), "the same seed gives the same years")
    results.check(shape(other) != shape(first), "another one gives others")
    results.check("fails on and off" in root.ctl("simulate", "--until", in_years(1), "--faults", "7").stdout,
                  "and it is said that things go wrong")


def refuses_nonsense(root):
    for words, why in ((("--until", "2001-01-01"), "in the past"), (("--until", "2999-01-01"), "20 years"),
                       (("--until", "tomorrow"), "no date"), (("--until", "2027-02-30"), "no date"),
                       (("--until", "2027-2-3"), "no date"), (("--until", in_years(1), "--faults", "0"), "from 1"),
                       (("--until", in_years(1), "--faults", "x"), "from 1"), ((), "--until DATE")):
        done = root.ctl("simulate", *words, check=False)
        results.check(done.returncode == 2 and why in done.stderr, "simulate %s is refused: %s" % (" ".join(words), why),
                      done.stderr)


def last_frame(client):
    """A long answer comes in many frames; the last has the verdict too."""
    answer = client.receive()
    while "more" in answer:
        answer = client.receive()
    return answer


def others_are_served_meanwhile(root):
    one, two = Client(root), Client(root)
    one.send("Plan.Simulate", until=in_years(19))
    two.send("Plan.Simulate", until=in_years(1))
    results.equal(two.receive()["status"], "again", "one looks ahead at a time")
    two.send("Status.Get")
    results.equal(last_frame(two)["status"], "ok", "status is answered meanwhile")
    one.close()

    def is_free():
        two.send("Plan.Simulate", until=in_years(1))
        return last_frame(two)["status"] == "ok"
    results.check(harness.poll("the next may look ahead", is_free), "who hangs up is not in the way of the next")
    two.send("Plan.Simulate", until=in_years(19))
    root.ctl("seal")
    answer = last_frame(two)
    results.check(answer["status"] == "again" and "sealed meanwhile" in answer["message"],
                  "sealing ends it, and says so", answer)
    results.check("sealed" in root.ctl("plan", "--until", in_years(1), check=False).stderr, "and a sealed vault does not begin")


def main():
    with harness.Root(CONF) as root:
        for n in range(SERVICES):
            root.service(f"s{n}")
        root.start_vault()
        root.open_store("--unattended")
        for n in range(SERVICES):
            root.issue(f"s{n}")
        plans_two_years(root)
        simulates_faults(root)
        refuses_nonsense(root)
        others_are_served_meanwhile(root)
    results.exit()


main()
