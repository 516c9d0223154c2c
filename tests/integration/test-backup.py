#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""store backup and store restore: docs/runbook-recovery.md, command by command, on the real daemons."""

import json
import os
import re
import secrets as pysecrets
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PASSPHRASE, PATIENCE, SOURCE, Results, build_path, poll  # noqa: E402
import wire  # noqa: E402
from whole import Site  # noqa: E402

RUNBOOK = os.path.join(SOURCE, "docs/runbook-recovery.md")
CONF = "[ca]\ntrust_domain = relay.example.org\n"
HOOK = """\
#!/bin/sh
case $1 in
create) cat {outside}/${{2##*.}} ;;
test) read -r secret; [ "$secret" = "$(cat {outside}/${{2##*.}})" ] || exit 77 ;;
esac
"""

results = Results()


def ask_map(site, name, key):
    """What the door answers to Postfix."""
    request = f"{name} {key}".encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(site.join("var/spool/postfix/private/rotated-map"))
        s.sendall(b"%d:%s," % (len(request), request))
        answer = b""
        while not answer.endswith(b","):
            more = s.recv(4096)
            assert more, answer
            answer += more
    return answer.partition(b":")[2][:-1].decode()


def answer(site, *words):
    return json.loads(site.ctl("--json", *words).stdout)


class Client:
    """One connection to the vault, whose answers are read when they are wanted."""

    def __init__(self, site):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(site.join("run/rotated/control"))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, verb, *fields):
        self.socket.sendall(wire.pack([("verb", verb), *fields]))

    def receive(self):
        return wire.unpack(self.socket.recv(wire.FRAME_MAX))

    def ask(self, verb, *fields):
        self.send(verb, *fields)
        return self.receive()

    def upload(self, site, recovery):
        """All of a restore but its end."""
        with open(site.join("root/keystore.backup"), "rb") as f:
            data = f.read()
        answers = [self.ask("Store.Restore", ("recovery_key", recovery))]
        answers += [self.ask("Store.RestoreData", ("data", data[at:at + 60000]))
                    for at in range(0, len(data), 60000)]
        assert all(a["status"] == b"ok" for a in answers), answers[-1]

    def download(self):
        """What is left of a backup."""
        data = b""
        while True:
            got = self.ask("Store.BackupData")
            assert got["status"] == b"ok", got
            data += got.get("data", b"")
            if "last" in got:
                return data


