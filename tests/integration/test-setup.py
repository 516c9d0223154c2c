#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotatectl setup postfix, with the real postconf and smtpd, on configurations of their own."""

import fcntl
import json
import os
import shutil
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness
import postfix
import whole
from smtpauth import MECHANISMS, Client, try_auth

ALL = ("--passwords", "--certificates", "--outbound", "--senders")
DEBIAN_MAIN = "/usr/share/postfix/main.cf.debian"
DEBIAN_MASTER = "/usr/share/postfix/master.cf.dist"

HARDENED = """\
# kept: what this host is
compatibility_level = 3.6
smtpd_tls_chain_files = {folder}/cert.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtp_tls_security_level = secure
smtpd_relay_restrictions =
  # kept: for mail from others
  permit_mynetworks,
  reject_unauth_destination
mynetworks = 127.0.0.0/8 192.0.2.0/24
"""

CONFLICTING = """\
compatibility_level = 2
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous, noplaintext
smtpd_sasl_local_domain = example.org
smtpd_relay_restrictions = permit_mynetworks, permit_tls_all_clientcerts, reject
smtp_sasl_password_maps = hash:{folder}/sasl_passwd
relay_clientcerts = hash:{folder}/certs
mynetworks = 127.0.0.0/8 192.0.2.0/24
import_environment = TZ SASL_PATH=/opt/sasl
"""

MULTILINE_MASTER = """\
# kept: the head of the file
smtp      inet  n       -       y       -       -       smtpd
# kept: about submission
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
# kept: in the middle of it
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o { smtpd_banner = $myhostname with blanks }

submissions inet n      -       n       -       -       smtpd
  -o smtpd_tls_wrappermode=yes
# kept: pipes
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
"""

MANY = ",".join(f"check_client_access,texthash:/etc/postfix/{i}" for i in range(120))
MAPS = ", ".join(f"texthash:/etc/postfix/{i}" for i in range(250))
LONG_MAIN = HARDENED + f"smtp_sasl_password_maps = {MAPS}\n"
LONG_MASTER = MULTILINE_MASTER.replace("permit_mynetworks,reject", "permit_mynetworks," + MANY + ",reject")

CONFLICTS = ("permit_tls_all_clientcerts", "import_environment has SASL_PATH", "port 25 offers AUTH",
             "noplaintext", "billing.7@example.org", "still holds secrets",
             "no certificate of its own")


