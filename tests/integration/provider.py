# SPDX-License-Identifier: BSD-2-Clause
"""A mail provider: a Postfix of its own with its own accounts in sasldb, and the commands that
upstream-command runs to change them. What it takes is counted in its log and thrown away."""

import os
import re
import shutil
import subprocess
import sys

import harness
import postfix

REALM = "provider.example"

# The login is a file of its own in ACCOUNTS too, so that LIST can say what there is.
COMMAND = """\
#!/bin/sh
# $1 verb, $2 name (ses.7), $3 user
set -eu
here={here}
echo "$*" >>"$here/calls"
if [ -e "$here/down" ]; then exit 75; fi
if [ -e "$here/stop-$1" ]; then
	rm "$here/stop-$1"; : >"$here/stopped-$1"; sleep 600
fi
db() {{ saslpasswd2 -f "$here/sasldb2" -u {realm} "$@"; }}
own() {{ chown postfix "$here/sasldb2"; chmod 600 "$here/sasldb2"; }}
case $1 in
create)
	secret=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \\n')
	printf '%s\\n' "$secret" >>"$here/secrets"
	if [ -e "$here/bad-create" ]; then
		printf 'otherwise' | db -p -c "$3"
	else
		printf '%s' "$secret" | db -p -c "$3"
	fi
	own
	: >"$here/accounts/${{2##*.}}"
	if [ -e "$here/kill-create" ]; then
		rm "$here/kill-create"; kill -9 $PPID; sleep 600
	fi
	printf '%s\\n%s\\n%s\\n' "$secret" "$3" "id-${{2##*.}}" ;;
set)
	IFS= read -r secret
	printf '%s\\n' "$secret" >>"$here/secrets"
	if [ -e "$here/bad-create" ]; then secret=otherwise; fi
	printf '%s' "$secret" | db -p -c "$3"
	own
	: >"$here/accounts/${{2##*.}}" ;;
test)
	exec python3 -B "$here/try" "$3" ;;
revoke)
	db -d "$3" 2>/dev/null || :
	own
	rm -f "$here/accounts/${{2##*.}}" ;;
list)
	for f in "$here"/accounts/*; do [ ! -e "$f" ] || echo "${{f##*/}} id-${{f##*/}}"; done ;;
esac
"""


# A login as a hook may try it, where there is no server= for rotated to try it at.
TRY = """\
import smtplib, ssl, sys
try:
    s = smtplib.SMTP("127.0.0.1", {port}, timeout=10)
    s.starttls(context=ssl._create_unverified_context())
    s.login(sys.argv[1], sys.stdin.readline().strip())
except smtplib.SMTPAuthenticationError as e:
    sys.exit(77 if e.smtp_code == 535 else 75)
except Exception:
    sys.exit(75)
"""


class Provider(harness.Root):
    def __init__(self, users="relay-%v"):
        super().__init__()
        self.users = users
        self.db = self.join("sasldb2")
        self.server = postfix.Postfix(self, harness.build_path("hooks/hook-upstream"))
        self.port = self.server.port
        os.makedirs(self.join("accounts"))
        self.write("secrets", "", 0o600)
        self.write("calls", "")
        self.command = self.write("command", COMMAND.format(here=self.path, realm=REALM), 0o755)
        self.write("try", TRY.format(port=self.port))
        subprocess.run(["saslpasswd2", "-f", self.db, "-u", REALM, "-p", "-c", "nobody"],
                       input=b"nothing", check=True, timeout=harness.PATIENCE)
        shutil.chown(self.db, "postfix")
        self._configure()
        self._make_certificate()

    def _make_certificate(self):
        """One that is good for the address that it is asked at."""
        conf = self.server.conf
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=provider.example", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", os.path.join(conf, "key.pem"),
             "-out", os.path.join(conf, "cert.pem")],
            check=True, capture_output=True, timeout=harness.PATIENCE)

    def _configure(self):
        conf = self.server.conf
        os.remove(os.path.join(self.join("postfix/plugins"), "librotated.so"))
        for name in ("libsasldb.so", "libcrammd5.so"):
            path = os.path.join(postfix.stock_folder(), name)
            if not os.path.exists(path):
                harness.skip(f"{name} is not installed")
            os.symlink(path, self.join("postfix/plugins", name))
        self.write("postfix/conf/sasl/smtpd.conf",
                   "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   f"mech_list: PLAIN LOGIN\nsasldb_path: {self.db}\n")
        with open(os.path.join(conf, "main.cf"), "a", encoding="utf-8") as f:
            f.write(f"smtpd_sasl_local_domain = {REALM}\nsmtpd_client_auth_rate_limit = 0\n"
                    "smtpd_client_connection_count_limit = 0\n")
        path = os.path.join(conf, "master.cf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("inet n - y - - smtpd", "inet n - n - - smtpd"))

    def start(self):
        self.server.start()
        return self

    def settings(self, *verbs):
        """The lines of upstreams.d for upstream-command."""
        verbs = verbs or ("CREATE", "REVOKE", "LIST")
        return "".join(f"setting = {v}={self.command} {v.lower()}\n" for v in verbs)

    def calls(self):
        with open(self.join("calls"), encoding="utf-8") as f:
            return f.read().splitlines()

    def secrets(self):
        with open(self.join("secrets"), encoding="utf-8") as f:
            return f.read().split()

    def accounts(self):
        done = subprocess.run(["sasldblistusers2", "-f", self.db], capture_output=True,
                              text=True, check=True, timeout=harness.PATIENCE)
        return sorted(set(re.findall(r"^(relay\S*)@", done.stdout, re.M)))

    def certificate(self):
        with open(os.path.join(self.server.conf, "cert.pem"), encoding="utf-8") as f:
            return f.read()

    def logged_in(self):
        return re.findall(r"sasl_username=(\S+?)(?:@|$|,)", self.server.log(), re.M)

    def received(self):
        """Message ids, as often as they were taken."""
        return re.findall(r"cleanup\[\d+\]: \w+: message-id=<(\S+?)>", self.server.log())


def need():
    postfix.need()
    harness.need_programs("saslpasswd2", "sasldblistusers2")


if __name__ == "__main__":
    sys.exit("this is no test")