class Old:
    """A site with one secret of each kind, and what they are."""

    def __init__(self, site, outside):
        site.domain("example.com", "[domain]\n[dns]\nservers = 127.0.0.1:9\n")
        self.hook(site, outside)
        site.daemons["rotated"] = site.start_vault()
        site.daemons["rotated-auth"] = site.start_door()
        site.daemons["rotated-worker"] = site.start_worker()
        done = site.ctl("--json", "init", "--unattended", "--passphrase-file", site.passphrase)
        self.recovery = json.loads(done.stdout)["recovery_key"]
        site.wait_connected()
        self.login = site.issue("billing")
        self.revoked = site.issue("web")
        site.revoke(self.revoked[0])
        self.later = site.issue("off")  # revoked after the backup
        site.ctl("ca", "init")
        pem = site.ctl("certificate", "issue", "billing").stdout
        self.certificate = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.S)[0]
        self.certificates = answer(site, "certificate", "list")
        site.ctl("dkim", "rotate", "example.com", check=False)
        self.selector = poll("a DKIM key", lambda: next(iter(site.key_states("example.com")), None))
        self.dkim = poll("its private key", lambda: site.ctl(
            "dkim", "show", "example.com", self.selector, "--private-key", check=False).stdout)
        site.ctl("upstream", "rotate", "ses")
        poll("the upstream's secret", lambda: ask_map(site, "outbound", "smtp.example.com").startswith("OK "),
             4 * PATIENCE)
        self.upstream = ask_map(site, "outbound", "smtp.example.com")

    def hook(self, site, outside):
        with open(os.path.join(outside, "1"), "w", encoding="utf-8") as f:
            f.write(f"upstream-{pysecrets.token_hex(16)}\n")
        os.makedirs(site.join("etc/rotated/upstreams.d"))
        hook = os.path.join(outside, "hook")
        with open(hook, "w", encoding="utf-8") as f:
            f.write(HOOK.format(outside=outside))
        os.chmod(hook, 0o755)
        text = "[upstream]\nsoak = 1s\noverlap = 1s\nschedule = never\nuser = relay-%v\n"
        text += f"hook = {os.path.join(site.build, 'hooks/upstream-command')}\n"
        text += "".join(f"setting = {v}={hook} {v.lower()}\n" for v in ("CREATE", "TEST", "REVOKE"))
        site.write("etc/rotated/upstreams.d/ses.conf", text + "destinations = smtp.example.com\n")

    def check(self, site, where):
        """Everything that this site had is on SITE."""
        results.equal(site.login(*self.login), "ok", f"{where}: the old login is accepted")
        results.equal(site.login(*self.revoked), "no", f"{where}: the revoked one is not")
        results.equal(answer(site, "certificate", "list"), self.certificates,
                      f"{where}: the certificates are the same")
        results.equal(ask_map(site, "outbound", "smtp.example.com"), self.upstream,
                      f"{where}: the secret for the provider is handed to Postfix")
        results.equal(site.ctl("dkim", "show", "example.com", self.selector, "--private-key").stdout, self.dkim,
                      f"{where}: the DKIM key is back")
        verdict = answer(site, "store", "verify")
        results.check(verdict["ok"], f"{where}: store verify finds nothing", json.dumps(verdict))


def without_secrets(site, old, path):
    with open(path, "rb") as f:
        data = f.read()
    found = [word for word in ("billing", "example.com", "relay-1", "RTKRING", "BEGIN", PASSPHRASE, old.login[1])
             if word.encode() in data]
    results.check(not found, "nothing of it can be recognised in a backup", ", ".join(found))
    results.equal(os.stat(path).st_mode & 0o777, 0o600, "a backup is nobody else's to read")


def refusals(site, old, path):
    """What store backup --verify says of a file that is not whole, and of other keys."""
    with open(path, "rb") as f:
        whole = f.read()
    altered = bytearray(whole)
    altered[-50] ^= 1
    cases = (
        ("a truncated backup", whole[:-10], old.recovery, r"chunk 1, which begins at byte \d+: only \d+ bytes"),
        ("an altered one", bytes(altered), old.recovery, r"chunk 1, which begins at byte \d+: it was altered"),
        ("a newer format", whole[:8] + b"\0\0\0\2" + whole[12:], old.recovery, "newer format"),
        ("another file", b"x" * 4096, old.recovery, "no backup of a keystore"),
        ("an empty file", b"", old.recovery, "cut short"),
        ("the passphrase", whole, PASSPHRASE, "recovery key"),
    )
    for name, data, key, wanted in cases:
        bad = site.join("bad")
        with open(bad, "wb") as f:
            f.write(data)
        done = site.ctl("store", "backup", bad, "--verify", stdin=key + "\n", check=False)
        results.check(done.returncode == 1 and re.search(wanted, done.stderr),
                      f"{name} is refused, and it says so", done.stdout + done.stderr)
    os.unlink(site.join("bad"))


