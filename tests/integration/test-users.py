#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Three daemons, three users and the porter, as it is installed: the users, directories and sockets
are made by what units/ says, other users standing in for those that are not on this machine."""

import configparser
import contextlib
import glob
import grp
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import whole  # noqa: E402

STAND_INS = {"root": "root", "rotated": "daemon", "rotated-auth": "bin",
             "rotated-worker": "nobody", "postfix": "mail"}
VAULT, DOOR, WORKER, SMTPD = (
    STAND_INS[name] for name in ("rotated", "rotated-auth", "rotated-worker", "postfix"))
STRANGER = "games"

CONF = f"""\
[keystore]
key_file = /var/lib/rotated/auth.key
[vault]
door_user = {DOOR}
worker_user = {WORKER}
[door]
socket_user = {SMTPD}
socket_group = {SMTPD}
peers = root {SMTPD}
"""

HOOK = """\
#!/bin/sh
cat >/dev/null
[ "$1" = check ] && id -un >"$ROTATED_SETTING_FILE"
"""

TYPES = {"ListenSequentialPacket": socket.SOCK_SEQPACKET, "ListenStream": socket.SOCK_STREAM}

results = harness.Results()


def units(suffix):
    """{name: its sections} of the units with that ending."""
    found = {}
    for path in glob.glob(os.path.join(harness.SOURCE, "units", "*" + suffix)):
        # a key that is there twice is none of those that are asked for here
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str
        unit.read(path, encoding="utf-8")
        found[os.path.basename(path).removesuffix(suffix)] = unit
    return found


def lines(name):
    """The words of the lines of units/NAME."""
    with open(os.path.join(harness.SOURCE, "units", name), encoding="utf-8") as f:
        return [line.split() for line in f if line.strip() and not line.startswith("#")]


def own(path, user, group, mode):
    shutil.chown(path, STAND_INS[user], grp.getgrgid(gid(group)).gr_gid)
    os.chmod(path, int(mode, 8))


def uid(user):
    return pwd.getpwnam(STAND_INS.get(user, user)).pw_uid


def gid(group):
    """sysusers.d gives each user a group of the same name."""
    return pwd.getpwnam(STAND_INS.get(group, group)).pw_gid


def groups_of(user):
    return [gid(line[2]) for line in lines("sysusers.d/rotated.conf")
            if line[0] == "m" and line[1] == user]


def as_user(user, question, *args):
    """What QUESTION answers (as JSON can tell it) in a process of USER, in its group alone."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(gid(user))
            os.setuid(uid(user))
            os.write(write, json.dumps(question(*args)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        answer = f.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def usable(paths, flags):
    """Those of PATHS that this process may open."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            os.close(os.open(path, flags))
            found.append(path)
    return found


def connects(path, kind=socket.SOCK_SEQPACKET):
    with socket.socket(socket.AF_UNIX, kind) as s:
        with contextlib.suppress(OSError):
            s.connect(path)
            return True
    return False


class Machine(whole.Site):
    """A Site in which systemd's part is played by root: this process."""

    def __init__(self):
        super().__init__(make_queue=False)
        self.write("etc/rotated/rotated.conf", whole.SHORT + CONF)
        self.sockets = {}
        os.makedirs(self.join("usr/sbin"))
        os.makedirs(self.join("var/lib/systemd"))
        for program in ("rotated", "rotated-auth", "rotated-worker", "rotated-unlock"):
            # every user may run these, wherever the build tree is
            shutil.copy(harness.build_path(program), self.join("usr/sbin"))
        for kind, path, mode, user, group, *_ in lines("tmpfiles.d/rotated.conf"):
            assert kind == "d"
            os.makedirs(self.join(path[1:]), exist_ok=True)
            own(self.join(path[1:]), user, group, mode)
        os.makedirs(self.join("var/spool/postfix/private"))
        own(self.join("var/spool/postfix/private"), "postfix", "root", "0700")

    def listen(self):
        """What systemd does for the socket units. Root listens, so root is the peer seen."""
        for unit in units(".socket").values():
            ((key, path),) = [(k, v) for k, v in unit.items("Socket") if k in TYPES]
            path = self.join(path[1:])
            made = socket.socket(socket.AF_UNIX, TYPES[key])
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            made.bind(path)
            own(path, unit["Socket"]["SocketUser"], unit["Socket"]["SocketGroup"],
                unit["Socket"]["SocketMode"])
            made.listen(64)
            service = unit["Socket"]["Service"].removesuffix(".service")
            name = unit["Socket"]["FileDescriptorName"]
            self.sockets.setdefault(service, {})[name] = made

    def start(self, program, *args, ready=True):
        """As the service unit says: the user, the mask and the sockets."""
        service = units(".service.in")[program]["Service"]
        sockets = self.sockets.get(program, {})

        def place():
            copies = [os.dup(s.fileno()) for s in sockets.values()]
            for i, fd in enumerate(copies):
                os.dup2(fd, 3 + i)

        env = {"PATH": os.environ["PATH"], "LISTEN_FDS": str(len(sockets)),
               "LISTEN_FDNAMES": ":".join(sockets)}
        argv = ["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', self.join("usr/sbin", program),
                "--root", self.path, *args]
        if program == "rotated-worker":
            argv += ["--vault-user", VAULT]
        process = harness.Daemon(
            argv, self.join("log", program + ".log"), cwd="/", ready=ready, env=env,
            user=uid(service["User"]), group=gid(service["Group"]),
            extra_groups=groups_of(service["User"]), umask=int(service["UMask"], 8),
            close_fds=False, preexec_fn=place)
        self.daemons[program] = self.adopt(process)
        return process

    def stop_all(self):
        for process in self.daemons.values():
            process.stop()
        for made in self.sockets.values():
            for s in made.values():
                s.close()
        self.sockets = {}

    def smtpd_login(self, credential):
        return as_user(SMTPD, whole.mux_login, self.mux, *credential)


def check_files(m):
    """Each user opens what it has to, and nothing else, of all that is kept."""
    kept = [os.path.join(folder, name)
            for top in ("var/lib/rotated", "var/log/rotated")
            for folder, _, names in os.walk(m.join(top)) for name in names]
    index = {m.join("var/lib/rotated/index", name) for name in ("data.mdb", "lock.mdb")}
    results.check({"keyring", "anchor", "auth.key", "data.mdb", "00000001.log"}
                  <= {os.path.basename(path) for path in kept},
                  "store, keyring, key file and audit log are there to be protected", kept)
    results.equal(set(as_user(DOOR, usable, kept, os.O_RDONLY)), index,
                  "the door's user can read the index, and neither store nor keyring")
    results.equal(as_user(DOOR, usable, kept, os.O_WRONLY),
                  [m.join("var/lib/rotated/index/lock.mdb")],
                  "it can write the index's table of readers alone")
    results.equal(as_user(WORKER, usable, kept, os.O_RDONLY), [],
                  "the worker's user can read nothing of either")
    results.equal(as_user(SMTPD, usable, kept, os.O_RDONLY), [], "smtpd's user cannot either")
    results.equal(sorted(as_user(VAULT, usable, kept, os.O_RDWR)), sorted(kept),
                  "the vault's user owns all of it")


def check_sockets(m):
    for name, wanted in (("control", set()), ("door", {DOOR}), ("worker", {WORKER}),
                         ("unlock", set())):
        path = m.join("run/rotated", name)
        got = {user for user in (DOOR, WORKER, SMTPD, STRANGER) if as_user(user, connects, path)}
        results.equal(got, wanted, f"the {name} socket opens for whom it is meant")
    for name, kind in (("auth", socket.SOCK_SEQPACKET), ("map", socket.SOCK_STREAM)):
        path = m.join("var/spool/postfix/private/rotated-" + name)
        got = {user for user in (WORKER, SMTPD, STRANGER) if as_user(user, connects, path, kind)}
        results.equal(got, {SMTPD}, f"smtpd alone passes through private/ to {name}")


def check_login(m, credential, sentence):
    results.equal(m.smtpd_login(credential), "ok", sentence)
    results.equal(m.smtpd_login((credential[0], "wrong")), "no", "and a wrong password is refused")


def check_hook(m):
    m.write("hooks/publish", HOOK, 0o755)
    told = m.join("told")
    os.mkdir(told)
    shutil.chown(told, WORKER)
    m.domain("example.com", f"[dns]\nhook = {m.join('hooks/publish')}\n"
             f"setting = FILE={told}/user\n")
    m.daemons["rotated"].signal(harness.signal.SIGHUP)
    harness.poll("the domain to be known", lambda: m.status()["counts"]["domains"] == 1)
    m.ctl("hook", "test", "example.com")
    with open(os.path.join(told, "user"), encoding="utf-8") as f:
        results.equal(f.read().strip(), WORKER, "a hook runs as the worker's user")


def check_orders(m, credential):
    """Like reboots: all is stopped, the sockets are new, and the order is any."""
    for order in (("rotated-auth", "rotated-worker", "rotated"),
                  ("rotated-worker", "rotated", "rotated-auth"),
                  ("rotated", "rotated-auth", "rotated-worker")):
        m.stop_all()
        m.listen()
        for program in order:
            m.start(program)
        m.wait_connected()
        check_login(m, credential, f"started as {', '.join(order)}: the key file opens it")


def check_without_key_file(m, credential):
    m.stop_all()
    m.listen()
    m.write("etc/rotated/rotated.conf", whole.SHORT + CONF.replace("key_file", "# key_file"))
    for program in ("rotated-auth", "rotated-worker", "rotated"):
        m.start(program)
    results.equal(m.smtpd_login(credential), "unavail",
                  "without a key file a login is put off, not refused")
    m.unseal()
    m.wait_connected()
    check_login(m, credential, "until somebody unseals")


def check_index_made_anew(m):
    shutil.rmtree(m.join("var/lib/rotated/index"))
    credential = m.rotate("billing")
    harness.poll("the door to find the index", lambda: m.smtpd_login(credential) != "unavail")
    check_login(m, credential, "an index that the vault made anew is the door's group's too")


def check_porter(m):
    """Root asks systemd-creds for a vault that is another user; there is no key file any more."""
    porter = m.start("rotated-unlock")
    harness.poll("the porter to be connected", lambda: "connected to the vault" in porter.log())
    m.ctl("store", "slot", "add", "credential")
    credential = m.rotate("billing")
    m.stop_all()
    m.listen()
    for program in ("rotated-unlock", "rotated-auth", "rotated-worker", "rotated"):
        m.start(program)
    m.wait_connected()
    check_login(m, credential, "a credential that the porter had opened lets in after a reboot")


def check_key_file_elsewhere(m):
    m.stop_all()
    m.listen()
    shutil.rmtree(m.join("var/lib/rotated/store"))
    for name in ("keyring", "anchor"):
        os.unlink(m.join("var/lib/rotated", name))
    m.write("etc/rotated/rotated.conf",
            whole.SHORT + CONF.replace("/var/lib/rotated/auth.key", "/etc/rotated/auth.key"))
    m.start("rotated")
    done = m.ctl("init", "--unattended", "--passphrase-file", m.passphrase, check=False)
    results.equal(done.returncode, 1, "a key file where the vault may not write is refused")
    results.check("/var/lib/rotated/auth.key" in done.stderr, "and a place is named where it may",
                  done.stderr)


def main():
    if os.geteuid() != 0:
        harness.skip("needs root to start three users' processes")
    for user in (*STAND_INS.values(), STRANGER):
        if not harness.user_exists(user):
            harness.skip(f"there is no user {user}")
    with Machine() as m:
        m.listen()
        for program in ("rotated", "rotated-auth", "rotated-worker"):
            m.start(program)
        results.check("the configuration is good" in m.ctl("check").stdout,
                      "root's check takes a key file that the vault is to make")
        m.ctl("init", "--unattended", "--passphrase-file", m.passphrase)
        with results.case("door and worker reach the vault through inherited sockets"):
            m.wait_connected()
        credential = m.issue("billing")
        check_login(m, credential, "smtpd's user logs in through the door's socket")
        check_files(m)
        check_sockets(m)
        check_hook(m)
        check_orders(m, credential)
        check_without_key_file(m, credential)
        check_index_made_anew(m)
        check_porter(m)
        check_key_file_elsewhere(m)
    results.exit()


if __name__ == "__main__":
    main()
