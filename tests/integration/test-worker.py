#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotated-worker as the vault sees it: hooks that behave, and hooks that do not."""

import json
import os
import pwd

from harness import Process, Results, Root, build_path, poll
from wire import FakeVault, change, payload

results = Results()

EXITS = {0: "ok", 64: "unknown-verb", 75: "temporary", 77: "denied", 78: "config",
         1: "crashed", 2: "crashed", 126: "crashed", 127: "crashed", 255: "crashed"}


def script(root, name, body, mode=0o755):
    return root.write(f"hooks/{name}", "#!/bin/sh\n" + body, mode)


def is_alive(pid):
    """A zombie has ended: nobody reaps for a group that was killed in a container."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def read_pids(path, count):
    def look():
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as f:
            words = f.read().split()
        return words if len(words) == count else None

    return [int(word) for word in poll(f"{count} pids in {path}", look)]


def exit_codes(root, vault):
    with results.case("every exit code of the contract has its result, any other is a crash"):
        hook = script(root, "exits", "exit $ROTATED_SETTING_CODE\n")
        for code, word in EXITS.items():
            done = vault.run_hook(hook, environment=f"ROTATED_SETTING_CODE={code}\n")
            assert (done.result, done.output["exit"]) == (word, code), (code, done)
    with results.case("a hook that ends by a signal has crashed"):
        done = vault.run_hook(script(root, "segv", "kill -SEGV $$\n"))
        assert (done.result, done.output["signal"]) == ("crashed", 11), done


def what_it_says(root, vault):
    say = "cat >/dev/null; printf '%s' \"$ROTATED_SETTING_SAY\"\n"
    hook = script(root, "say", say)

    def said(text):
        return vault.run_hook(hook, environment=f"ROTATED_SETTING_SAY={text}\n")

    item = {"name": "a.example.com.", "status": "ok", "detail": "x"}
    with results.case("a hook's results and serial are passed on"):
        done = said(json.dumps({"results": [item], "serial": 7}))
        assert done.result == "ok" and done.output["serial"] == 7, done
        assert done.output["results"] == [item], done
    with results.case("one item that is pending makes the job pending, one that failed temporary"):
        pending, failed = dict(item, status="pending"), dict(item, status="failed")
        assert said(json.dumps({"results": [item, pending]})).result == "pending"
        assert said(json.dumps({"results": [failed, pending]})).result == "temporary"
    with results.case("words that are not JSON do not undo an exit status of 0"):
        done = said("done!")
        assert done.result == "ok" and "not the JSON" in done.output["detail"], done
    with results.case("the last line on standard error tells the operator why"):
        done = vault.run_hook(script(root, "why", "echo first >&2\necho 'no key\033[2J' >&2\n"
                                     "exit 77\n"))
        assert done.result == "denied" and done.output["detail"].startswith("no key"), done


def flood(root, vault, worker):
    with results.case("a hook that floods both its outputs is bounded and still answered"):
        done = vault.run_hook(script(root, "flood", "head -c 5000000 /dev/zero | tr '\\0' x\n"
                              "head -c 5000000 /dev/zero | tr '\\0' y >&2\n"))
        assert done.result == "ok" and "64 KiB" in done.output["detail"], done
        logged = sum("yyyy" in line for line in worker.log().split("\n"))
        assert logged <= 40, f"{logged} lines of it in the log"
    with results.case("control characters of a hook do not reach the log"):
        assert "\033" not in worker.log() and "no key?[2J" in worker.log()


def surroundings(root, vault):
    shown = root.join("shown")
    hook = script(root, "show", "{ env; echo cwd=$(pwd); echo args=$*; "
                  "echo fds=$(ls /proc/self/fd | tr '\\n' ' '); "
                  "echo session=$(cut -d' ' -f6 /proc/self/stat) pid=$$; cat; } >%s\n" % shown)
    job = payload("example.com.", change("set", "r1._domainkey.example.com.", "v=DKIM1; p=x"))
    os.environ["ROTATED_LEAK"] = "1"
    done = vault.run_hook(hook, action="check", payload=job,
                          environment="ROTATED_SETTING_SERVER=ns a=b\n")
    with open(shown, encoding="utf-8") as f:
        lines = f.read().split("\n")
    with results.case("a hook's environment is the documented one and nothing else"):
        assert done.result == "ok", done
        names = sorted(line.partition("=")[0] for line in lines if line[:8] == "ROTATED_")
        assert names == sorted(["ROTATED_DRY_RUN", "ROTATED_ID", "ROTATED_NAME", "ROTATED_OP",
                                "ROTATED_SETTING_SERVER", "ROTATED_TTL", "ROTATED_VALUE",
                                "ROTATED_VERB", "ROTATED_ZONE"]), names
        for line in ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "ROTATED_VERB=check",
                     "ROTATED_NAME=r1._domainkey.example.com.", "ROTATED_TTL=300",
                     "ROTATED_VALUE=v=DKIM1; p=x", "ROTATED_SETTING_SERVER=ns a=b",
                     "ROTATED_ZONE=example.com"):
            assert line in lines, f"{line} is not in {lines}"
        known = ("PATH=", "LANG=", "ROTATED_", "PWD=", "_=", "OLDPWD=", "SHLVL=", "cwd=",
                 "args=", "fds=", "session=", "{")
        assert all(line.startswith(known) for line in lines if line), lines
    with results.case("a hook has the verb as its only argument, / as its directory, no other fds"):
        assert "args=check" in lines and "cwd=/" in lines, lines
        # 3 is the directory that ls itself reads
        assert "fds=0 1 2 3" in lines, lines
    with results.case("a hook leads a session of its own and reads the job on its standard input"):
        words = dict(word.split("=") for line in lines if line[:8] == "session="
                     for word in line.split())
        assert words["session"] == words["pid"], lines
        assert json.loads(lines[-1]) == job
    with results.case("an environment that is not of settings only is refused"):
        for bad in ("ROTATED_VERB=evil\n", "ROTATED_SETTING_X=1\nLD_PRELOAD=x\n", "PATH=/tmp\n",
                    "ROTATED_SETTING_X\n", "ROTATED_SETTING_X=1"):
            assert vault.run_hook(hook, environment=bad).result == "config", bad
    with results.case("neither a zone nor an action brings a line into the environment"):
        for bad in ({"zone": "x\nLD_PRELOAD=/tmp/x"}, {"action": "apply\nLD_PRELOAD=/tmp/x"},
                    {"zone": ""}, {"action": ""}):
            assert vault.run_hook(hook, **bad).result == "config", bad


def refusals(root, vault):
    with results.case("a hook that others may write is not run"):
        for mode in (0o775, 0o757):
            done = vault.run_hook(script(root, "writable", "touch %s\n" % root.join("ran"), mode))
            assert done.result == "config" and "others may write" in done.output["detail"], done
        assert not os.path.exists(root.join("ran"))
    with results.case("a hook that is missing, a folder or not executable is a matter of config"):
        for path in (root.join("none"), root.join("hooks"), script(root, "plain", "", 0o644)):
            assert vault.run_hook(path).result == "config", path
        assert vault.run_hook("relative/hook").result == "config"
    with results.case("a hook with a broken interpreter is a matter of config"):
        path = root.write("hooks/broken", "#!/nonexistent/sh\n", 0o755)
        done = vault.run_hook(path)
        assert done.result == "config" and "can not be executed" in done.output["detail"], done


def stubborn(root, vault):
    """Children and grandchildren that would rather stay."""
    pids = root.join("pids")
    body = "%s sleep 1000 & echo $$ $! >" + pids + "\nwait\nwait\n"
    with results.case("a hook over its time is ended with all it started: outcome unknown"):
        done = vault.run_hook(script(root, "slow", body % ""), timeout=1)
        assert done.result == "timeout", done
        for pid in read_pids(pids, 2):
            poll(f"{pid} to end", lambda p=pid: not is_alive(p))
    os.unlink(pids)
    with results.case("one that has stopped itself is woken up to end in order"):
        ended = root.join("in-order")
        done = vault.run_hook(script(root, "stops", f"trap 'touch {ended}; exit 1' TERM\nkill -STOP $$\n"
                                                    "while :; do sleep 0.1; done\n"), timeout=2)
        assert done.result == "timeout" and os.path.exists(ended), done
    with results.case("one that ignores SIGTERM is killed"):
        done = vault.run_hook(script(root, "deaf", body % "trap '' TERM\n"), timeout=1)
        assert done.result == "timeout" and done.output["signal"] == 9, done
        for pid in read_pids(pids, 2):
            poll(f"{pid} to end", lambda p=pid: not is_alive(p))
    os.unlink(pids)
    with results.case("what a hook leaves running when it exits is ended too"):
        done = vault.run_hook(script(root, "leaver", "sleep 1000 & echo $$ $! >%s\n" % pids))
        assert done.result == "ok", done
        for pid in read_pids(pids, 2):
            poll(f"{pid} to end", lambda p=pid: not is_alive(p))
    os.unlink(pids)
    with results.case("a job that is cancelled is ended: outcome unknown"):
        job = vault.hook(script(root, "slow", body % ""), timeout=1000)
        read_pids(pids, 2)
        vault.cancel(job)
        assert vault.wait(job).result == "timeout"
    os.unlink(pids)


def side_by_side(root, vault):
    gate = root.join("gate")
    waiter = script(root, "waiter", "echo $ROTATED_ZONE >>%s\n"
                    "while ! test -e %s.$ROTATED_ZONE; do sleep 0.01; done\n"
                    % (root.join("order"), gate))
    quick = script(root, "quick", "echo quick-$ROTATED_ZONE >>%s\n" % root.join("order"))
    with results.case("a slow zone delays no other, and has one hook at work at a time"):
        slow = vault.hook(waiter, zone="a.example")
        poll("the first hook", lambda: os.path.exists(root.join("order")))
        second = vault.hook(quick, zone="a.example")
        assert vault.run_hook(quick, zone="b.example").result == "ok"
        root.write("gate.a.example", "")
        assert vault.wait(slow).result == "ok" and vault.wait(second).result == "ok"
        with open(root.join("order"), encoding="utf-8") as f:
            order = f.read().split()
        assert order == ["a.example", "quick-b.example", "quick-a.example"], order
    with results.case("a job that waits can be cancelled before it begins"):
        os.unlink(gate + ".a.example")
        slow = vault.hook(waiter, zone="a.example")
        second = vault.hook(quick, zone="a.example")
        vault.cancel(second)
        assert vault.wait(second).result == "timeout"
        root.write("gate.a.example", "")
        assert vault.wait(slow).result == "ok"
    with results.case("more jobs than run at once all come to their end"):
        jobs = [vault.hook(quick, zone=f"z{i}.example") for i in range(60)]
        assert {vault.wait(job).result for job in jobs} == {"ok"}


def vault_comes_and_goes(root, vault, worker):
    pids = root.join("pids")
    ignore = script(root, "stay", "trap '' TERM HUP\nsleep 1000 & echo $$ $! >%s\nwait\n" % pids)
    with results.case("when the vault goes, its jobs are killed and forgotten"):
        vault.hook(ignore)
        stale = read_pids(pids, 2)
        vault.drop()
        for pid in stale:
            poll(f"{pid} to end", lambda p=pid: not is_alive(p))
    with results.case("the worker comes back by itself, and the same zone can be worked on"):
        vault.accept()
        done = vault.run_hook(script(root, "fine", "exit 0\n"))
        assert done.result == "ok", done
    with results.case("a message that is not of the protocol ends the connection, not the worker"):
        for bad in (b"x", b"\0\0\0\0", b"\xff" * 5000):
            vault.worker.sendall(bad)
            assert vault.worker.recv(10) == b""
            vault.accept()
        vault.send([("verb", "Door.Sealed")])
        assert vault.worker.recv(10) == b""
        vault.accept()
        assert worker.is_running()
    with results.case("a vault that is away for long is found again"):
        vault.close()
        poll("the log", lambda: worker.log().count("is away") >= 2)
        again = FakeVault(root.path)
        again.accept()
        assert again.run_hook(script(root, "fine", "exit 0\n")).result == "ok"
    with results.case("SIGTERM ends the worker and what it runs, with exit code 0"):
        os.unlink(pids)
        again.hook(ignore)
        stale = read_pids(pids, 2)
        assert worker.stop() == 0, worker.log()
        for pid in stale:
            poll(f"{pid} to end", lambda p=pid: not is_alive(p))
        again.close()


def killed(root):
    pids = root.join("pids")
    with results.case("SIGKILL of the worker takes its hook along"):
        os.path.exists(pids) and os.unlink(pids)
        vault = FakeVault(root.path)
        worker = root.start_worker()
        vault.accept()
        vault.hook(script(root, "alone", "echo $$ >%s\nexec sleep 1000\n" % pids))
        (pid,) = read_pids(pids, 1)
        worker.kill()
        poll(f"{pid} to end", lambda: not is_alive(pid))
        vault.close()


def without_streams(root):
    with results.case("a worker without standard streams keeps its files out of their place"):
        vault = FakeVault(root.path)
        worker = root.adopt(Process(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", build_path("rotated-worker"),
                                     "--root", root.path], root.join("log", "mute.log")))
        vault.accept()
        for fd in range(3):
            assert os.readlink(f"/proc/{worker.pid}/fd/{fd}") == "/dev/null", fd
        assert vault.run_hook(script(root, "talks", "echo hi; echo ho >&2\n")).result == "ok"
        worker.stop()
        vault.close()


def stranger(root):
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody").pw_uid
    with results.case("a socket of another user is not spoken to"):
        vault = FakeVault(root.path, uid=nobody)
        worker = root.start_worker()
        connection, _ = vault.listener.accept()
        assert connection.recv(100) == b""
        poll("the log", lambda: "not the vault" in worker.log())
        worker.stop()
        vault.close()
    with results.case("unless it is the user that --vault-user names"):
        vault = FakeVault(root.path, uid=nobody)
        root.start("rotated-worker", "--vault-user", "nobody")
        vault.accept()
        vault.close()


def main():
    with Root() as root:
        vault = FakeVault(root.path)
        worker = root.start_worker()
        vault.accept()
        exit_codes(root, vault)
        what_it_says(root, vault)
        flood(root, vault, worker)
        surroundings(root, vault)
        refusals(root, vault)
        stubborn(root, vault)
        side_by_side(root, vault)
        vault_comes_and_goes(root, vault, worker)
        killed(root)
        without_streams(root)
        stranger(root)
    results.exit()


main()