def make_backup(site, old):
    site.ctl("seal", "--issuer")
    path = site.join("keystore.backup")
    said = answer(site, "store", "backup", path)
    results.check(said["size"] == os.path.getsize(path) and said["recipients"] == 1,
                  "a backup is made with the ISSUER tier sealed", json.dumps(said))
    results.check("is whole" in site.ctl("store", "backup", path, "--verify", stdin=old.recovery + "\n").stdout,
                  "and is verified with the recovery key")
    folder = site.join("backups")
    os.mkdir(folder)
    site.ctl("store", "backup", folder)
    results.check(re.fullmatch(r"rotated-\d{8}T\d{6}Z-\d+\.backup", "".join(os.listdir(folder))),
                  "in a directory it is named by time and transaction", str(os.listdir(folder)))
    piped = subprocess.run([build_path("rotatectl", site.build), "--root", site.path, "store", "backup", "-"],
                           capture_output=True, timeout=PATIENCE, check=True).stdout
    done = subprocess.run([build_path("rotatectl", site.build), "--root", site.path, "store", "backup", "-",
                           "--verify", "--passphrase-file", site.write("recovery", old.recovery + "\n", 0o600)],
                          input=piped, capture_output=True, timeout=PATIENCE, check=False)
    results.equal(done.returncode, 0, "through a pipe, both ways")
    onto = site.ctl("store", "restore", path, stdin=old.recovery + "\n", check=False)
    results.check(onto.returncode == 1 and "never writes over one" in onto.stderr,
                  "a restore onto an existing keystore is refused", onto.stdout + onto.stderr)
    without_secrets(site, old, path)
    refusals(site, old, path)
    site.unseal()
    events = [line["ev"] for line in answer(site, "audit", "show", "--count", "100")["records"]]
    results.check(events.count("store.backup") >= 6, "the audit log has each backup", str(events))
    return path


def interrupted(site):
    """A reader that goes away in the middle leaves the vault as it was."""
    with Client(site) as client:
        client.ask("Store.Backup")
        second = site.ctl("store", "backup", site.join("second"), check=False)
        results.check(second.returncode == 75 and not os.path.exists(site.join("second")),
                      "a second one is to be tried again", second.stdout + second.stderr)
        login = site.issue("mail")
        results.equal(site.login(*login), "ok", "while one is made, logins are issued and accepted")
        client.ask("Store.BackupData")
    poll("the backup to be given up", lambda: site.ctl("store", "backup", "/dev/null/x", "--dry-run",
                                                       check=False).returncode == 0)
    results.check(True, "it is given up when its reader goes")


def reseal_waits(site, old):
    """A reseal ends with a copy of the store, for which it waits until a backup has ended."""
    with Client(site) as client:
        client.ask("Store.Backup")
        site.ctl("store", "reseal")
        vault = site.daemons["rotated"]
        poll("the reseal to wait", lambda: "encrypting anew waits for the end of the backup" in vault.log())
        status = answer(site, "status")
        results.check(status["keystore"]["reseal"] and not any("encrypt" in json.dumps(a) or "backup" in json.dumps(a)
                                                               for a in status["alarms"]),
                      "a reseal waits for a backup, without an alarm", json.dumps(status["alarms"]))
        path = site.join("across-a-reseal")
        with open(path, "wb") as f:
            f.write(client.download())
    poll("the reseal to end", lambda: answer(site, "status")["keystore"]["reseal"] is None)
    results.check(vault.log().count("encrypting anew waits") == 1, "and goes on when that has ended", vault.log())
    results.check("is whole" in site.ctl("store", "backup", path, "--verify", stdin=old.recovery + "\n").stdout,
                  "the backup shows the store of before")
    results.check(answer(site, "store", "verify")["ok"], "and the keystore is whole")


def shims(site, folder):
    """systemctl and rotatectl as the runbook calls them, for a system below SITE."""
    os.mkdir(folder)
    started = os.path.join(folder, "started")
    for name, text in (
            ("rotatectl", f'exec {build_path("rotatectl", site.build)} --root {site.path} "$@"'),
            ("systemctl", f'echo "$@" >>{started}')):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(os.path.join(folder, name), 0o755)
    return started


def commands():
    with open(RUNBOOK, encoding="utf-8") as f:
        blocks = re.findall(r"```sh\n(.*?)```", f.read(), re.S)
    return [line for block in blocks for line in block.splitlines()]


def start_daemons(site):
    site.daemons["rotated"] = site.start_vault()
    site.daemons["rotated-auth"] = site.start_door()
    site.daemons["rotated-worker"] = site.start_worker()


