#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whatever lies where a file of the keystore, of the index or of the audit log belongs: the vault
says which file, what is wrong and what to type, or it does without; it never waits for it, changes
nothing else, and works when the file is put back. Logins go on. The same for yesterday's files in
every combination, and for a lock file of the index that a running door does not have."""

import itertools
import json
import os
import shutil
import socket
import stat
import sys

from harness import NOTHING, Results, poll
from keystorereader import Lmdb, make_tables
from whole import Site

results = Results()
SERVICES = ("billing", "gone", "off")
NOBODY = 65534
AUDIT = "log/rotated/audit"
SEGMENT = AUDIT + "/00000001.log"
STATE = "lib/rotated/"


# ---- folders as they are ----


def picture(top):
    """{path below TOP: (mode, owner, group, content)} of all that is there."""
    found = {}
    for folder, folders, files in os.walk(top):
        for path in (os.path.join(folder, name) for name in folders + files):
            st, content = os.lstat(path), None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    content = f.read()
            found[os.path.relpath(path, top)] = (st.st_mode, st.st_uid, st.st_gid, content)
    return found


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def put(path, entry):
    """As a person does it: a new file under the old name."""
    mode, owner, group, content = entry
    if content is None:
        os.makedirs(path, exist_ok=True)
    else:
        with open(path + "~", "wb") as f:
            f.write(content)
        os.rename(path + "~", path)
    os.chown(path, owner, group)
    os.chmod(path, stat.S_IMODE(mode))


def put_back(top, wanted, only=""):
    """Makes TOP what it was in WANTED, or of it what is ONLY and below."""
    now = picture(top)

    def concerns(path):
        return not only or path == only or path.startswith((only + "/", only + "."))

    for path in sorted(filter(concerns, now), reverse=True):
        if path not in wanted or stat.S_IFMT(wanted[path][0]) != stat.S_IFMT(now[path][0]):
            remove(os.path.join(top, path))
    now = picture(top)
    for path in sorted(filter(concerns, wanted)):
        if now.get(path) != wanted[path]:
            put(os.path.join(top, path), wanted[path])


# ---- what may lie there instead ----


def replace(path, content):
    with open(path, "r+b") as f:
        f.truncate()
        f.write(content)


def content_of(path):
    with open(path, "rb") as f:
        return f.read()


def directory(path):
    remove(path)
    os.mkdir(path, 0o700)


def full_directory(path):
    directory(path)
    directory(os.path.join(path, "something"))


def link(path):
    os.rename(path, path + ".good")
    os.symlink(os.path.basename(path) + ".good", path)


def fifo(path):
    remove(path)
    os.mkfifo(path, 0o600)


def bound_socket(path):
    remove(path)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    os.chmod(path, 0o600)


def device(path):
    remove(path)
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))


def another_owner(path):
    os.chown(path, NOBODY, -1)


def open_mode(path):
    os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)


def foreign(path):
    """A healthy LMDB file, with tables of somebody else."""
    remove(path)
    make_tables(path, ("x", "y"))


def another_store(path):
    """With the tables that it should have, and nothing in them."""
    remove(path)
    make_tables(path, ("a", "b", "cur", "hist", "meta", "sums"))


def newer(path):
    """The format raised by one: in a keyring, in both halves of an anchor, in LMDB's pages; of an audit
    log another byte of its first line."""
    content = bytearray(content_of(path))
    places = {"keyring": [11], "keyring.prev": [11], "anchor": [7, 519]}
    for at in places.get(os.path.basename(path), [20]):
        content[at] += 1
    replace(path, content)


ANY = {
    "nothing": remove,
    "a directory": directory,
    "a symbolic link to it": link,
    "a FIFO": fifo,
    "a socket": bound_socket,
    "a device": device,
    "another owner's": another_owner,
    "readable by all": open_mode,
}
FILE = {
    **ANY,
    "an empty file": lambda path: replace(path, b""),
    "a full directory": full_directory,
    "a second name of it": lambda path: os.link(path, path + ".other"),
    "an LMDB file of somebody else's": foreign,
    "an LMDB file of our tables": another_store,
    "random bytes": lambda path: replace(path, os.urandom(os.path.getsize(path))),
    "half of it": lambda path: os.truncate(path, os.path.getsize(path) // 2),
    "more than it": lambda path: replace(path, content_of(path) + b"x" * 100),
    "a newer format": newer,
}
FOLDER = {**ANY, "a file": lambda path: (remove(path), foreign(path))}
NO_FILE = {"a directory", "a full directory", "a symbolic link to it", "a FIFO", "a socket", "a device"}
CLOSED = NO_FILE | {"another owner's", "readable by all"}
UNREADABLE = {"an empty file", "an LMDB file of somebody else's", "an LMDB file of our tables", "random bytes",
              "half of it"}

# Which shapes are refused, and which are run with under an alarm; with the others it is as if nothing
# were wrong: what was lost is made anew, or was nothing that matters.
FILES = {
    STATE + "keyring": (FILE, set(FILE) - {"a second name of it"}, set()),
    STATE + "keyring.prev": (FILE, CLOSED, set()),
    STATE + "anchor": (FILE, CLOSED, UNREADABLE | {"nothing", "more than it", "a newer format"}),
    STATE + "store/data.mdb": (FILE, set(FILE) - {"a second name of it", "more than it"}, set()),
    STATE + "store/lock.mdb": (FILE, CLOSED, set()),
    STATE + "store": (FOLDER, set(FOLDER), set()),
    STATE + "index/data.mdb": (FILE, {"a full directory"}, set()),
    STATE + "index/lock.mdb": (FILE, {"a full directory"}, set()),
    STATE + "index": (FOLDER, set(), set()),
    SEGMENT: (FILE, NO_FILE, UNREADABLE | {"nothing"}),
    AUDIT: (FOLDER, {"a FIFO", "a socket", "a device", "a file"}, {"nothing", "a directory"}),
}
# Made by LMDB or by the door whatever happens, and no part of what a person would put back.
LOCKS = {STATE + "store/lock.mdb", STATE + "index/lock.mdb"}


# ---- the vault with them ----


class Bench:
    def __init__(self, site):
        self.site = site
        self.top = site.join("var")
        self.good = {}
        self.works = self.dead = None  # logins
        self.recovery = ""

    def __enter__(self):
        site = self.site
        vault = site.daemons["rotated"] = site.start_vault()
        site.daemons["rotated-auth"] = site.start_door()
        made = json.loads(site.ctl("--json", "init", "--unattended", "--passphrase-file", site.passphrase).stdout)
        self.recovery = site.write("recovery", made["recovery_key"] + "\n", 0o600)
        self.works, self.dead = site.issue("billing"), site.issue("gone")
        site.ctl("credential", "revoke", self.dead[0])
        poll("the door to know", lambda: site.login(*self.works) == "ok" and site.login(*self.dead) == "no")
        vault.stop()
        self.good = self.look()
        return self

    def __exit__(self, *unused):
        pass

    def log(self):
        """Of both."""
        return "".join(self.site.daemons[name].log() for name in ("rotated", "rotated-auth"))

    def look(self):
        found = picture(self.top)
        return {path: entry for path, entry in found.items() if path.startswith((STATE, "log/"))}

    def reset(self, wanted=None):
        for folder in (STATE.rstrip("/"), "log/rotated"):
            below = {os.path.relpath(p, folder): e for p, e in (wanted or self.good).items() if p.startswith(folder + "/")}
            put_back(os.path.join(self.top, folder), below)

    def alarms(self, about=""):
        """(state, [alarm]) of the vault, less those that every bare bench has."""
        status = self.site.status()
        usual = ("not connected", "ISSUER tier is sealed", "locked into memory", "after the door restarts")
        return status["keystore"]["state"], [
            a for a in status["alarms"] if not any(u in a["what"] for u in usual) and about in a["what"]]

    def unseal(self):
        done = self.site.ctl("unseal", "--recovery", "--passphrase-file", self.recovery, check=False)
        return "" if done.returncode in (0, NOTHING) else f"unseal: {done.stderr}"

    def logins(self, wanted=("ok",)):
        found = []
        if self.site.login(*self.works) not in wanted:
            found.append(f"the login says {self.site.login(*self.works)}")
        if self.site.login(*self.dead) == "ok":
            found.append("a revoked login is accepted")
        return found

    def rotates(self):
        done = self.site.ctl("credential", "rotate", "billing", check=False)
        return [] if done.returncode == 0 else [f"rotate: {done.stderr}"]

    def yesterday(self, expected_state, logins, days):
        """What is wrong with the answer to the files of DAYS."""
        (state, told), site = expected_state, self.site
        got, alarms = self.alarms()
        found = []
        if got != state or told and not any(told in a["what"] and a["hint"] for a in alarms) or not told and alarms:
            found.append(f"{got}, {alarms}; it should be {state}, {told!r}")
        # an index of today is never made older, and one of yesterday is made anew from a store of today
        knows = days[3] == "T" or days[0] == "T" and state != "sealed"
        for name, wanted in (("new", "ok"), ("revoked", "no"), ("off", "no")):
            answer = site.login(*logins[name])
            if knows and answer != wanted:
                found.append(f"the {name} login says {answer}")
        failure = self.unseal()
        done = site.ctl("credential", "rotate", "billing", check=False)
        if (done.returncode == 0) != (state == "open") or done.returncode and "next:" not in done.stderr:
            found.append(f"rotate: {failure} {done.returncode} {done.stderr}")
        return found

    def changed(self, before, path):
        """What is not as BEFORE, but for what PATH is and what lies there."""
        now = self.look()
        return [f"{p} was changed" for p in sorted(set(before) | set(now))
                if before.get(p) != now.get(p) and p not in LOCKS and not (p + "/").startswith(path + "/")]


def refused(bench, path, before):
    """Named, with the next command; nothing else is touched. Back in its place, it opens."""
    state, alarms = bench.alarms()
    named = [a for a in alarms if os.path.join(bench.top, path.removesuffix("/data.mdb")) in a["what"] and a["hint"]]
    found = [] if named else [f"{state}, and it is not named: {alarms}"]
    # without an index nobody can tell who was revoked
    found += bench.logins(("ok", "unavail") if "index" in path else ("ok",))
    done = bench.site.ctl("credential", "rotate", "billing", check=False)
    if done.returncode == 0 or "next:" not in done.stderr:
        found.append(f"rotate: {done.returncode} {done.stderr}")
    found += bench.changed(before, path)
    return found, state


def goes_on(bench, path, shape, has_alarm):
    state, alarms = bench.alarms()
    found = bench.logins()
    if has_alarm != bool(alarms) or not all(a["hint"] for a in alarms):
        found.append(f"{state}: {alarms}")
    if path == SEGMENT and shape == "a newer format":
        done = bench.site.ctl("audit", "verify", check=False)
        found += [] if done.returncode == 1 else [f"audit verify: {done.stdout}"]
    return found


def try_shape(bench, path, shape, shapes):
    """Returns what was wrong."""
    make, are_refused, have_alarm = shapes
    bench.reset()
    full = os.path.join(bench.top, path)
    if path.endswith(".prev"):
        shutil.copy2(full.removesuffix(".prev"), full)
    make[shape](full)
    before = bench.look()
    vault = bench.site.start_vault()
    if shape in are_refused:
        found, state = refused(bench, path, before)
        put_back(bench.top, bench.good, path)
        # it has opened what was wrong, or reads what is left of it: the hint says to start again
        if state == "sealed" or bench.site.status()["keystore"]["auth"] == "open":
            vault.stop()
            vault = bench.site.start_vault()
        else:
            found += bench.changed(bench.good, "-")
        found.append(bench.unseal())
        found += bench.rotates()
    else:
        found = goes_on(bench, path, shape, shape in have_alarm)
        if path.endswith("anchor") and shape in have_alarm:
            found += [c for c in bench.changed(before, path) if "index/" not in c]  # which is made anew
        else:
            found.append(bench.unseal())
            found += bench.rotates() + bench.logins()
    if vault.stop() != 0:
        found.append("the vault did not end cleanly")
    return [f for f in found if f]


def instead_of_a_file(bench):
    for path, shapes in FILES.items():
        for shape in shapes[0]:
            try:
                found = try_shape(bench, path, shape, shapes)
            except PermissionError as e:
                print(f"# {path}, {shape}: not permitted here: {e}", flush=True)
                continue
            what = ("is refused and named" if shape in shapes[1] else
                    "is told of" if shape in shapes[2] else "does no harm")
            results.check(not found, f"{path}: {shape} {what}", "\n".join(found))


def put_right_by_itself(bench):
    """Nobody has to restart it, or to type anything."""
    bench.reset()
    keyring = bench.site.join("var", STATE, "keyring")
    os.chmod(keyring, 0o644)
    vault = bench.site.start_vault()
    results.equal(bench.alarms()[0], "damaged", "a keyring that others can read is not opened")
    os.chmod(keyring, 0o600)
    with results.case("when its mode is put right, AUTH opens by itself"):
        poll("AUTH to be open", lambda: bench.site.status()["keystore"]["auth"] == "open")
    vault.stop()


# ---- the index under a running door ----


def follows(bench, login, what):
    """Each change is seen at once: a door that is a transaction behind would miss every other one."""
    site, got, wanted = bench.site, [], []
    for verb, answer in (("disable", "no"), ("enable", "ok")) * 2:
        site.ctl("service", verb, "billing")
        got.append(site.login(*login))
        wanted.append(answer)
    site.ctl("credential", "revoke", login[0])
    results.equal((got, site.login(*login)), (wanted, "no"), what)


def another_lock_file(bench):
    """The door has mapped one lock file, the vault another: it must not go on with what it has."""
    bench.reset()
    site = bench.site
    index = site.join("var", STATE, "index")
    vault = site.start_vault()
    bench.unseal()
    login = site.rotate("billing")
    poll("the door to have it", lambda: site.login(*login) == "ok")
    vault.stop()
    os.unlink(os.path.join(index, "lock.mdb"))
    results.equal(site.login(*login), "ok", "logins go on without the lock file of the index")
    vault = site.start_vault()
    bench.unseal()
    follows(bench, login, "with another lock file than it has mapped, the door sees every change at once")

    login = site.issue("billing")
    results.equal(site.login(*login), "ok", "and a new login works")
    lock = os.path.join(index, "lock.mdb")
    shutil.copy2(lock, lock + ".other")
    os.rename(lock + ".other", lock)
    results.equal(site.login(*login), "ok", "a lock file that was replaced under both keeps nobody out")
    site.daemons["rotated-auth"].stop()
    site.daemons["rotated-auth"] = site.start_door()
    poll("the new door to have keys", lambda: site.login(*login) == "ok")
    follows(bench, login, "nor does a door that has mapped the new one alone let anybody in")
    vault.stop()


# ---- yesterday's files ----

OF = {"s": 0, "k": 1, "a": 2, "i": 3}  # by the first letter of a path's name below STATE
WHEN = {"T": "today's", "Y": "yesterday's"}


def a_day(bench, change):
    """What lies there before and after it, and logins: made, revoked, of a service taken away."""
    site = bench.site
    bench.reset()
    vault = site.start_vault()
    bench.unseal()
    site.rotate("billing")
    gone, off = site.issue("gone"), site.issue("off")
    vault.stop()
    yesterday = bench.look()
    vault = site.start_vault()
    bench.unseal()
    newer_login = site.rotate("billing")
    site.ctl("credential", "revoke", gone[0])
    site.ctl("service", "disable", "off")
    change()
    vault.stop()
    return yesterday, bench.look(), {"new": newer_login, "revoked": gone, "off": off}


def mixed(yesterday, today, days):
    """The files of DAYS; the audit log is today's, but for a fifth letter."""
    found = {}
    for path in set(yesterday) | set(today):
        name = path.removeprefix(STATE)
        day = days[OF[name[0]]] if path.startswith(STATE) else days[4:5] or "T"
        entry = (today if day == "T" else yesterday).get(path)
        if entry:
            found[path] = entry
    return found


