#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The vault killed at every call to the disk that its operations make, and at random, while clients issue, rotate and
revoke logins, encrypt the store anew, change its slots, make new roots and back up. After each kill it opens, verifies,
holds what it acknowledged, nothing half, and the door's index says the same. ROTATED_LONG=1: 2,000 kills."""

import json
import mmap
import os
import random
import select
import struct
import sys

from harness import BUILD, NOTHING, Daemon, Failure, Results, build_path, is_asan_build, poll, skip
from whole import Site, ctl_in_background

KILLS = int(os.environ.get("ROTATED_KILLS") or (2000 if os.environ.get("ROTATED_LONG") else 100))
SERVICES = ("billing", "shop", "alerts")
SHIM = os.path.join(BUILD, "tests/unit/.libs/faultshim.so")
KILL_BEFORE, KILL_MIDDLE, KILL_AFTER = 8, 9, 10  # enum fault_kind in tests/unit/faultshim.h
CHANGES = 127
PLAN_LEN = 256
REMEMBERED = 6  # revoked logins of each service that are tried again
SLOTS_MAX = 9


class Plan:
    """What the shim in the vault does next: struct fault_plan."""

    def __init__(self, path):
        with open(path, "w+b") as f:
            f.truncate(PLAN_LEN)
            self.map = mmap.mmap(f.fileno(), PLAN_LEN)

    def arm(self, kind, nth):
        self.map[8:] = struct.pack("=QQQQ", nth, 1, 0, 0) + bytes(PLAN_LEN - 40)
        self.map[:8] = struct.pack("=II", kind, CHANGES)  # last: from here on it counts

    def disarm(self):
        self.map[:8] = bytes(8)

    def what(self):
        return bytes(self.map[40:232]).split(b"\0")[0].decode()


class Account:
    """What was promised: logins that work and that do not, slots that are there and that are gone."""

    def __init__(self):
        self.works, self.dead, self.unsure = {}, {}, {}
        self.slots, self.gone = set(), set()


