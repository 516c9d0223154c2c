#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The vault killed at every call to the disk that its operations make, and at random, while clients issue, rotate and
revoke logins, encrypt the store anew, change slots of every kind, make new roots, back up, and restore to a second root.
After each kill it opens, verifies, holds what it acknowledged, nothing half, and the door's index says the same.
ROTATED_LONG=1: 2,000 kills."""

import json
import os
import pwd
import random
import select
import shutil
import sys

from faults import KILL_AFTER, KILL_BEFORE, KILL_MIDDLE, Plan, need_shim, start_vault
from harness import NOTHING, PATIENCE, Failure, Results, poll
from whole import Site, ctl_in_background

KILLS = int(os.environ.get("ROTATED_KILLS") or (2000 if os.environ.get("ROTATED_LONG") else 40))
SERVICES = ("billing", "shop", "alerts")
REMEMBERED = 6  # revoked logins of each service that are tried again
SLOTS_MAX = 9
RESTORE_EVERY = 20  # kills
KINDS = ("key-file", "quorum", "recovery", "exec", "credential") * 3 + ("passphrase",)  # the last costs Argon2id
HELPER_USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
AGAIN = 75


class Account:
    """What was promised: logins that work and that do not, slots that are there and that are gone."""

    def __init__(self):
        self.works, self.dead, self.unsure = {}, {}, {}
        self.slots, self.gone = {}, set()  # id -> what tests it
        self.acknowledged = {}  # operation -> how often


def await_death(vault, process):
    """Of the vault, or the end of an operation that makes fewer calls; a reseal goes on after its answer."""
    poll("the kill or the end", lambda: not vault.is_running() or process.poll() is not None)
    for _ in range(20):
        if vault.is_running():
            select.select([], [], [], 0.002)


class Bench:
    def __init__(self, site, rng):
        self.site, self.rng = site, rng
        self.plan = Plan(site.join("plan"))
        self.account = Account()
        self.struck = {}  # what was killed in -> how often
        self.made = 0
        self.refused = {}  # what was refused with no kill about
        self.first_slots = set()
        self.verbs, self.kinds = [], KINDS
        self.backup = None  # the last that was acknowledged: its path, and what it holds
        self.is_new = False  # it was not read yet

    # ---- the vault ----

    def start_vault(self):
        start_vault(self.site, self.plan)

    def unseal(self):
        """By the recovery key, which costs no Argon2id."""
        done = self.site.ctl("unseal", "--recovery", "--passphrase-file", self.site.join("recovery"), check=False)
        if done.returncode not in (0, NOTHING):
            raise Failure(f"unseal: {done.stderr}")

    def reseal_is_done(self):
        return json.loads(self.site.ctl("--json", "status").stdout)["keystore"]["reseal"] is None

    # ---- operations: (command line, what to note at its end) ----

    def issue(self):
        service = self.rng.choice(SERVICES)
        listed = json.loads(self.site.ctl("--json", "credential", "list", service).stdout)["credentials"]
        verb = "rotate" if any(c["state"] == "active" for c in listed) else "issue"
        return ("credential", verb, service), self.note_issued

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

        return ("credential", "revoke", login), note

    def reseal(self):
        return ("store", "reseal"), lambda code, text: None

    def rekey(self):
        return ("store", "rekey"), lambda code, text: None

    def compact(self):
        return ("store", "compact"), lambda code, text: None

    def slot_add(self):
        """What adds it, and how what comes of it is tested: by a file, by words, or by itself."""
        if len(self.slot_ids()) >= SLOTS_MAX:
            return self.slot_remove()
        self.made += 1
        kind = self.rng.choice(self.kinds)
        path = self.site.write(f"extra-{self.made}", self.rng.randbytes(32).hex(), 0o600)
        words = {"key-file": ["--key-file", path], "quorum": ["--shares", "3", "--threshold", "2"],
                 "exec": ["--program", self.site.join("helpers/gives"), "--blob", path],
                 "passphrase": ["--passphrase-file", path]}.get(kind, [])
        before = self.slot_ids()

        def note(code, text):
            if code != 0:
                return
            made = json.loads(text)
            test = {"key-file": ["--key-file", path], "passphrase": ["--passphrase-file", path]}.get(kind, [])
            stdin = "\n".join(made.get("shares", [])[:2]) or made.get("recovery_key", "")
            for slot in [made["slot"]] if "slot" in made else made["slots"]:
                if slot["id"] not in before:
                    self.account.slots[slot["id"]] = (kind, test, stdin + "\n")

        return ("store", "slot", "add", kind, *words), note

    def slot_remove(self):
        mine = sorted(self.slot_ids() - self.first_slots)  # also those that nobody acknowledged
        if not mine:
            return self.slot_add()
        slot = self.rng.choice(mine)

        def note(code, unused_text):
            self.account.slots.pop(slot, None)
            if code in (0, 3):
                self.account.gone.add(slot)

        return ("store", "slot", "remove", slot), note

    def make_backup(self):
        path = self.site.join(f"backup-{self.made}")
        self.made += 1
        holds = (self.logins(self.site), self.slot_ids())

        def note(code, unused_text):
            if code == 0:
                self.backup, self.is_new = (path, holds), True

        return ("store", "backup", path), note

    def operations(self, has_creds):
        """Those that this rotatectl has, the frequent ones several times."""
        self.kinds = [kind for kind in KINDS if has_creds or kind != "credential"]
        usage = self.site.ctl("--help").stdout
        chosen = [self.issue] * 4 + [self.revoke] * 3 + [self.reseal] * 2
        for words, operation in (("store rekey", self.rekey), ("store compact", self.compact),
                                 ("store slot add", self.slot_add), ("store slot add", self.slot_add),
                                 ("store slot remove", self.slot_remove),
                                 ("store backup", self.make_backup)):
            if words in usage:
                chosen.append(operation)
            else:
                print(f"# this rotatectl has no {words}", flush=True)
        return chosen

    # ---- one kill ----

    def undisturbed(self, operation):
        words, note = operation()
        process = ctl_in_background(self.site, "--json", *words)
        text, said = process.communicate(timeout=2 * PATIENCE)
        note(process.returncode, text)
        if process.returncode == 0:
            self.count(operation.__name__)
        elif process.returncode not in (NOTHING, AGAIN):
            self.refused[f"{operation.__name__}: {said.strip()}"] = True

    def strike(self, number):
        """Kills at a call that is counted, or, each third time, at any moment."""
        for _ in range(self.rng.randrange(3)):
            self.undisturbed(self.rng.choice(self.verbs))
        operation = self.rng.choice(self.verbs)
        by_count = number % 3 != 0
        words, note = operation()
        if by_count:
            nth = int(2 ** (self.rng.random() * (7.5 if operation == self.reseal else 5)))
            self.plan.arm(self.rng.choice((KILL_BEFORE, KILL_MIDDLE, KILL_AFTER)), nth)
        process = ctl_in_background(self.site, "--json", *words)
        if by_count:
            await_death(self.site.daemons["rotated"], process)
        else:
            select.select([], [], [], self.rng.random() * 0.05)  # where it hits is the point
        self.site.daemons["rotated"].kill()
        where = self.plan.what() if by_count else "at random"
        self.struck[where or "idle"] = self.struck.get(where or "idle", 0) + 1
        text, _ = process.communicate(timeout=120)
        note(process.returncode, text)
        if process.returncode == 0:
            self.count(operation.__name__)
        return f"kill {number}, {operation.__name__}, {where}"

    def count(self, name):
        self.account.acknowledged[name] = self.account.acknowledged.get(name, 0) + 1

    # ---- a kill in a restore, on another machine ----

    def strike_restore(self, number):
        """Killed, it has left nothing or everything, and can be repeated. Returns what was broken."""
        path, holds = self.backup
        key = self.site.join("recovery")
        with Site(services=SERVICES) as other:
            shutil.copytree(self.site.join("etc/rotated"), other.join("etc/rotated"), dirs_exist_ok=True)
            plan = Plan(other.join("plan"))
            start_vault(other, plan)
            plan.arm(self.rng.choice((KILL_BEFORE, KILL_MIDDLE, KILL_AFTER)), int(2 ** (self.rng.random() * 6)))
            process = ctl_in_background(other, "store", "restore", path, "--passphrase-file", key)
            await_death(other.daemons["rotated"], process)
            other.daemons["rotated"].kill()
            process.communicate(timeout=2 * PATIENCE)
            where = f"kill {number}, restore, {plan.what()}"
            struck = f"restore, {plan.what() or 'idle'}"
            self.struck[struck] = self.struck.get(struck, 0) + 1
            start_vault(other, plan)
            is_there = json.loads(other.ctl("--json", "status").stdout)["keystore"]["state"] != "absent"
            if process.returncode == 0:
                self.count("restore")
                if not is_there:
                    return [f"{where}: acknowledged, and there is no keystore"]
            if not is_there:
                done = other.ctl("store", "restore", path, "--passphrase-file", key, check=False)
                if done.returncode != 0:
                    return [f"{where}: it cannot be repeated: {done.stderr}"]
            done = other.ctl("unseal", "--recovery", "--passphrase-file", key, check=False)
            if done.returncode not in (0, NOTHING):
                return [f"{where}: {done.stderr}"]
            verified = other.ctl("store", "verify", check=False)
            if verified.returncode != 0:
                return [f"{where}: store verify: {verified.stdout}{verified.stderr}"]
            if (self.logins(other), self.slot_ids(other)) != holds:
                return [f"{where}: it holds {self.logins(other)} and {self.slot_ids(other)}, not {holds}"]
        return []

    # ---- what has to hold ----

    def slot_ids(self, site=None):
        site = site or self.site
        return {s["id"] for s in json.loads(site.ctl("--json", "store", "slot", "list").stdout)["slots"]}

    def logins(self, site):
        return {c["login"] for c in json.loads(site.ctl("--json", "credential", "list").stdout)["credentials"]}

    def broken_slots(self):
        slots = self.slot_ids()
        found = [f"slot {s}: acknowledged and not there" for s in self.account.slots if s not in slots]
        found += [f"slot {s}: removed and there" for s in self.account.gone & slots]
        mine = sorted(s for s in self.account.slots if s in slots)
        if mine:
            slot = self.rng.choice(mine)
            kind, words, stdin = self.account.slots[slot]
            done = self.site.ctl("store", "slot", "test", slot, *words, stdin=stdin, check=False,
                                 patience=4 * PATIENCE)  # Argon2id
            if done.returncode == 0:
                self.count(f"(slot test of {kind})")
            elif done.returncode != AGAIN or kind not in ("exec", "credential"):  # the porter is not back yet
                found.append(f"slot {slot} ({kind}): it does not open: {done.stdout}{done.stderr}")
        return found

    def broken_backup(self):
        if not self.is_new:
            return []
        self.is_new = False
        path = self.backup[0]
        done = self.site.ctl("store", "backup", "--verify", "--passphrase-file", self.site.join("recovery"), path,
                             check=False)
        return [] if done.returncode == 0 else [f"the backup {path}: {done.stdout}{done.stderr}"]

    def broken_index(self):
        """What nobody acknowledged is there or not, but the door and the store agree about it."""
        listed = self.logins(self.site)
        return [f"{login}: the store {'has' if login in listed else 'has not'} it, and the login says {answer}"
                for login, secret in self.account.unsure.items() if secret
                for answer in [self.site.login(login, secret)] if (answer == "ok") != (login in listed)]

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
        found += self.broken_slots() + self.broken_backup() + self.broken_index()
        for noun in ("store", "audit"):
            done = self.site.ctl(noun, "verify", check=False)
            if done.returncode != 0:
                found.append(f"{noun} verify: {done.stdout}{done.stderr}")
        return found

    def survive(self, number):
        if self.backup and number % RESTORE_EVERY == RESTORE_EVERY - 1:
            return self.strike_restore(number)
        where = self.strike(number)
        self.start_vault()
        self.site.wait_connected()
        self.unseal()
        return [f"{where}: {what}" for what in self.broken()]


def main():
    need_shim()
    results = Results()
    seed = int(os.environ.get("ROTATED_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# ROTATED_SEED={seed}", flush=True)
    with Site(services=SERVICES) as site:
        helper = site.write("helpers/gives", "#!/bin/sh\nexec cat\n", 0o755)
        with open(site.join("etc/rotated/rotated.conf"), "a", encoding="utf-8") as f:
            f.write(f"[unlock]\nhelper = {helper}\nhelper_user = {HELPER_USER}\n")
        os.makedirs(site.join("var/lib/systemd"))
        bench = Bench(site, random.Random(seed))
        bench.start_vault()
        site.daemons["rotated-auth"] = site.start_door()
        site.daemons["rotated-worker"] = site.start_worker()
        site.daemons["rotated-unlock"] = site.start_porter()
        made = json.loads(site.ctl("--json", "init", "--unattended", "--passphrase-file", site.passphrase).stdout)
        site.write("recovery", made["recovery_key"] + "\n", 0o600)
        site.wait_connected()
        bench.unseal()
        bench.first_slots = bench.slot_ids()
        bench.verbs = bench.operations(shutil.which("systemd-creds"))
        for service in SERVICES:
            bench.account.works.update([site.issue(service)])
        found = []
        for number in range(KILLS):
            found += bench.survive(number)
            if len(found) > 10:
                break
        print("# acknowledged: " + ", ".join(f"{n} {what}" for what, n in sorted(bench.account.acknowledged.items())))
        for line in sorted(bench.refused)[:20]:
            print("# " + line.replace("\n", "\n# "))
        for where, count in sorted(bench.struck.items(), key=lambda item: -item[1]):
            print(f"# {count:5} {where}", flush=True)
        results.check(not found, f"{KILLS} kills of the vault break no promise and no store", "\n".join(found))
        struck = sum(n for where, n in bench.struck.items() if where not in ("idle", "at random"))
        results.check(struck > KILLS / 5, "and many of them struck in a call to the disk")
        with results.case("a reseal that was killed again and again comes to its end"):
            poll("the end of the reseal", bench.reseal_is_done)
    results.exit()


if __name__ == "__main__":
    sys.exit(main())