def expected(days, is_rekeyed, has_slot):
    """(state, what the alarm says), by what is whose."""
    store, ring, anchor, index = days[:4]
    if is_rekeyed and store != ring:
        return "sealed", "META record does not open"
    if is_rekeyed and anchor != store:
        return "damaged", "anchor is lost, altered or of a newer keyring"
    if store == "Y" and anchor == "T":
        return "damaged", "was rolled back: it is at transaction"
    if store == "Y" and index == "T":
        return "damaged", "the verifier index knows of"
    if store == "Y":
        return "damaged", "the audit log knows of"
    if has_slot and ring == "Y":
        return "damaged", "not of the same time"
    return "open", ""


def yesterdays_file(bench, change, name):
    yesterday, today, logins = a_day(bench, change)
    for days in itertools.product("TY", repeat=4):
        bench.reset(mixed(yesterday, today, days))
        vault = bench.site.start_vault()
        found = bench.yesterday(expected(days, name == "new roots", name == "a new slot"), logins, days)
        vault.stop()
        words = ", ".join(f"{WHEN[d]} {n}" for d, n in zip(days, ("store", "keyring", "anchor", "index")))
        results.check(not found, f"a day with {name}: {words}", "\n".join(found))
    return yesterday, today, logins


def decided_by_a_person(bench, yesterday, today, logins):
    """Everything of yesterday but the audit log: that one tells, and gives back what was revoked."""
    site = bench.site
    bench.reset(mixed(yesterday, today, "YYYY"))
    vault = site.start_vault()
    bench.unseal()
    found = {p["problem"] for p in json.loads(site.ctl("--json", "store", "verify", check=False).stdout)["problems"]}
    results.check("rolled-back" in found, "store verify says so as well", found)
    site.ctl("store", "restore", "--accept-rollback")
    results.equal((site.login(*logins["revoked"]), site.login(*logins["off"])), ("no", "no"),
                  "accepted, it lets nobody in who was revoked or disabled since")
    results.equal(bench.rotates(), [], "and can issue")
    vault.stop()
    vault = site.start_vault()
    state, alarms = bench.alarms("rolled back")
    results.equal((state, alarms), ("open", []), "nor is it taken for rolled back at the next start")
    vault.stop()