class Bench:
    def __init__(self, site, rng):
        self.site, self.rng = site, rng
        self.plan = Plan(site.join("plan"))
        self.account = Account()
        self.struck = {}  # what was killed in -> how often
        self.key_files = 0
        self.first_slots = set()
        self.verbs = {}

    # ---- the vault ----

    def start_vault(self):
        env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_DIR=self.site.join("var"), FAULT_PLAN=self.site.join("plan"))
        if is_asan_build(self.site.build):
            env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
        self.plan.disarm()
        argv = [build_path("rotated", self.site.build), "--root", self.site.path]
        log = self.site.join("log", "rotated.log")
        self.site.daemons["rotated"] = self.site.adopt(Daemon(argv, log, env=env))

    def unseal(self):
        """By the recovery key, which costs no Argon2id."""
        done = self.site.ctl("unseal", "--recovery", "--passphrase-file", self.site.join("recovery"), check=False)
        if done.returncode not in (0, NOTHING):
            raise Failure(f"unseal: {done.stderr}")

    def reseal_is_done(self):
        return json.loads(self.site.ctl("--json", "status").stdout)["keystore"]["reseal"] is None

    # ---- operations: (process, what to note at its end) ----

    def begin(self, *args):
        return ctl_in_background(self.site, "--json", *args)

    def issue(self):
        service = self.rng.choice(SERVICES)
        mine = [login for login in self.account.works if login.startswith(service)]
        return self.begin("credential", "rotate" if mine else "issue", service), self.note_issued

    def note_issued(self, code, text):
        try:
            answer = json.loads(text)
            login, secret = answer["login"], answer["secret"]
        except (ValueError, KeyError):
            return
        (self.account.works if code == 0 else self.account.unsure)[login] = secret

    def revoke(self):
        logins = sorted({**self.account.works, **self.account.unsure})
        if len(logins) < 3:
            return self.issue()
        login = self.rng.choice(logins)

        def note(code, unused_text):
            secret = self.account.works.pop(login, None) or self.account.unsure.pop(login, None)
            (self.account.dead if code in (0, 3) else self.account.unsure)[login] = secret

        return self.begin("credential", "revoke", login), note

    def reseal(self):
        return self.begin("store", "reseal"), lambda code, text: None

    def rekey(self):
        return self.begin("store", "rekey"), lambda code, text: None

    def compact(self):
        return self.begin("store", "compact"), lambda code, text: None

    def slot_add(self):
        if len(self.slot_ids()) >= SLOTS_MAX:
            return self.slot_remove()
        self.key_files += 1
        name = f"extra-{self.key_files}.key"
        path = self.site.write(name, self.rng.randbytes(32).hex(), 0o600)

        def note(code, text):
            if code == 0:
                self.account.slots.update(s["id"] for s in json.loads(text)["slots"])

        return self.begin("store", "slot", "add", "key-file", "--key-file", path), note

    def slot_remove(self):
        mine = sorted(self.slot_ids() - self.first_slots)  # also those that nobody acknowledged
        if not mine:
            return self.slot_add()
        slot = self.rng.choice(mine)

        def note(code, unused_text):
            self.account.slots.discard(slot)
            if code in (0, 3):
                self.account.gone.add(slot)

        return self.begin("store", "slot", "remove", slot), note

    def backup(self):
        path = self.site.join("backup")
        if os.path.exists(path):
            os.unlink(path)

        def note(code, unused_text):
            if code != 0:
                return
            done = self.site.ctl("store", "backup", "--verify", "--passphrase-file", self.site.join("recovery"), path,
                                 check=False)
            if done.returncode != 0:
                self.account.works["(backup)"] = done.stderr  # no such login: shows as broken

        return self.begin("store", "backup", path), note

    def operations(self):
        """Those that this rotatectl has, the frequent ones several times."""
        usage = self.site.ctl("--help").stdout
        chosen = [self.issue] * 4 + [self.revoke] * 3 + [self.reseal] * 2
        for words, operation in (("store rekey", self.rekey), ("store compact", self.compact),
                                 ("store slot add", self.slot_add), ("store slot remove", self.slot_remove),
                                 ("store backup", self.backup)):
            if words in usage:
                chosen.append(operation)
            else:
                print(f"# this rotatectl has no {words}", flush=True)
        return chosen

    # ---- one kill ----

    def strike(self, number):
        """Kills at a call that is counted, or, each third time, at any moment."""
        operation = self.rng.choice(self.verbs)
        by_count = number % 3 != 0
        if by_count:
            nth = int(2 ** (self.rng.random() * (7.5 if operation == self.reseal else 5)))
            self.plan.arm(self.rng.choice((KILL_BEFORE, KILL_MIDDLE, KILL_AFTER)), nth)
        process, note = operation()
        if by_count:
            self.await_death(process)
        else:
            select.select([], [], [], self.rng.random() * 0.05)  # where it hits is the point
        self.site.daemons["rotated"].kill()
        where = self.plan.what() if by_count else "at random"
        self.struck[where or "idle"] = self.struck.get(where or "idle", 0) + 1
        text, _ = process.communicate(timeout=120)
        note(process.returncode, text)
        return f"kill {number}, {operation.__name__}, {where}"

    def await_death(self, process):
        """Of the vault, or the end of an operation that makes fewer calls; a reseal goes on after its answer."""
        vault = self.site.daemons["rotated"]
        poll("the kill or the end", lambda: not vault.is_running() or process.poll() is not None)
        for _ in range(20):
            if vault.is_running():
                select.select([], [], [], 0.002)

    # ---- what has to hold ----

    def slot_ids(self):
        return {s["id"] for s in json.loads(self.site.ctl("--json", "store", "slot", "list").stdout)["slots"]}

    def broken(self):
        found = []
        for login, secret in self.account.works.items():
            answer = self.site.login(login, secret)
            if answer != "ok":
                found.append(f"{login}: acknowledged, and the login says {answer}")
        for login, secret in self.account.dead.items():
            answer = self.site.login(login, secret)
            if answer != "no":
                found.append(f"{login}: revoked, and the login says {answer}")
        while len(self.account.dead) > REMEMBERED:
            self.account.dead.pop(next(iter(self.account.dead)))
        if self.account.slots or self.account.gone:
            slots = self.slot_ids()
            found += [f"slot {s}: acknowledged and not there" for s in self.account.slots - slots]
            found += [f"slot {s}: removed and there" for s in self.account.gone & slots]
        for noun in ("store", "audit"):
            done = self.site.ctl(noun, "verify", check=False)
            if done.returncode != 0:
                found.append(f"{noun} verify: {done.stdout}{done.stderr}")
        return found

    def survive(self, number):
        where = self.strike(number)
        self.start_vault()
        self.site.wait_connected()
        self.unseal()
        return [f"{where}: {what}" for what in self.broken()]


def main():
    if not os.path.isfile(SHIM):
        skip(f"{SHIM} is not built: make check TESTS=")
    results = Results()
    seed = int(os.environ.get("ROTATED_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# ROTATED_SEED={seed}", flush=True)
    with Site(services=SERVICES) as site:
        bench = Bench(site, random.Random(seed))
        bench.start_vault()
        site.daemons["rotated-auth"] = site.start_door()
        site.daemons["rotated-worker"] = site.start_worker()
        made = json.loads(site.ctl("--json", "init", "--unattended", "--passphrase-file", site.passphrase).stdout)
        site.write("recovery", made["recovery_key"] + "\n", 0o600)
        site.wait_connected()
        bench.unseal()
        bench.first_slots = bench.slot_ids()
        bench.verbs = bench.operations()
        for service in SERVICES:
            bench.account.works.update([site.issue(service)])
        found = []
        for number in range(KILLS):
            found += bench.survive(number)
            if len(found) > 10:
                break
        for where, count in sorted(bench.struck.items(), key=lambda item: -item[1]):
            print(f"# {count:5} {where}", flush=True)
        results.check(not found, f"{KILLS} kills of the vault break no promise and no store", "\n".join(found))
        results.check(sum(n for w, n in bench.struck.items() if "data.mdb" in w) > KILLS / 20,
                      "and many of them struck in the middle of the store")
        with results.case("a reseal that was killed again and again comes to its end"):
            poll("the end of the reseal", bench.reseal_is_done)
    results.exit()


if __name__ == "__main__":
    sys.exit(main())