def everything_in(folder):
    """Bytes, mode and owner of each file; the folders too."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            whole_path = os.path.join(path, name)
            st = os.lstat(whole_path)
            data = open(whole_path, "rb").read() if stat.S_ISREG(st.st_mode) else None
            found[whole_path] = (data, st.st_mode, st.st_uid, st.st_gid)
    return found


class Case:
    """One folder with a main.cf and a master.cf."""

    def __init__(self, root, name, main, master):
        self.root, self.name = root, name
        self.folder = root.join(name)
        os.makedirs(self.folder)
        os.makedirs(root.join(name + "-data"))
        shutil.chown(root.join(name + "-data"), "postfix")
        where = f"queue_directory = {root.join('var/spool/postfix')}\n"
        where += f"data_directory = {root.join(name + '-data')}\n"
        root.write(f"{name}/main.cf", main.format(folder=self.folder) + where)
        root.write(f"{name}/master.cf", master)

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as f:
            return f.read()

    def setup(self, *options, features=ALL, json_too=False):
        words = ["--json"] if json_too else []
        words += ["setup", "postfix", "--config-dir", self.folder]
        return self.root.ctl(*words, *features, *options, check=False)


def check_round(results, case, holds=()):
    """Plan, apply, nothing to do, undo; byte by byte as it was."""
    before = everything_in(case.folder)
    done = case.setup()
    results.check(done.returncode == 0 and everything_in(case.folder) == before,
                  f"{case.name}: without --apply the changes are told and none is made", done)
    for text in holds:
        results.check(text in done.stdout, f"{case.name}: it warns of {text!r}", done.stdout)
    done = case.setup("--apply", "--dry-run")
    results.check(done.returncode == 0 and everything_in(case.folder) == before,
                  f"{case.name}: a dry run of --apply changes no byte", done)
    done = case.setup("--apply")
    results.check(done.returncode == 0 and "postfix" in done.stderr and "reload" in done.stderr,
                  f"{case.name}: --apply makes them and says what comes next", done)
    kept = [line for line in case.read("main.cf").split("\n") + case.read("master.cf").split("\n")
            if "# kept" in line]
    wanted = [line for path in ("main.cf", "master.cf")
              for line in before[os.path.join(case.folder, path)][0].decode().split("\n")
              if "# kept" in line]
    results.equal(kept, wanted, f"{case.name}: the comments are still there")
    done = case.setup()
    results.check(done.returncode == 3 and "nothing to do" in done.stdout,
                  f"{case.name}: a second run has nothing to do", done)
    results.equal(case.setup("--apply").returncode, 3, f"{case.name}: nor has a second --apply")
    folder = os.stat(os.path.join(case.folder, "rotated-setup"))
    results.equal(stat.S_IMODE(folder.st_mode), 0o700, f"{case.name}: the backup is root's alone")
    done = case.setup("--undo", features=())
    results.check(done.returncode == 0 and everything_in(case.folder) == before,
                  f"{case.name}: --undo leaves every byte, mode and owner as it was", done)
    results.equal(case.setup("--undo", features=()).returncode, 3,
                  f"{case.name}: a second --undo has nothing to do")


def check_by_hand(results, case):
    """Who types what is printed gets what --apply makes."""
    plan = json.loads(case.setup(json_too=True).stdout)
    main, master, sasl = "", "", ""
    for change in plan["changes"]:
        if change["file"] == "main.cf":
            main += f"{change['name']} = {change['value']}\n"
        elif change["file"] == "sasl":
            sasl += f"{change['name']}: {change['value']}\n"
        elif change["name"].count("/") == 1:
            master += change["value"] + "\n"
        else:
            master += f"  -o {change['name'].split('/')[-1]}={change['value']}\n"
    with open(os.path.join(case.folder, "main.cf"), "a", encoding="utf-8") as f:
        f.write(main)
    with open(os.path.join(case.folder, "master.cf"), "a", encoding="utf-8") as f:
        f.write(master)
    case.root.write(os.path.relpath(plan["sasl_file"], case.root.path), sasl)
    results.equal(case.setup().returncode, 3,
                  "what is printed, typed by hand, leaves nothing to do")


def check_changed_since(results, case):
    case.setup("--apply")
    with open(os.path.join(case.folder, "main.cf"), "a", encoding="utf-8") as f:
        f.write("# somebody's own line\n")
    done = case.setup("--undo", features=())
    results.check(done.returncode == 1 and "--force" in done.stderr and
                  "somebody's own" in case.read("main.cf"),
                  "--undo does not throw away what somebody wrote since", done)
    done = case.setup("--undo", "--force", features=())
    results.check(done.returncode == 0 and "somebody's own" not in case.read("main.cf"),
                  "unless it is told to", done)


def check_second_apply(results, case):
    """What --undo goes back to is what was before the first one."""
    before = everything_in(case.folder)
    case.setup("--apply", features=("--passwords",))
    done = case.setup("--apply", features=("--outbound",))
    results.equal(done.returncode, 0, "a second --apply for something else goes on from the first")
    case.setup("--undo", features=())
    results.check(everything_in(case.folder) == before, "and --undo takes back both")


def check_by_hand_between(results, case):
    """What somebody wrote between two of them is not thrown away for having been there at the second."""
    case.setup("--apply", features=("--passwords",))
    for name in ("main.cf", "master.cf"):
        with open(os.path.join(case.folder, name), "a", encoding="utf-8") as f:
            f.write("# somebody's own line\n")
    results.equal(case.setup("--apply", features=("--outbound",)).returncode, 0,
                  "--apply goes on from what was changed by hand")
    for name in ("main.cf", "master.cf"):
        done = case.setup("--undo", features=())
        results.check(done.returncode == 1 and "--force" in done.stderr and "somebody's own" in case.read(name),
                      f"and --undo does not throw away what was written in {name} between them", done)
        with open(os.path.join(case.folder, name), encoding="utf-8") as f:
            text = f.read().replace("# somebody's own line\n", "")
        if name == "main.cf":
            text = open(os.path.join(case.folder, "rotated-setup", "0.after"), encoding="utf-8").read()
        with open(os.path.join(case.folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    results.equal(case.setup("--undo", features=()).returncode, 0, "which works once the lines are gone")


def check_long(results, case):
    """However long a list is, not a word of it is lost."""
    results.equal(case.setup("--apply", features=("--passwords",)).returncode, 0, "long lists are no obstacle")
    results.equal(case.setup("--apply", features=("--outbound",)).returncode, 0, "nor long lists of maps")
    results.check(MAPS in case.read("main.cf"), "every map is still there", case.read("main.cf"))
    results.check(MANY + ",reject" in case.read("master.cf"), "and every restriction", case.read("master.cf"))


def check_one_at_a_time(results, case):
    before = everything_in(case.folder)
    folder = os.open(case.folder, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    for words in (("--apply", *ALL), ("--undo",)):
        done = case.setup(*words, features=())
        results.check(done.returncode == 75 and "another" in done.stderr and everything_in(case.folder) == before,
                      f"{words[0]} waits its turn", done)
    os.close(folder)


def check_failure(results, case):
    before = everything_in(case.folder)
    done = case.setup("--apply")
    after = {path: what for path, what in everything_in(case.folder).items()
             if "rotated-setup" not in path}
    results.check(done.returncode == 1 and after == before and "postfix" in done.stderr,
                  "what `postfix check` does not like is put back, to the byte", done)
    link = os.path.join(case.folder, "main.cf")
    os.rename(link, link + ".real")
    os.symlink(link + ".real", link)
    done = case.setup("--apply")
    results.check(done.returncode == 1 and os.path.islink(link) and "plain file" in done.stderr,
                  "a main.cf that is a link is left alone", done)


def strip_sasl(mail):
    """MAIL as it was before anybody thought of logins."""
    for name, drop in (("main.cf", "smtpd_sasl_auth_enable smtpd_tls_auth_only"),
                       ("master.cf", "  -o")):
        path = os.path.join(mail.conf, name)
        with open(path, encoding="utf-8") as f:
            lines = [line for line in f if not line.startswith(tuple(drop.split())) and
                     not line.startswith("  -o")]
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(lines)
    shutil.rmtree(os.path.join(mail.conf, "sasl"))


def check_certificate(results, root, mail):
    """Only the certificate, no login: accepted, and refused at the next recipient of a session."""
    path = root.join("billing.pem")
    root.ctl("ca", "init")
    root.ctl("certificate", "issue", "billing", "--out", path)
    with Client(mail.port, path) as client:
        results.equal(client.send("someone@example.net").code, 250,
                      "a service relays by its certificate after setup alone")
        root.ctl("certificate", "revoke", "billing.1")
        results.equal(client.send("someone@example.net").code, 554,
                      "revoked, it is refused at the next recipient of the same session")


def check_real(results, root, plugin):
    root.write("etc/rotated/rotated.conf.d/ca.conf", "[ca]\ntrust_domain = relay.example.org\n")
    mail = postfix.Postfix(root, plugin)
    strip_sasl(mail)
    before = everything_in(mail.conf)
    words = ("setup", "postfix", "--config-dir", mail.conf, "--service", f"127.0.0.1:{mail.port}")
    done = root.ctl(*words, "--apply", *ALL[:3])
    results.check("private/rotated-auth" in done.stdout and
                  "socketmap:unix:private/rotated-map:outbound" in done.stdout,
                  "the sockets are named as a chrooted smtpd sees them", done.stdout)
    root.start_all()
    login, secret = root.issue("billing")
    mail.start()
    for mechanism in MECHANISMS:
        with Client(mail.port) as client:
            code = client.auth(mechanism, login, secret).code
            results.equal((code, client.send("someone@example.net").code), (235, 250),
                          f"a service logs in by {mechanism} after setup alone, and sends")
        results.equal(try_auth(mail.port, mechanism, login, "wrong").code, 535,
                      f"and {mechanism} with a wrong password is refused")
    with Client(mail.port) as client:
        results.equal(client.send("someone@here.example.org").code, 554,
                      "who did not log in sends nothing there")
    with Client(mail.stock_port) as client:
        results.equal((client.mechanisms(), client.send("someone@here.example.org").code),
                      ([], 250), "the other port offers no login, and takes mail as before")
    check_certificate(results, root, mail)
    os.unlink(root.join("etc/rotated/rotated.conf.d/ca.conf"))
    root.ctl(*words[:4], "--undo")
    results.check(everything_in(mail.conf) == before, "undone, every byte is as it was")


def check_detection(results, root):
    done = json.loads(root.ctl("--json", "setup", "postfix", "--config-dir",
                               root.join("debian")).stdout)
    results.equal(done["features"], ["passwords"],
                  "without a word it sets up what the configuration speaks of")
    root.write("etc/rotated/services.d/shop.conf", "[service]\nsenders = @shop.example.org\n")
    root.write("etc/rotated/rotated.conf.d/ca.conf", "[ca]\ntrust_domain = relay.example.org\n")
    done = json.loads(root.ctl("--json", "setup", "postfix", "--config-dir",
                               root.join("debian")).stdout)
    results.equal(done["features"], ["passwords", "certificates", "senders"],
                  "with a CA and senders, those too")
    results.check("billing has no senders" in json.dumps(done["warnings"]),
                  "and says whom the senders would shut out", done["warnings"])
    os.unlink(root.join("etc/rotated/services.d/shop.conf"))
    os.unlink(root.join("etc/rotated/rotated.conf.d/ca.conf"))


def main():
    postfix.need()
    results = harness.Results()
    plugin = os.path.join(harness.plain_build(), ".libs", "librotated.so")
    debian_main = open(DEBIAN_MAIN, encoding="utf-8").read().replace("{", "{{").replace("}", "}}")
    debian_master = open(DEBIAN_MASTER, encoding="utf-8").read()
    with whole.Site(make_queue=False) as root:
        check_real(results, root, plugin)
        check_round(results, Case(root, "debian", debian_main, debian_master))
        check_round(results, Case(root, "hardened", HARDENED, debian_master))
        check_round(results, Case(root, "conflicting", CONFLICTING, debian_master), CONFLICTS)
        check_round(results, Case(root, "multiline", HARDENED, MULTILINE_MASTER),
                    ("192.0.2.0/24",))
        check_detection(results, root)
        check_by_hand(results, Case(root, "by-hand", debian_main, debian_master))
        check_changed_since(results, Case(root, "changed", HARDENED, MULTILINE_MASTER))
        check_second_apply(results, Case(root, "twice", debian_main, debian_master))
        check_by_hand_between(results, Case(root, "between", debian_main, debian_master))
        check_long(results, Case(root, "long", LONG_MAIN, LONG_MASTER))
        check_one_at_a_time(results, Case(root, "locked", debian_main, debian_master))
        check_failure(results, Case(root, "failing", "mail_owner = nobody-of-that-name\n", debian_master))
    results.exit()


main()