def run_book(site, recovery):
    """Each command of the runbook as it is written, but for the places of files."""
    folder = site.join("shims")
    started = shims(site, folder)
    env = dict(os.environ, PATH=folder + ":" + os.environ["PATH"])
    run = commands()
    results.check(len(run) >= 10, "the runbook has its commands", str(run))
    for line in run:
        here = line.replace("/root/", site.join("root") + "/").replace("-C / ", f"-C {site.path} ")
        done = subprocess.run(["sh", "-c", here], env=env, input=recovery + "\n", capture_output=True, text=True,
                              timeout=4 * PATIENCE, check=False)
        results.check(done.returncode == 0, f"runbook: {line}", done.stdout + done.stderr)
        if line.startswith("systemctl start"):
            start_daemons(site)
    with open(started, encoding="utf-8") as f:
        results.equal(f.read().splitlines()[0], "start rotated rotated-auth rotated-worker",
                      "the daemons are started by one command")


def new_machine(old_site, backup):
    """A bare machine with what was kept elsewhere: the backup and /etc/rotated."""
    site = Site(CONF)
    shutil.rmtree(site.join("etc/rotated"))
    os.mkdir(site.join("root"))
    shutil.copy(backup, site.join("root/keystore.backup"))
    shutil.copy(old_site.join("etc-rotated.tar"), site.join("root/etc-rotated.tar"))
    return site


def slots_open(site, old, where):
    """Each kind of slot opens what was restored; ends with both tiers open."""
    for words, stdin in ((("unseal", "--key-file", site.join("etc/rotated/auth.key")), ""),
                         (("unseal", "--recovery"), old.recovery + "\n"),
                         (("unseal",), PASSPHRASE + "\n")):
        site.ctl("seal")
        done = site.ctl(*words, stdin=stdin, check=False)
        results.equal(done.returncode, 0, f"{where}: {words[0]} {''.join(words[1:2])} opens it")


def no_keystore(site, what):
    results.equal(answer(site, "status")["keystore"]["state"], "absent", f"{what} it leaves no keystore")
    left = [name for name in os.listdir(site.join("var/lib/rotated")) if name != "index"]
    results.equal(left, [], "and no file")


def killed_restore(site, recovery):
    """The vault dies before the restore has ended: there is no keystore, and it can be repeated."""
    start_daemons(site)
    with Client(site) as client:
        client.upload(site, recovery)
        results.check(os.path.exists(site.join("var/lib/rotated/store/data.mdb")), "a restore is under way")
        site.daemons["rotated"].kill()
    for name in ("rotated-auth", "rotated-worker"):
        site.daemons[name].stop()
    site.daemons["rotated"] = site.start_vault()
    no_keystore(site, "killed,")


def left_restore(site, recovery):
    """Nobody waits any more for the end of a restore: it is taken back."""
    vault = site.daemons["rotated"]
    with Client(site) as client:
        client.upload(site, recovery)
        vault.pause()
        client.send("Store.RestoreEnd")
    vault.resume()
    no_keystore(site, "when its client goes,")
    results.check("the restore by" in vault.log() and "was given up" in vault.log(), "and it is told", vault.log())


