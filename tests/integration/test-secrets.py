#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""No recoverable password anywhere: after issuing, rotating and logging in, neither a password nor
its base64 is in any file that the system wrote, nor in the memory of any of its daemons. The same
for the passphrase, the recovery key and a DKIM private key outside its tier's keys.

The search is shown to work by planting what it looks for."""

import base64
import json
import os
import re
import secrets as pysecrets
import socket
import sys
import tempfile

from harness import PASSPHRASE, PATIENCE, Results, plain_build, poll
from whole import Site

CHUNK = 1 << 20


def needles(secret):
    """The bytes and their base64 at each of the three places in a group."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = [raw]
    for pad in range(3):
        text = base64.b64encode(b"\0" * pad + raw)
        # the first and the last characters depend on the neighbours
        found.append(text[(4 if pad else 0):len(text) - 4])
    found.append(raw.hex().encode())
    return found


def files_below(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            if os.path.isfile(full) and not os.path.islink(full):
                yield full


def search_file(path, wanted):
    with open(path, "rb") as f:
        content = f.read()
    return [name for name, parts in wanted.items() if any(p in content for p in parts)]


def regions(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        for line in f:
            span, mode, rest = line.split(None, 2)
            if mode.startswith("r") and "[v" not in rest:  # [vvar] cannot be read
                start, end = (int(x, 16) for x in span.split("-"))
                yield start, end, line.strip()


def search_memory(pid, wanted, longest):
    """(names found, bytes read). Pieces overlap, so that nothing hides across a border."""
    found, total = set(), 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for start, end, _ in regions(pid):
            at, tail = start, b""
            while at < end:
                try:
                    mem.seek(at)
                    piece = mem.read(min(CHUNK, end - at))
                except (OSError, ValueError, OverflowError):
                    break
                if not piece:
                    break
                total += len(piece)
                text = tail + piece
                found.update(n for n, parts in wanted.items() if any(p in text for p in parts))
                tail = text[-longest:]
                at += len(piece)
    return sorted(found), total


def use_the_system(site):
    """Everything that handles a secret, once or more. Returns {name: secret}."""
    secrets = {}
    login, secrets["the first password"] = site.issue("billing")
    assert site.login(login, secrets["the first password"]) == "ok"
    login, secrets["the second password"] = site.rotate("billing")
    for _ in range(20):
        assert site.login(login, secrets["the second password"]) == "ok"
    secrets["a wrong password"] = "rtd1_never-was-anybodys-password-0000"
    assert site.login(login, secrets["a wrong password"]) == "no"
    assert site.login("nobody.1", secrets["a wrong password"]) == "no"
    site.ctl("credential", "revoke", "billing.1")
    return secrets


def private_key(site):
    site.ctl("dkim", "rotate", "example.com", check=False)
    selector = poll("a DKIM key", lambda: next(iter(site.key_states("example.com")), None))
    pem = poll("its private key", lambda: site.ctl(
        "dkim", "show", "example.com", selector, "--private-key", check=False).stdout)
    body = re.sub(r"-----[A-Z ]+-----|\s", "", pem)
    return base64.b64decode(body)[-300:-40]  # in the middle of the private numbers


def certificate_key(site):
    """The private number of a certificate's key, 32 bytes, which the vault made and handed out."""
    site.ctl("ca", "init")
    pem = site.ctl("certificate", "issue", "billing").stdout.partition("-----END PRIVATE KEY-----")[0]
    der = base64.b64decode(re.sub(r"-----[A-Z ]+-----|\s", "", pem))
    at = der.index(b"\x04\x20") + 2
    return der[at:at + 32]


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


HOOK = """\
#!/bin/sh
# $1 verb, $2 name
case $1 in
create) cat {outside}/${{2##*.}} ;;
test) read -r secret; [ "$secret" = "$(cat {outside}/${{2##*.}})" ] || exit 77 ;;
revoke) echo gone >{outside}/${{2##*.}} ;;
esac
"""


def states(site, upstream):
    return {v["state"] for v in json.loads(site.ctl("--json", "upstream", "show", upstream).stdout)["versions"]}


def upstreams(site, outside):
    """Logins of the relay's own, by a hook and by hand; looked up, tried, replaced."""
    made = {f"an upstream's secret {n}": f"upstream-{n}-{pysecrets.token_hex(16)}" for n in (1, 2)}
    for n, secret in enumerate(made.values(), 1):
        with open(os.path.join(outside, str(n)), "w", encoding="utf-8") as f:
            f.write(secret + "\n")
    os.makedirs(site.join("etc/rotated/upstreams.d"))
    hook = site.write("hook", HOOK.format(outside=outside), 0o755)
    text = "[upstream]\nsoak = 1s\noverlap = 1s\nschedule = never\nuser = relay-%v\n"
    text += f"hook = {os.path.join(site.build, 'hooks/upstream-command')}\n"
    text += "".join(f"setting = {v}={hook} {v.lower()}\n" for v in ("CREATE", "TEST", "REVOKE"))
    site.write("etc/rotated/upstreams.d/ses.conf", text + "destinations = smtp.example.com\n")
    site.daemons["rotated"].signal(1)
    poll("the reload", lambda: "ses" in site.ctl("upstream", "list").stdout)
    for version in (1, 2):
        site.ctl("upstream", "rotate", "ses")
        poll(f"version {version}", lambda n=version: [
            v["version"] for v in json.loads(site.ctl("--json", "upstream", "show", "ses").stdout)
            ["versions"] if v["state"] == "active"] == [n], 4 * PATIENCE)
        for _ in range(20):
            said = ask_map(site, "outbound", "smtp.example.com")
            assert said == f"OK relay-{version}:{list(made.values())[version - 1]}", said
    site.ctl("upstream", "test", "ses")
    made["a secret handed over"] = f"by-hand-{pysecrets.token_hex(16)}"
    site.write("etc/rotated/upstreams.d/manual.conf", text.replace("relay-%v", "hand"))
    site.daemons["rotated"].signal(1)
    poll("the reload", lambda: "manual" in site.ctl("upstream", "list").stdout)
    with open(os.path.join(outside, "1"), "w", encoding="utf-8") as f:
        f.write(made["a secret handed over"] + "\n")
    site.ctl("upstream", "set", "manual", stdin=made["a secret handed over"] + "\n")
    # while one is tried with its secret, or withdrawn, the worker has to hold it
    for upstream in ("ses", "manual"):
        poll(f"{upstream} to come to rest", lambda u=upstream: states(site, u) <= {"active", "destroyed"},
             4 * PATIENCE)
    return made


def main():
    results = Results()
    # as it is shipped: ASan keeps what was freed, and maps more than can be read
    with Site("[ca]\ntrust_domain = relay.example.org\n", build=plain_build()) as site:
        site.domain("example.com", "[domain]\n[dns]\nservers = 127.0.0.1:9\n")
        site.daemons["rotated"] = site.start_vault()
        site.daemons["rotated-auth"] = site.start_door()
        site.daemons["rotated-worker"] = site.start_worker()
        done = site.ctl("--json", "init", "--unattended", "--passphrase-file", site.passphrase)
        os.unlink(site.passphrase)
        site.wait_connected()
        secrets = use_the_system(site)
        secrets["the passphrase"] = PASSPHRASE
        secrets["the recovery key"] = re.search(r'"recovery_key": ?"([^"]+)"', done.stdout)[1]
        secrets["a DKIM private key"] = private_key(site)
        secrets["a certificate's private key"] = certificate_key(site)
        with tempfile.TemporaryDirectory() as outside:
            os.chmod(outside, 0o755)
            secrets.update(upstreams(site, outside))
        wanted = {name: needles(secret) for name, secret in secrets.items()}
        longest = max(len(p) for parts in wanted.values() for p in parts)

        planted = site.write("log/planted", base64.b64encode(
            b"\0billing.2\0" + secrets["the second password"].encode()).decode())
        results.equal(search_file(planted, wanted), ["the second password"],
                      "the search finds a password in the base64 of AUTH PLAIN")
        os.unlink(planted)
        mine, _ = search_memory(os.getpid(), wanted, longest)
        results.check("the second password" in mine, "the search finds it in this test's memory")

        found, count = [], 0
        for path in files_below(site.path):
            count += 1
            found += [f"{path}: {name}" for name in search_file(path, wanted)]
        results.check(count > 5 and not found, f"no secret is in any of {count} files",
                      "\n".join(found))
        for program, daemon in site.daemons.items():
            found, total = search_memory(daemon.pid, wanted, longest)
            results.check(total > 0 and not found,
                          f"no secret is in the memory of {program} ({total >> 20} MiB read)",
                          ", ".join(found))
        modes = [path for path in files_below(site.join("var"))
                 if os.stat(path).st_mode & 0o007]
        results.check(not modes, "no file of the system is open to others", "\n".join(modes))
    results.exit()


if __name__ == "__main__":
    sys.exit(main())
