#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every shipped hook, and the one in the manual, against the real server it is for."""

import json
import os
import re
import subprocess

from harness import BUILD, SOURCE, PATIENCE, Results, Root, need_programs
from servers import Bind, Knot, Nsd, dig, serial, wait_dns, zone_text
from wire import change, payload

ZONE = "example.com"
results = Results()
NAME = "r1._domainkey.example.com."


def hook(name):
    return os.path.join(BUILD, "hooks", name)


def conform(what, server, path, *more, **settings):
    argv = [os.path.join(SOURCE, "tests/integration/hook-conformance"), "--zone", ZONE, *more]
    if server:
        argv += ["--server", f"{server.address}:{server.port}"]
    for name, value in settings.items():
        argv += ["--setting", f"{name}={value}"]
    done = subprocess.run([*argv, path], capture_output=True, text=True, timeout=300, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("ok - "):
            results.check(True, f"{what}: {line[5:]}")
        elif line.startswith("not ok - "):
            results.check(False, f"{what}: {line[9:]}", done.stdout + done.stderr)
    results.equal(done.returncode, 0, f"{what} keeps the contract")


def run(path, *changes, verb="apply", job=None, **settings):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
    env.update({f"ROTATED_SETTING_{name}": str(value) for name, value in settings.items()})
    text = json.dumps(payload(ZONE + ".", *changes)) if job is None else job
    return subprocess.run([path, verb], input=text, capture_output=True, text=True, env=env,
                          cwd="/", timeout=PATIENCE, check=False)


def nsupdate(root):
    bind = Bind(root, "bind")
    key = bind.key()
    stranger = root.write("stranger.key", open(key, encoding="utf-8").read()
                          .replace('key "rotated"', 'key "stranger"'), 0o600)
    bind.primary(ZONE, zone_text("ns1 IN A 127.0.0.1\n_dmarc IN TXT \"v=DMARC1; p=none\"\n"),
                 "update-policy { grant rotated subdomain _domainkey.example.com. TXT; };")
    bind.start()
    wait_dns(bind.address, bind.port, ZONE)
    at = {"KEY_FILE": key, "SERVER": bind.address, "PORT": bind.port}
    path = hook("dns-nsupdate")
    conform("dns-nsupdate with BIND", bind, path, **at)
    one = change("set", NAME, "v=DKIM1; p=x")
    with results.case("dns-nsupdate: what the key may not change is denied (77)"):
        done = run(path, change("set", "_dmarc.example.com.", "v=DMARC1; p=reject"), **at)
        assert done.returncode == 77 and "REFUSED" in done.stderr, done
        assert "p=none" in dig(bind.address, bind.port, "_dmarc.example.com")
    with results.case("dns-nsupdate: a key that the server does not know is denied (77)"):
        done = run(path, one, **dict(at, KEY_FILE=stranger))
        assert done.returncode == 77, done
    with results.case("dns-nsupdate: a server that is down is worth another try (75)"):
        done = run(path, one, **dict(at, PORT=1, TIMEOUT=3))
        assert done.returncode == 75, done
    with results.case("dns-nsupdate: a zone that the server does not have is no network trouble"):
        done = run(path, one, **dict(at, ZONE="example.org"))
        assert done.returncode in (77, 78), done
    with results.case("dns-nsupdate: settings that can not be right are a matter of config (78)"):
        for wrong in ({"KEY_FILE": "/nonexistent"}, {"PORT": "x"}, {"SERVER": "a b"}, {"TIMEOUT": "08"},
                      {"KEY_FILE": ""}, {"ZONE": "x\nserver y"}):
            done = run(path, one, **dict(at, **wrong))
            assert done.returncode == 78, (wrong, done)
    with results.case("dns-nsupdate: one refused change undoes the others of its job"):
        done = run(path, change("set", NAME, "v=DKIM1; p=half"),
                   change("absent", "_dmarc.example.com."), **at)
        assert done.returncode == 77, done
        assert "half" not in dig(bind.address, bind.port, NAME)
    manual_example(root, bind, at)
    bind.stop()


def manual_example(root, bind, at):
    """The hook in rotated-hooks(7) is not an ornament."""
    page = os.path.join(SOURCE, "man/rotated-hooks.7")
    shown = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", page],
                           capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    shown = re.sub(".\b", "", shown)
    found = re.search(r"^( *)#!/bin/sh\n(?:.*\n)*?\1# end of the example$", shown, re.M)
    if not results.check(found, "the manual has an example", shown):
        return
    indent = len(found.group(1))
    text = "".join(line[indent:] + "\n" for line in found.group(0).split("\n"))
    path = root.write("example-hook", text, 0o755)
    conform("the manual's example", bind, path, "--single", **at)


def zonefile(root, server, what, **more):
    fragment = root.join(what, "dkim.inc")
    path = hook("dns-zonefile")
    at = {"FILE": fragment, "RELOAD": server.reload_command(ZONE), **more}
    conform(f"dns-zonefile with {what}", server, path, **at)
    before = serial(server.address, server.port, ZONE)
    with results.case(f"dns-zonefile with {what}: the serial goes up with a change and stays else"):
        assert run(path, change("set", NAME, "v=DKIM1; p=x"), **at).returncode == 0
        wait_dns(server.address, server.port, ZONE)
        text = open(fragment, encoding="utf-8").read()
        file_before = open(server.zone_file, encoding="utf-8").read()
        assert run(path, change("set", NAME, "v=DKIM1; p=x"), **at).returncode == 0
        assert open(fragment, encoding="utf-8").read() == text
        assert open(server.zone_file, encoding="utf-8").read() == file_before
        assert serial(server.address, server.port, ZONE) > before
    return at


def zonefile_trouble(root, at):
    path = hook("dns-zonefile")
    one = change("set", NAME, "v=DKIM1; p=y")
    with results.case("dns-zonefile: a reload that fails is worth another try, which reloads again"):
        marker = root.join("reloaded")
        done = run(path, one, **dict(at, RELOAD="false"))
        assert done.returncode == 75 and "RELOAD" in done.stderr, done
        done = run(path, one, **dict(at, RELOAD=f"touch {marker}"))
        assert done.returncode == 0 and os.path.exists(marker), done
    with results.case("dns-zonefile: RELOAD is split at blanks and not given to a shell"):
        done = run(path, one, **dict(at, RELOAD=f"true $(touch {root.join('bad')}) ; touch *"))
        assert done.returncode == 0 and not os.path.exists(root.join("bad")), done
    with results.case("dns-zonefile: other people's records in the file stay"):
        with open(at["FILE"], "a", encoding="utf-8") as f:
            f.write("other.example.com.\t60\tIN\tTXT\t\"mine\"\n")
        assert run(path, change("absent", NAME), **dict(at, RELOAD="true")).returncode == 0
        text = open(at["FILE"], encoding="utf-8").read()
        assert "mine" in text and NAME not in text, text
    with results.case("dns-zonefile: settings that can not be right are a matter of config (78)"):
        for wrong in ({"FILE": ""}, {"FILE": "relative"}, {"FILE": "/nonexistent/x"},
                      {"RELOAD": ""}, {"ZONE_FILE": "/nonexistent"}, {"TIMEOUT": "x"},
                      {"TIMEOUT": "08"}):
            assert run(path, one, **dict(at, **wrong)).returncode == 78, wrong
    with results.case("dns-zonefile: a lock that can not be had is a matter of config, and is said"):
        odd = dict(at, FILE=root.join("odd.inc"), RELOAD="true")
        os.makedirs(root.join("odd.inc.lock"))
        done = run(path, one, **odd)
        assert done.returncode == 78 and "odd.inc.lock can not be written" in done.stderr, done
    with results.case("dns-zonefile: a zone file without a marked serial is a matter of config"):
        bare = root.write("nsd/bare.db", "@ 3600 IN SOA a b 1 2 3 4 5\n")
        assert run(path, one, verb="check", **dict(at, ZONE_FILE=bare)).returncode == 78


def manual(root):
    folder = root.join("todo")
    os.makedirs(folder)
    conform("dns-manual", None, hook("dns-manual"), "--pending", DIR=folder)
    with results.case("dns-manual: the file tells a person what to do, and the command is run"):
        seen = root.join("seen")
        done = run(hook("dns-manual"), change("set", NAME, "v=DKIM1; p=x"),
                   change("absent", "r0._domainkey.example.com."), DIR=folder,
                   COMMAND=f"cp -t {root.path}")
        text = open(root.join("example.com.txt"), encoding="utf-8").read()
        assert done.returncode == 0 and '"v=DKIM1; p=x"' in text, (done, text, seen)
        assert "r0._domainkey.example.com. must have no TXT record" in text, text
    with results.case("dns-manual: a command that failed is run again by the next try, and then no more"):
        one, told = change("set", NAME, "v=DKIM1; p=again"), root.join("example.com.txt")
        os.unlink(told)
        done = run(hook("dns-manual"), one, DIR=folder, COMMAND="false")
        assert done.returncode == 75, done
        done = run(hook("dns-manual"), one, DIR=folder, COMMAND=f"cp -t {root.path}")
        assert done.returncode == 0 and os.path.exists(told), done
        done = run(hook("dns-manual"), one, DIR=folder, COMMAND="false")
        assert done.returncode == 0, done
    with results.case("dns-manual: a folder that is not named by an absolute path is refused (78)"):
        for wrong in ("", "-t", "relative"):
            done = run(hook("dns-manual"), one, DIR=wrong)
            assert done.returncode == 78 and "absolute" in done.stderr, done


def hostile_jobs():
    """A job comes from the vault, which is ours; a hook holds even if it were not."""
    good = payload("example.com.", change("set", NAME, "v=DKIM1; p=x"))

    def with_(**changes):
        job = json.loads(json.dumps(good))
        job["changes"][0].update(changes)
        return json.dumps(job)

    jobs = ["", "[]", "{", json.dumps(dict(good, contract="rotated-dns/2")),
            json.dumps(dict(good, zone="example.com.\nserver evil")),
            json.dumps(dict(good, id="x\ty")), json.dumps(dict(good, changes=7)),
            with_(name="r1._domainkey.example.org."), with_(name="example.com."),
            with_(name="evil example.com."), with_(name="a..example.com."),
            with_(name="$(id).example.com."), with_(value="a\nb"), with_(value="caf\u00e9"),
            with_(value=""), with_(value="x" * 5000), with_(type="MX"), with_(ttl="1"),
            with_(ttl=-1), with_(ttl=10**9), with_(op="delete"), "x" * 200000]
    with results.case("a job that is not of the contract is refused by every hook (78)"):
        for job in jobs:
            done = run(hook("dns-manual"), job=job, DIR="/tmp")
            assert done.returncode == 78, (job[:200], done)


def main():
    need_programs("named", "tsig-keygen", "nsupdate", "dig", "nsd", "nsd-control", "knotd",
                  "knotc", "mandoc")
    with Root() as root:
        nsupdate(root)
        include = zone_text("ns1 IN A 127.0.0.1\n$INCLUDE {}\n")
        root.write("nsd/dkim.inc", "")
        nsd = Nsd(root, ZONE, include.format(root.join("nsd/dkim.inc")))
        at = zonefile(root, nsd, "nsd", ZONE_FILE=nsd.zone_file)
        zonefile_trouble(root, at)
        root.write("knot/dkim.inc", "")
        knot = Knot(root, ZONE, include.format(root.join("knot/dkim.inc")))
        zonefile(root, knot, "knot")
        conform("dns-knotc", knot, hook("dns-knotc"), CONFIG=knot.conf)
        with results.case("dns-knotc: settings that can not be right are a matter of config (78)"):
            for wrong in ({"ZONE": "--force"}, {"ZONE": "a b"}, {"TIMEOUT": "08"}, {"CONFIG": "/nonexistent"}):
                done = run(hook("dns-knotc"), change("absent", NAME), **dict({"CONFIG": knot.conf}, **wrong))
                assert done.returncode == 78, (wrong, done)
        manual(root)
        hostile_jobs()
    results.exit()


main()