def the_whole_machine(bench, yesterday, today, logins):
    """The one that nobody can tell, as docs/threat-model.md says."""
    bench.reset(mixed(yesterday, today, "YYYYY"))
    vault = bench.site.start_vault()
    state, alarms = bench.alarms()
    results.equal((state, alarms, bench.site.login(*logins["revoked"])), ("open", [], "ok"),
                  "with the audit log of yesterday as well, nothing is left that could tell")
    vault.stop()


def yesterdays_files(bench):
    site = bench.site
    key = site.write("another-key", "x" * 64, 0o600)
    yesterday, today, logins = yesterdays_file(bench, lambda: None, "changes alone")
    decided_by_a_person(bench, yesterday, today, logins)
    the_whole_machine(bench, yesterday, today, logins)
    yesterdays_file(bench, lambda: site.ctl("store", "slot", "add", "key-file", "--key-file", key), "a new slot")
    yesterdays_file(bench, lambda: site.ctl("store", "rekey"), "new roots")


# ---- records ----


def record_edits(bench, other):
    """What somebody may do to records with an LMDB tool: {what: (edit, words of the problems that name it)}."""
    store = bench.site.join("var", STATE, "store")
    with Lmdb(other) as db:
        foreign = sorted(db.all("cur").items())[0]
    with Lmdb(store) as db:
        older = db.all("cur")
    vault = bench.site.start_vault()
    bench.unseal()
    bench.site.ctl("service", "disable", "gone")
    vault.stop()
    bench.good = bench.look()
    with Lmdb(store) as db:
        now = db.all("cur")
    a, b = sorted(now)[:2]
    changed = next(k for k in older if k in now and older[k] != now[k])
    elsewhere = bytes([a[0] ^ 0x80]) + a[1:]

    def swap(db):
        db.put("cur", a, now[b])
        db.put("cur", b, now[a])

    def to_the_other_table(db):
        db.delete("cur", a)
        db.put("hist", a + bytes(7) + b"\1", now[a])

    return {
        "copied from another store": (lambda db: db.put("cur", *foreign), {"record-foreign"}, foreign[0]),
        "put in place of ours, from another store": (
            lambda db: db.put("cur", a, foreign[1]), {"record-altered", "record-epoch"}, a),
        "swapped between two names": (swap, {"record-moved"}, b),
        "copied to a second name": (lambda db: db.put("cur", elsewhere, now[a]), {"record-copied"}, elsewhere),
        "put back as it was before": (lambda db: db.put("cur", changed, older[changed]), {"record-older"}, changed),
        "moved to the other table": (to_the_other_table, {"record-moved", "record-deleted"}, a),
        "taken out": (lambda db: db.delete("cur", a), {"record-deleted"}, a),
    }


