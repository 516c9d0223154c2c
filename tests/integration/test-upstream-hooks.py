#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The shipped hooks of rotated-upstream/1: what all of them keep to, and each by itself."""

import json
import os
import subprocess

from harness import BUILD, PATIENCE, Results, Root

results = Results()
SECRET = 'sec"ret\\with-quotes'

# What other programs derive from the same keys (Terraform's provider for AWS, for one).
VECTORS = (
    ("eu-central-1", "some+secret+key", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"),
    ("eu-central-1", "another+secret+key", "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh"),
    ("us-west-1", "some+secret+key", "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj"),
    ("us-west-1", "another+secret+key", "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF"),
)

AWS = """\
#!/bin/sh
echo "$*" >>{root}/aws.calls
case "$*" in
*create-access-key*) printf 'AKIA7\\tsome+secret+key\\n' ;;
*list-access-keys*) printf 'AKIA6\\tAKIALOST\\n' ;;
*AKIAGONE*) echo 'An error occurred (NoSuchEntity)' >&2; exit 254 ;;
*AKIAOURS*) echo 'An error occurred (AccessDenied)' >&2; exit 254 ;;
esac
"""

RECORD = """\
#!/bin/sh
tr '\\0' ' ' </proc/$$/cmdline >{root}/argv
tr '\\0' ' ' </proc/$$/environ >{root}/environ
cat >{root}/stdin
exit $(cat {root}/status)
"""


def run(name, verb, job=None, **settings):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "ROTATED_VERB": verb}
    env.update({f"ROTATED_SETTING_{k}": str(v) for k, v in settings.items()})
    fields = {"contract": "rotated-upstream/1", "id": "ses.7-12", "upstream": "ses",
              "version": 7, "name": "ses.7", "server": "smtp.example.com:587",
              "known": ["AKIA6"], "user": "relay-7"}
    fields.update(job or {})
    return subprocess.run([os.path.join(BUILD, "hooks", name), verb], input=json.dumps(fields),
                          capture_output=True, text=True, env=env, cwd="/", timeout=PATIENCE,
                          check=False)


def conform(name, **settings):
    with results.case(f"{name} says what it can do, and knows what it can not"):
        done = run(name, "capabilities", **settings)
        told = json.loads(done.stdout)
        assert told["contract"] == "rotated-upstream/1" and told["hook"] == name, told
        assert "create" in told["verbs"] and "revoke" in told["verbs"], told
        assert run(name, "explode", **settings).returncode == 64
        assert run(name, "check", **settings).returncode == 0
    with results.case(f"{name} refuses a job of another contract, without a word of it"):
        done = run(name, "set", {"contract": "rotated-dns/1", "secret": SECRET}, **settings)
        assert done.returncode == 78 and SECRET not in done.stdout + done.stderr, done
    with results.case(f"{name}: set, finish and revoke may be called again and again"):
        for verb in ("set", "finish", "revoke") * 2:
            done = run(name, verb, {"secret": SECRET, "credential": "AKIA7"}, **settings)
            assert done.returncode == 0 and SECRET not in done.stdout + done.stderr, done
    with results.case(f"{name}: list is of the contract"):
        done = run(name, "list", **settings)
        assert done.returncode == 0, done
        for entry in json.loads(done.stdout or "{}").get("credentials", []):
            assert entry["id"] and (entry["version"] is None or entry["version"] > 0), entry


def vectors():
    for region, key, wanted in VECTORS:
        done = subprocess.run([os.path.join(BUILD, "hooks/hook-upstream"), "ses", region],
                              input=key + "\n", capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        results.equal(done.stdout, wanted + "\n", f"SES password of {key} in {region}")


def ses(root):
    root.write("aws", AWS.format(root=root.path), 0o755)
    at = {"IAM_USER": "relay", "REGION": "eu-central-1", "AWS": root.join("aws")}
    conform("upstream-ses", **at)
    with results.case("upstream-ses: create gives the derived password"):
        made = json.loads(run("upstream-ses", "create", **at).stdout)
        assert made == {"secret": VECTORS[0][2], "user": "AKIA7", "id": "AKIA7"}, made
    with results.case("upstream-ses: only when told so, an unknown key is taken for a left-over"):
        found = json.loads(run("upstream-ses", "list", **at).stdout)["credentials"]
        assert [e["version"] for e in found] == [None, None], found
        found = json.loads(run("upstream-ses", "list", EXCLUSIVE="yes", **at).stdout)
        assert found["credentials"] == [{"version": None, "id": "AKIA6"},
                                        {"version": 7, "id": "AKIALOST"}], found
    with results.case("upstream-ses: a key that is gone is gone, one not ours is denied"):
        assert run("upstream-ses", "revoke", {"credential": "AKIAGONE"}, **at).returncode == 0
        assert run("upstream-ses", "revoke", {"credential": "AKIAOURS"}, **at).returncode == 77


def command(root):
    record = root.write("record", RECORD.format(root=root.path), 0o755)
    root.write("status", "0")
    make = root.write("make", "#!/bin/sh\nprintf '%s\\n%s\\n%s\\n' 's3\"cret\\' \"$2\" id-7\n", 0o755)
    at = {"CREATE": make, "SET": f"{record} set", "REVOKE": f"{record} revoke"}
    conform("upstream-command", **at)
    with results.case("upstream-command: create gives what CREATE prints, whatever is in it"):
        made = json.loads(run("upstream-command", "create", **at).stdout)
        assert made == {"secret": 's3"cret\\', "user": "relay-7", "id": "id-7"}, made
    with results.case("upstream-command: the secret is on SET's standard input and nowhere else"):
        done = run("upstream-command", "set", {"secret": SECRET, "credential": "id-7"}, **at)
        assert done.returncode == 0, done
        said = {f: open(root.join(f), encoding="utf-8").read()
                for f in ("stdin", "argv", "environ")}
        assert said["stdin"] == SECRET + "\n", said
        assert SECRET not in said["argv"] + said["environ"], said
        assert said["argv"].endswith("set ses.7 relay-7 id-7 "), said
    with results.case("upstream-command: exit codes of the contract are passed on"):
        for status, wanted in ((75, 75), (77, 77), (78, 78), (1, 75)):
            root.write("status", str(status))
            assert run("upstream-command", "revoke", **at).returncode == wanted
    with results.case("upstream-command: without CREATE rotated makes the secret"):
        less = {"SET": at["SET"], "REVOKE": at["REVOKE"]}
        assert run("upstream-command", "create", **less).returncode == 64
        assert run("upstream-command", "check", SET=record).returncode == 78


def manual(root):
    conform("upstream-manual")
    record = root.write("record", RECORD.format(root=root.path), 0o755)
    root.write("status", "0")
    with results.case("upstream-manual: a person is told what to do, and what to type"):
        done = run("upstream-manual", "create", COMMAND=record)
        assert json.loads(done.stdout)["status"] == "pending", done
        text = open(root.join("stdin"), encoding="utf-8").read()
        assert "rotatectl upstream set ses" in text, text
        done = run("upstream-manual", "revoke", {"user": "relay-6"}, COMMAND=record)
        assert json.loads(done.stdout)["status"] == "pending", done
        assert "relay-6" in open(root.join("stdin"), encoding="utf-8").read()
    with results.case("upstream-manual: somebody who can not be told is told again"):
        root.write("status", "1")
        assert run("upstream-manual", "create", COMMAND=record).returncode == 75


def main():
    with Root() as root:
        vectors()
        ses(root)
        command(root)
        manual(root)
    results.exit()


main()
