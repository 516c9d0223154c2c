#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The vault as its door and its worker meet it; both are played by this test."""

import contextlib
import json
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import wire  # noqa: E402

CONF = """[dns]
hook = /bin/true
servers = 127.0.0.1:1
[engine]
allow_short_waits = yes
retry_min = 100ms
retry_max = 200ms
hold_after = 300ms
"""

results = harness.Results()


class Peer:
    """A connection to one of the vault's sockets, after its greeting."""

    def __init__(self, root, name, hello, *more):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(harness.PATIENCE)
        self.socket.connect(root.join("run/rotated", name))
        self.send([("verb", hello), *more])
        self.answer = self.receive()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, fields):
        self.socket.sendall(wire.pack(fields))

    def receive(self):
        data = self.socket.recv(wire.FRAME_MAX)
        if not data:
            raise harness.Failure("the vault hung up")
        return wire.unpack(data)

    def expect(self, verb):
        fields = self.receive()
        while "verb" not in fields and "status" in fields and verb != "status":  # of Worker.Done
            fields = self.receive()
        if fields.get("verb", b"").decode() != verb:
            raise harness.Failure(f"wanted {verb}, got {fields}")
        return fields

    def is_hung_up(self):
        """Nothing but answers comes before the end."""
        try:
            while data := self.socket.recv(wire.FRAME_MAX):
                fields = wire.unpack(data)
                if "verb" in fields or "status" not in fields:
                    return False
            return True
        except ConnectionError:
            return True

    def done(self, job, result, output=""):
        self.send([("verb", "Worker.Done"), ("id", job["id"]), ("result", result),
                   ("output", output)])


def door(root, *more):
    return Peer(root, "door", "Door.Hello", *more)


def worker(root):
    return Peer(root, "worker", "Worker.Hello")


def get(root, *args):
    return json.loads(root.ctl("--json", *args).stdout)


def connection(root, name):
    return get(root, "status")[name]["connected"]


def await_gone(root, name):
    harness.poll(f"the {name} to be gone", lambda: not connection(root, name))


def has_no_more(root, peer):
    """Nothing was pushed: what the vault does for status comes after what it does for a hello."""
    get(root, "status")
    peer.socket.setblocking(False)
    try:
        return not peer.socket.recv(wire.FRAME_MAX)
    except BlockingIOError:
        return True
    finally:
        peer.socket.settimeout(harness.PATIENCE)


def sealed_while_the_door_was_away(root, vault):
    with door(root) as d:
        results.check("keys" in d.answer, "a door that says hello to an open vault gets its keys")
    await_gone(root, "door")
    root.ctl("seal")
    with door(root) as d, results.case("a door that was away hears afterwards of the seal"):
        d.expect("Door.Sealed")
    with door(root) as d, results.case("so does the next one, as long as it is sealed"):
        d.expect("Door.Sealed")
        root.unseal()
        assert "keys" in d.expect("Door.Keys")
    with door(root) as d:
        results.check("keys" in d.answer and has_no_more(root, d),
                      "after the unseal a door only gets its keys")
    vault.stop()
    vault = root.start_vault()
    with door(root) as d:
        results.check("keys" not in d.answer and has_no_more(root, d),
                      "a vault that only was restarted leaves the door its keys")
        results.equal(get(root, "status")["door"]["has_keys"], False,
                      "status shows a door without keys")
    with door(root, ("has_keys", "1")) as d:
        results.equal(get(root, "status")["door"]["has_keys"], True,
                      "status shows a door that says it has keys from before")
        root.ctl("seal")
        with results.case("sealing a vault that was sealed since it started reaches the door"):
            d.expect("Door.Sealed")
    results.equal(root.ctl("seal", check=False).returncode, harness.NOTHING,
                  "sealing it once more is nothing to do")
    root.unseal()
    return vault


NOBODY = 65534


def knock(path, times):
    """Connects TIMES times and is turned away as often."""
    for _ in range(times):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(harness.PATIENCE)
            s.connect(path)
            with contextlib.suppress(ConnectionError):
                s.recv(1)


def a_stranger_knocks(root, vault):
    """Sockets that the vault made are open to everybody; it looks at who comes."""
    if os.geteuid() != 0:
        return
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            knock(root.join("run/rotated/door"), 2000)
            os._exit(0)
        os._exit(1)
    results.equal(os.waitpid(child, 0)[1], 0, "a stranger may knock at the door socket")
    lines = vault.log().count("may not connect")
    results.check(0 < lines < 1000, "who knocks all day does not fill the log", lines)


def soak_is_as_dns_says(root):
    with worker(root) as w:
        root.ctl("dkim", "rotate", "example.com")
        w.done(w.expect("Job.Hook"), "ok")
        w.done(w.expect("Job.Dns"), "visible",
               '{"ttl":300,"negative_ttl":86400,"zone":null,"cname":null,"servers":[]}')
        harness.poll("the key to be visible", lambda: get(
            root, "dkim", "show", "example.com")["keys"][0]["state"] == "visible")
    shown = get(root, "dkim", "show", "example.com")
    results.check(shown["soak"] == 3600 and shown["soak_auto"], "soak = auto has a floor", shown)
    results.equal(shown["keys"][0]["soak"], 86400 + 900,
                  "a key soaks 15 minutes longer than resolvers may deny it")
    await_gone(root, "worker")