def during_restore(site, recovery):
    """Asked while the end of a restore is made, which goes on when there is nothing else to do."""
    vault = site.daemons["rotated"]
    questions = (("Status.Get", b"ok", None),
                 ("Store.Init", b"again", "being restored by"),
                 ("Store.Unseal", b"again", "being restored by"),
                 ("Store.Backup", b"again", "being restored by"),
                 ("Store.Restore", b"again", "a restore by"),
                 ("Credential.List", b"again", "being restored by"))
    fields = {"Store.Init": [("passphrase", PASSPHRASE)], "Store.Unseal": [("passphrase", PASSPHRASE)],
              "Store.Restore": [("recovery_key", recovery)]}
    with Client(site) as client:
        others = [Client(site) for _ in questions]
        client.upload(site, recovery)
        vault.pause()
        client.send("Store.RestoreEnd")
        for other, (verb, _, _) in zip(others, questions):
            other.send(verb, *fields.get(verb, []))
        vault.resume()
        for other, (verb, status, text) in zip(others, questions):
            with other:
                got = other.receive()
            said = got.get("message", b"").decode()
            results.check(got["status"] == status and (text or "") in said,
                          f"{verb} is answered while a restore ends", got)
            if verb == "Status.Get":
                results.equal(json.loads(got["json"])["keystore"]["state"], "absent",
                              "and until then there is no keystore")
        results.equal(client.receive()["status"], b"ok", "the restore goes on to its end")
    results.equal(site.ctl("store", "verify").returncode, 0, "and the keystore is whole")
    again = site.ctl("store", "restore", site.join("root/keystore.backup"), stdin=recovery + "\n", check=False)
    results.check(again.returncode == 1 and "never writes over one" in again.stderr, "a second one is refused",
                  again.stderr)
    site.daemons["rotated"].stop()
    shutil.rmtree(site.join("var/lib/rotated"))
    shutil.rmtree(site.join("var/log/rotated"))
    for name in ("lib", "log"):
        os.mkdir(site.join("var", name, "rotated"))


def on_a_new_machine(site, old):
    """Its audit log knows nothing: no number of before is given again, and a person is told."""
    listed = answer(site, "store", "reconcile")
    results.check([e["name"] for e in listed["reconcile"]] == ["store"],
                  "without the audit log the list says that nobody knows what was done since", listed)
    results.equal(site.login(*old.later), "ok", "and what was revoked since works again")
    login = site.issue("mail")
    results.check(int(login[0].rsplit(".", 1)[1]) > 100, "no number can be given twice", login[0])


def at_home(site, old, backup):
    """The keystore alone was lost: the audit log tells what was done since the backup."""
    os.makedirs(site.join("var/lib/rotated"), exist_ok=True)
    start_daemons(site)
    done = site.ctl("store", "restore", backup, stdin=old.recovery + "\n", check=False)
    results.check(done.returncode == 0 and "store reconcile" in done.stdout + done.stderr,
                  "a restore beside the audit log names the list", done.stdout + done.stderr)
    site.wait_connected()
    names = {e["name"] for e in answer(site, "store", "reconcile")["reconcile"]}
    results.equal(names, {"password/mail", "password/off"}, "the list has what was changed since the backup")
    results.equal(site.login(*old.later), "no", "what was revoked since is revoked again")
    login = site.issue("mail")
    results.equal(login[0], "mail.2", "no number is given twice")
    results.equal(site.login(*login), "ok", "and the new login works")
    old.check(site, "beside its audit log")
    results.equal(site.ctl("audit", "verify", check=False).returncode, 0, "the audit log goes on")


def main():
    with tempfile.TemporaryDirectory() as outside, Site(CONF, services=("billing", "web", "mail", "off")) as site:
        os.chmod(outside, 0o755)
        old = Old(site, outside)
        backup = make_backup(site, old)
        interrupted(site)
        reseal_waits(site, old)
        site.revoke(old.later[0])
        subprocess.run(["tar", "-C", site.path, "-cf", site.join("etc-rotated.tar"), "etc/rotated"], check=True)
        for daemon in site.daemons.values():
            daemon.stop()
        shutil.rmtree(site.join("var/lib/rotated"))

        with new_machine(site, backup) as second:
            subprocess.run(["tar", "-C", second.path, "-xf", second.join("root/etc-rotated.tar")], check=True)
            killed_restore(second, old.recovery)
            left_restore(second, old.recovery)
            during_restore(second, old.recovery)
            shutil.rmtree(second.join("etc/rotated"))
            run_book(second, old.recovery)
            second.wait_connected()
            old.check(second, "the new machine")
            slots_open(second, old, "the new machine")
            old.check(second, "after unsealing")
            with new_machine(site, backup) as third:
                run_book(third, old.recovery)
                third.wait_connected()
                old.check(third, "a second one")
                on_a_new_machine(third, old)
        at_home(site, old, backup)
    results.exit()


if __name__ == "__main__":
    sys.exit(main())