def edited(bench, edit, words, key):
    """Named by store verify, with the record and what to do; what it has nothing to do with goes on."""
    site = bench.site
    bench.reset()
    with Lmdb(site.join("var", STATE, "store"), may_write=True) as db:
        edit(db)
    vault = site.start_vault()
    found = []
    done = site.ctl("--json", "store", "verify", check=False)
    answer = json.loads(done.stdout)
    named = [p for p in answer.get("problems", []) if p["problem"] in words and key.hex()[:16] in p["what"] and p["hint"]]
    if done.returncode != 1 or not named:
        found.append(f"store verify: {done.returncode} {done.stdout}{done.stderr}")
    if site.status()["keystore"]["auth"] != "open":
        found.append(f"AUTH is not open: {bench.alarms()}")
    if site.login(*bench.dead) == "ok":
        found.append("a revoked login is accepted")
    failure = bench.unseal()
    if site.login(*bench.works) != "ok":  # then it was its record
        done = site.ctl("credential", "rotate", "billing", check=False)
        alarm = [a for a in bench.alarms("record")[1] if "store verify" in (a["hint"] or "")]
        if not alarm:
            found.append(f"billing can not log in, and no alarm says why: {bench.alarms()} {done.stdout}{done.stderr}")
    done = site.ctl("credential", "issue", "off", check=False)
    if failure or done.returncode != 0:
        found.append(f"{failure} issue: {done.returncode} {done.stderr}")
    if vault.stop() != 0:
        found.append("the vault did not end cleanly")
    return found