def alarm(root, start):
    """The command that an alarm names; None when there is no such alarm."""
    return next((a["hint"] for a in get(root, "status")["alarms"]
                 if a["what"].startswith(start)), None)


def unconfirmed(root):
    """A secret that was sent, and nobody said that it arrived."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with client:
        client.settimeout(harness.PATIENCE)
        client.connect(root.join("run/rotated/control"))
        client.sendall(wire.pack([("verb", "Credential.Issue"), ("service", "billing")]))
        issued = wire.unpack(client.recv(wire.FRAME_MAX))
    if issued["status"] != b"ok":
        raise harness.Failure(f"issue: {issued}")
    item = next(i for i in get(root, "status")["items"] if i["id"] == "billing")
    results.check(item["state"] == "waiting" and "nobody confirmed" in item["reason"] and
                  item["hint"] == "rotatectl credential issue billing",
                  "status shows a credential that nobody confirmed, and what to do", item)
    root.ctl(*item["hint"].split()[1:])
    results.check(all(i["id"] != "billing" for i in get(root, "status")["items"]),
                  "the command that it names mends it")


def trouble(root):
    with worker(root) as w:
        root.ctl("dkim", "rotate", "example.net")
        w.done(w.expect("Job.Hook"), "temporary", '{"exit":75,"detail":"no route"}')
        w.expect("Job.Hook")
        hint = harness.poll("the alarm", lambda: alarm(root, "example.net has been failing"))
        results.equal(hint, "rotatectl dns check example.net",
                      "what fails for longer than it may is an alarm with the next command")
    with worker(root) as w:
        # nobody knows what the hook did: the servers are asked, and it has failed too long
        w.done(w.expect("Job.Dns"), "absent")
        hint = harness.poll("the alarm", lambda: alarm(root, "example.net is held"))
        results.equal(hint, "rotatectl dkim rotate example.net",
                      "what is held is an alarm with the next command")
    await_gone(root, "worker")


def ask(root, *fields):
    """A request whose answer is read later."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(harness.PATIENCE)
    client.connect(root.join("run/rotated/control"))
    client.sendall(wire.pack(list(fields)))
    return client


def sealed_while_keys_are_made(root):
    # the vault reads them in this order, and makes one key at a time
    domains = [f"d{i}.example" for i in range(6)]
    waiting = [ask(root, ("verb", "Dkim.Rotate"), ("domain", d)) for d in domains]
    seal = ask(root, ("verb", "Store.Seal"), ("tier", "issuer"))
    seal.recv(wire.FRAME_MAX)
    answers = [wire.unpack(c.recv(wire.FRAME_MAX)) for c in waiting]
    told = [a for a in answers if a["status"] == b"again"]
    results.check(told and all(a["hint"] == b"rotatectl unseal" for a in told),
                  "who waits for a key when it is sealed is told so", answers)
    for client in [*waiting, seal]:
        client.close()
    root.unseal()

    def steps():
        return [get(root, "dkim", "show", d)["keys"][0]["record"] for d in domains]
    harness.poll("every key to be made", lambda: all(steps()))
    results.check(True, "after the unseal every key is made")


def hostile_worker(root):
    with worker(root) as w:
        root.ctl("dkim", "rotate", "odd.example")
        job = w.expect("Job.Hook")
        w.done({"id": b"999999"}, "ok")
        w.done(job, "visible", "\x00]}{\"ttl\":")
        w.done(job, "ok")
        question = w.expect("Job.Dns")
        results.check(question["name"].startswith(b"r") and connection(root, "worker"),
                      "what a worker can not know makes the vault ask, not believe", question)
        w.send([("status", "ok")])
        results.check(w.is_hung_up(), "a worker that answers what nobody asked is hung up on")
    await_gone(root, "worker")
    with worker(root) as w:
        w.expect("Job.Dns")
        results.check(True, "and the question is asked again of the next one")


def silent_client(root):
    """Who asks on and on and takes no answer is not read from, and holds up nobody."""
    client = ask(root, ("verb", "Status.Get"))
    client.setblocking(False)
    request = wire.pack([("verb", "Status.Get")])
    sent = 1
    while sent < 20000:
        try:
            client.send(request)
            sent += 1
        except BlockingIOError:
            get(root, "status")  # it had its turn, and the vault lives
            try:
                client.send(request)
                sent += 1
            except BlockingIOError:
                break
    results.check(sent < 20000, "a client that takes no answer is not read from", sent)
    client.settimeout(harness.PATIENCE)
    for _ in range(sent):
        frame = wire.unpack(client.recv(wire.FRAME_MAX))
        assert frame["status"] == b"ok", frame
    results.check(True, "and gets every answer when it takes them")
    client.close()


def main():
    with harness.Root(CONF) as root:
        root.service("billing")
        root.domain("example.com")
        root.domain("example.net")
        root.domain("odd.example")
        for i in range(6):
            root.domain(f"d{i}.example")
        vault = root.start_vault()
        root.open_store()
        vault = sealed_while_the_door_was_away(root, vault)
        unconfirmed(root)
        soak_is_as_dns_says(root)
        trouble(root)
        hostile_worker(root)
        sealed_while_keys_are_made(root)
        silent_client(root)
        a_stranger_knocks(root, vault)
        results.equal(vault.stop(), 0, "the vault ends cleanly")
        results.check("ERROR: AddressSanitizer" not in vault.log() and
                      "runtime error" not in vault.log(), "no sanitizer complained", vault.log())
    results.exit()


main()
