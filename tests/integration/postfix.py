# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Postfix, privately: chrooted smtpd services on loopback, mail discarded."""

import glob
import os
import pwd
import grp
import shutil
import subprocess

import harness

MASTER = "/usr/lib/postfix/sbin/master"
STOCK_MECHANISMS = ("libplain.so", "liblogin.so", "libscram.so")

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
maillog_file = {log}
maillog_file_prefixes = {base}
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME SASL_PATH={plugins}
cyrus_sasl_config_path = {conf}/sasl
myhostname = mx.example.org
mydestination = here.example.org
local_recipient_maps =
local_transport = discard:
default_transport = discard:
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.2/32
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_sasl_auth_enable = yes
smtpd_tls_auth_only = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {conf}/cert.pem
smtpd_tls_key_file = {conf}/key.pem
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
"""

# "y" in the fifth column is the chroot.
MASTER_CF = """\
127.0.0.1:{port} inet n - y - - smtpd
127.0.0.1:{stock_port} inet n - y - - smtpd
  -o smtpd_sasl_path=stock
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - y 1000? 1 tlsmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
verify unix - - y - 1 verify
flush unix n - y 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - y - - smtp
relay unix - - y - - smtp
showq unix n - y - - showq
error unix - - y - - error
retry unix - - y - - error
discard unix - - y - - discard
local unix - n n - - local
anvil unix - - y - 1 anvil
scache unix - - y - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# What rotated-auth(8) tells an operator to write, with a shorter time-out.
SMTPD_CONF = """\
mech_list: PLAIN LOGIN SCRAM-SHA-256
auxprop_plugin: rotated
rotated_socket: private/rotated-auth
rotated_timeout_ms: {timeout_ms}
"""

# The same door without the plugin.
STOCK_CONF = """\
mech_list: PLAIN LOGIN
pwcheck_method: saslauthd
saslauthd_path: private/rotated-mux
"""

QUEUE_FOLDERS = {
    "pid": (0o755, "root", "root"),
    "private": (0o700, "postfix", "root"),
    "public": (0o710, "postfix", "postdrop"),
    "maildrop": (0o1730, "postfix", "postdrop"),
}
QUEUE_FOLDERS.update({
    name: (0o700, "postfix", "root")
    for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                 "incoming", "saved", "trace")
})


def need():
    """Skips the test where Postfix cannot be run so."""
    harness.need_programs("openssl")
    if os.geteuid() != 0:
        harness.skip("Postfix needs root to enter its chroot")
    if not os.path.exists(MASTER):
        harness.skip("postfix is not installed")
    stock_folder()


def stock_folder():
    found = glob.glob("/usr/lib/*/sasl2/libscram.so")
    if not found:
        harness.skip("libsasl2-modules is not installed")
    return os.path.dirname(found[0])


def make_certificate(folder):
    """A throw-away cert.pem with its key.pem."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=mx.example.org", "-keyout", os.path.join(folder, "key.pem"),
         "-out", os.path.join(folder, "cert.pem")],
        check=True, capture_output=True, timeout=harness.PATIENCE,
    )


class Postfix:
    """Its queue is ROOT/var/spool/postfix, so that the door's default paths fit."""

    def __init__(self, root, plugin, timeout_ms=1000, more=""):
        self.root = root
        self.port = harness.free_port()
        self.stock_port = harness.free_port()
        self.conf = root.join("postfix/conf")
        self.spool = root.join("var/spool/postfix")
        self.log_path = root.join("postfix/mail.log")
        os.makedirs(self.spool)
        os.makedirs(os.path.join(self.conf, "sasl"))
        self._make_queue()
        self._make_plugins(plugin)
        make_certificate(self.conf)
        names = {
            "spool": self.spool, "data": self._data(), "log": self.log_path,
            "base": root.path, "conf": self.conf, "plugins": root.join("postfix/plugins"),
            "port": self.port, "stock_port": self.stock_port, "timeout_ms": timeout_ms,
        }
        main_cf = MAIN_CF + more  # of two lines for one parameter, the last one counts
        for name, text in (("main.cf", main_cf), ("master.cf", MASTER_CF),
                           ("sasl/smtpd.conf", SMTPD_CONF), ("sasl/stock.conf", STOCK_CONF)):
            root.write(f"postfix/conf/{name}", text.format(**names))

    def _data(self):
        path = self.root.join("postfix/data")
        if not os.path.isdir(path):
            os.makedirs(path)
            shutil.chown(path, "postfix")
        return path

    def _make_queue(self):
        for name, (mode, user, group) in QUEUE_FOLDERS.items():
            path = os.path.join(self.spool, name)
            os.makedirs(path)
            os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
            os.chmod(path, mode)

    def _make_plugins(self, plugin):
        folder = self.root.join("postfix/plugins")
        os.makedirs(folder)
        shutil.copy(plugin, os.path.join(folder, "librotated.so"))
        for name in STOCK_MECHANISMS:
            os.symlink(os.path.join(stock_folder(), name), os.path.join(folder, name))

    def start(self):
        """master keeps its children in its own process group and takes them along."""
        self.master = self.root.adopt(
            harness.Process([MASTER, "-c", self.conf, "-d"], self.root.join("log/master.log"))
        )
        harness.wait_port(self.port)
        harness.wait_port(self.stock_port)
        return self

    def smtpd_pid(self, client):
        """The process that has the other end of CLIENT's connection open."""
        ours, theirs = client.smtp.sock.getsockname()[1], client.smtp.sock.getpeername()[1]
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f][1:]
        inode = [row[9] for row in rows if row[1].endswith(f":{theirs:04X}")
                 and row[2].endswith(f":{ours:04X}")][0]
        for pid in self._smtpds():
            if f"socket:[{inode}]" in self.open_files(pid):
                return pid
        raise harness.Failure("no smtpd has that connection")

    def _smtpds(self):
        """The smtpd processes of this master."""
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="ascii") as f:
                    pid, _, rest = f.read().partition(" (smtpd) ")
            except FileNotFoundError:
                continue  # it ended meanwhile
            if rest and int(rest.split()[1]) == self.master.pid:
                yield int(pid)

    @staticmethod
    def open_files(pid):
        folder = f"/proc/{pid}/fd"
        return [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)]

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_log(self, text):
        harness.poll(f"the mail log to say {text!r}", lambda: text in self.log())