def fails_towards_no(bench, edit):
    """A service that nothing names any more may have been gone: the record that said so may be the lost one."""
    site = bench.site
    bench.reset()
    vault = site.start_vault()
    bench.unseal()
    login = site.issue("off")
    vault.stop()
    with Lmdb(site.join("var", STATE, "store"), may_write=True) as db:
        edit(db)
    file = site.join("etc/rotated/services.d/off.conf")
    for has_file, wanted in ((False, "no"), (True, "ok")):
        os.rename(*((file + "~", file) if has_file else (file, file + "~")))
        vault = site.start_vault()
        results.equal(site.login(*login), wanted,
                      f"with a record that does not open, a service with{'' if has_file else 'out'} a file is {wanted}")
        vault.stop()


def records(bench):
    """Each is told on the daemon; test-keystore-tamper has the finer points."""
    bench.reset()
    with Site(services=("billing",)) as other:
        vault = other.start_vault()
        other.ctl("init", "--unattended", "--passphrase-file", other.passphrase)
        other.issue("billing")
        vault.stop()
        edits = record_edits(bench, other.join("var", STATE, "store"))
    for what, (edit, words, key) in edits.items():
        found = edited(bench, edit, words, key)
        results.check(not found, f"a record {what} is named by store verify", "\n".join(found))
    fails_towards_no(bench, edits["copied from another store"][0])


def main():
    parts = (instead_of_a_file, put_right_by_itself, another_lock_file, yesterdays_files, records)
    with Site(services=SERVICES) as site, Bench(site) as bench:
        for part in parts:
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(bench)
        log = bench.log()
        results.check("ERROR: AddressSanitizer" not in log and "runtime error" not in log, "no sanitizer complained", log)
    results.exit()


main()
