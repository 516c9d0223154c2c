# SPDX-License-Identifier: BSD-2-Clause
"""Debian's sendmail, privately: unpacked beside Postfix, never installed over it.

The packages cannot be installed together, so they are downloaded and unpacked into a folder of
their own (ROTATED_SENDMAIL_TREE names one that is there already, as runtests makes it). The
daemon runs as the caller in the foreground; mail that it takes stays in its queue.
"""

import glob
import os
import shutil
import socket
import subprocess

import harness
import postfix

PACKAGES = ("sendmail-bin", "sendmail-cf", "sendmail-base")

# Where the daemon sees its folder, in a mount namespace of its own: sendmail trusts nothing that
# lies below a folder which others may write to, as /tmp. Its host is mx.example.org there,
# because for a name without a dot it would sleep a minute and hope for a better one.
SEEN_AT = "/mnt"

# What rotated-auth(8) tells an operator to write; the last feature asks nobody who dials in. By
# itself sendmail hangs up on a machine as busy as one that runs all tests.
MC = """\
divert(-1)
divert(0)dnl
VERSIONID(`test')dnl
OSTYPE(`linux')dnl
define(`QUEUE_DIR', `{base}/queue')dnl
define(`confPID_FILE', `{base}/pid')dnl
define(`STATUS_FILE', `{base}/statistics')dnl
define(`HELP_FILE', `{base}/helpfile')dnl
define(`ALIAS_FILE', `')dnl
define(`confCW_FILE', `')dnl
define(`confDOMAIN_NAME', `mx.example.org')dnl
define(`confDELIVERY_MODE', `queueonly')dnl
define(`confTO_IDENT', `0')dnl
define(`confREJECT_MSG', `550 Access denied')dnl
define(`confBIND_OPTS', `-DNSRCH')dnl
define(`confSERVICE_SWITCH_FILE', `{base}/service.switch')dnl
define(`confREFUSE_LA', `9999')dnl
define(`confQUEUE_LA', `9999')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confRUN_AS_USER', `root')dnl
define(`confSERVER_CERT', `{base}/cert.pem')dnl
define(`confSERVER_KEY', `{base}/key.pem')dnl
define(`confCACERT', `{base}/cert.pem')dnl
define(`confCACERT_PATH', `{base}')dnl
define(`confAUTH_OPTIONS', `A p y')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN SCRAM-SHA-256')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN SCRAM-SHA-256')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
DAEMON_OPTIONS(`Name=MSA, Addr=127.0.0.1, Port={port}')dnl
MAILER(`smtp')dnl
"""

SENDMAIL_CONF = """\
mech_list: PLAIN LOGIN SCRAM-SHA-256
auxprop_plugin: rotated
rotated_socket: {socket}
rotated_timeout_ms: 1000
"""


def unpack():
    """Where the packages are unpacked; downloads them when nobody did so before."""
    tree = os.environ.get("ROTATED_SENDMAIL_TREE")
    if tree:
        if not os.path.exists(os.path.join(tree, "usr/libexec/sendmail/sendmail")):
            raise harness.Failure(f"ROTATED_SENDMAIL_TREE={tree} holds no sendmail")
        return tree
    script = os.path.join(harness.SOURCE, "tests/tools/packages.sh")
    tree = os.path.join(harness.BUILD, "sendmail-tree")
    done = subprocess.run(["sh", "-c", '. "$0" && packages_unpack "$@"', script, tree, *PACKAGES],
                          capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        harness.skip("sendmail could not be downloaded: " + done.stderr.strip()[-200:])
    return tree


class Sendmail:
    """Folders below BASE belong to root and are nobody else's to write: sendmail insists."""

    def __init__(self, root, plugin):
        self.root = root
        self.tree = unpack()
        self.port = harness.free_port()
        self.base = root.join("sendmail")
        self.plugins = os.path.join(self.base, "plugins")
        for name in ("queue", "plugins", "sasl"):
            os.makedirs(os.path.join(self.base, name), 0o700)
        os.chmod(self.base, 0o755)
        self._make_plugins(plugin)
        postfix.make_certificate(self.base)
        root.write("sendmail/service.switch", "hosts files\naliases files\n")
        root.write("sendmail/sasl/Sendmail.conf", SENDMAIL_CONF.format(
            socket=root.join("var/spool/postfix/private/rotated-auth")))
        self._make_cf()

    def _make_plugins(self, plugin):
        shutil.copy(plugin, os.path.join(self.plugins, "librotated.so"))
        for name in postfix.STOCK_MECHANISMS:
            shutil.copy(os.path.join(postfix.stock_folder(), name), self.plugins)

    def _make_cf(self):
        folder = os.path.join(self.tree, "usr/share/sendmail/cf")
        mc = self.root.write("sendmail/sendmail.mc", MC.format(base=SEEN_AT, port=self.port))
        cf = subprocess.run(
            ["m4", f"-D_CF_DIR_={folder}/", os.path.join(folder, "m4/cf.m4"), mc],
            check=True, capture_output=True, text=True, timeout=harness.PATIENCE).stdout
        # libsasl asks the environment, which sendmail empties of all but these
        cf += f"ESASL_PATH={SEEN_AT}/plugins\nESASL_CONF_PATH={SEEN_AT}/sasl\n"
        self.root.write("sendmail/sendmail.cf", cf)

    def start(self):
        program = os.path.join(self.tree, "usr/libexec/sendmail/sendmail")
        script = """mount --bind "$1" /mnt && hostname mx.example.org && shift && exec "$@\""""
        self.process = self.root.adopt(harness.Process(
            ["unshare", "--mount", "--uts", "sh", "-c", script, "sh", self.base,
             program, "-bD", f"-C{SEEN_AT}/sendmail.cf"],
            self.root.join("log/sendmail.log")))
        harness.wait_port(self.port)
        return self

    def queued(self):
        return glob.glob(os.path.join(self.base, "queue", "qf*"))
