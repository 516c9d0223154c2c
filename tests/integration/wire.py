# SPDX-License-Identifier: BSD-2-Clause
"""Our frames in Python (docs/protocol.md section 1), and a vault for the worker to serve."""

import json
import os
import socket
import struct

from harness import PATIENCE, Failure

FRAME_MAX = 65536


def pack(fields):
    body = b""
    for key, value in [("v", "1"), *fields]:
        data = value if isinstance(value, bytes) else str(value).encode()
        body += key.encode() + b"\0" + struct.pack(">I", len(data)) + data
    return struct.pack(">I", len(body)) + body


def unpack(frame):
    """The fields of a frame, in order, as a dict of bytes."""
    (length,) = struct.unpack(">I", frame[:4])
    if length != len(frame) - 4:
        raise Failure(f"a frame says {length} bytes and has {len(frame) - 4}")
    fields, at = {}, 4
    while at < len(frame):
        end = frame.index(b"\0", at)
        key = frame[at:end].decode()
        (size,) = struct.unpack(">I", frame[end + 1 : end + 5])
        fields[key] = frame[end + 5 : end + 5 + size]
        at = end + 5 + size
    return fields


class Done:
    """How a job ended."""

    def __init__(self, fields):
        self.id = fields["id"].decode()
        self.result = fields["result"].decode()
        self.output = json.loads(fields.get("output", b"{}"))

    def __repr__(self):
        return f"{self.result} {json.dumps(self.output)}"


def unpack_attributes(data):
    """The field `attributes` of Worker.Sync as a dict of lists of bytes."""
    found, at = {}, 0
    while at < len(data):
        end = data.index(b"\0", at)
        name = data[at:end].decode()
        (count,) = struct.unpack(">H", data[end + 1 : end + 3])
        at, found[name] = end + 3, []
        for _ in range(count):
            (size,) = struct.unpack(">I", data[at : at + 4])
            found[name].append(data[at + 4 : at + 4 + size])
            at += 4 + size
    return found


class Sync:
    """What an LDAP job has told so far."""

    def __init__(self):
        self.ops = []
        self.fields = []

    def take(self, fields):
        self.ops.append(fields["op"].decode())
        self.fields.append(fields)

    def find(self, op):
        return [f for f in self.fields if f["op"] == op.encode()]

    @property
    def committed(self):
        return self.ops[-1:] == ["commit"]

    @property
    def cookie(self):
        return self.find("commit")[0]["cookie"].decode()

    def entries(self):
        """uuid -> (dn, attributes)"""
        return {f["uuid"].decode(): (f["dn"].decode(), unpack_attributes(f["attributes"]))
                for f in self.find("upsert")}


class FakeVault:
    """The vault's end of the worker's socket, under ROOT."""

    SOCKET = "run/rotated/worker"
    HELLO = b"Worker.Hello"

    def __init__(self, root, uid=None):
        """With UID, which root alone may give, the socket is that user's."""
        self.path = os.path.join(root, self.SOCKET)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        if uid is not None:
            os.seteuid(uid)  # SO_PEERCRED shows who called listen()
        self.listener.listen()
        if uid is not None:
            os.seteuid(0)
        self.listener.settimeout(PATIENCE)
        self.worker = None
        self.count = 0
        self.done = {}
        self.synced = {}
        self.sync_status = "ok"

    def accept(self):
        """Takes the worker's next connection and its greeting."""
        self.worker, _ = self.listener.accept()
        self.worker.settimeout(PATIENCE)
        hello = unpack(self.worker.recv(FRAME_MAX))
        if hello.get("verb") != self.HELLO:
            raise Failure(f"it began with {hello}")
        self.send([("status", "ok")])

    def send(self, fields):
        self.worker.sendall(pack(fields))

    def drop(self):
        self.worker.close()

    def close(self):
        if self.worker:
            self.worker.close()
        self.listener.close()
        os.unlink(self.path)

    def hook(self, program, action="apply", zone="example.com", timeout=30, payload=None,
             environment="", job=None):
        self.count += 1
        job = job or f"job-{self.count}"
        if not isinstance(payload, bytes):
            payload = json.dumps(payload or {}).encode()
        self.send([("verb", "Job.Hook"), ("id", job), ("program", program), ("action", action),
                   ("zone", zone), ("timeout", timeout), ("payload", payload),
                   ("environment", environment)])
        return job

    def dns(self, name, zone="example.com", timeout=30, **optional):
        self.count += 1
        job = f"job-{self.count}"
        self.send([("verb", "Job.Dns"), ("id", job), ("zone", zone), ("name", name),
                   *optional.items(), ("timeout", timeout)])
        return job

    def smtp(self, server, secret, user="relay", tls="starttls", timeout=30, **optional):
        self.count += 1
        job = f"job-{self.count}"
        self.send([("verb", "Job.Smtp"), ("id", job), ("zone", "provider"), ("server", server),
                   ("tls", tls), ("user", user), ("secret", secret), ("timeout", timeout),
                   *optional.items()])
        return job

    def ldap(self, uris, mode="full", timeout=60, bind="external", filter="(objectClass=*)",
             base="dc=example,dc=org", attributes="cn description", **optional):
        self.count += 1
        job = f"job-{self.count}"
        self.synced[job] = Sync()
        self.send([("verb", "Job.Ldap"), ("id", job), ("zone", "ldap"), ("timeout", timeout),
                   ("uris", uris), ("bind", bind), ("base", base), ("filter", filter),
                   ("attributes", attributes), ("mode", mode), *optional.items()])
        return job

    def receive(self):
        """One frame of the worker, answered."""
        frame = self.worker.recv(FRAME_MAX)
        if not frame:
            raise Failure("the worker is gone")
        fields = unpack(frame)
        if fields.get("verb") == b"Worker.Sync":
            self.synced[fields["id"].decode()].take(fields)
            self.send([("status", self.sync_status)])
        elif fields.get("verb") == b"Worker.Done":
            done = Done(fields)
            self.done[done.id] = done
            self.send([("status", "ok")])
        else:
            raise Failure(f"the worker said {fields}")

    def cancel(self, job):
        self.send([("verb", "Job.Cancel"), ("id", job)])

    def wait(self, job):
        """How JOB ended; what other jobs answer meanwhile is kept."""
        while job not in self.done:
            self.receive()
        return self.done.pop(job)

    def run_hook(self, *args, **more):
        return self.wait(self.hook(*args, **more))

    def probe(self, *args, **more):
        return self.wait(self.smtp(*args, **more))

    def read(self, *args, **more):
        """(how it ended, what it told)"""
        job = self.ldap(*args, **more)
        done = self.wait(job)
        return done, self.synced.pop(job)

    def ask(self, *args, **more):
        return self.wait(self.dns(*args, **more))


class FakeUnlockVault(FakeVault):
    """The vault's end of the porter's socket, under ROOT."""

    SOCKET = "run/rotated/unlock"
    HELLO = b"Unlock.Hello"

    def _ask(self, verb, timeout, fields):
        self.count += 1
        self.send([("verb", verb), ("id", self.count), ("timeout", timeout), *fields])
        return self.count

    def exec(self, program, blob=b"blob", timeout=30):
        return self._ask("Unlock.Open", timeout, [("kind", "exec"), ("program", program), ("blob", blob)])

    def credential(self, name, blob, timeout=30):
        return self._ask("Unlock.Open", timeout, [("kind", "credential"), ("name", name), ("blob", blob)])

    def seal(self, name, secret, timeout=30):
        return self._ask("Unlock.Seal", timeout, [("name", name), ("secret", secret)])

    def receive(self):
        frame = self.worker.recv(FRAME_MAX)
        if not frame:
            raise Failure("the porter is gone")
        fields = unpack(frame)
        if fields.pop("verb") != b"Unlock.Done":
            raise Failure(f"the porter said {fields}")
        self.done[int(fields["id"])] = fields
        self.send([("status", "ok")])

    def answer(self, question):
        """(result, the key or credential, message) of QUESTION"""
        fields = self.wait(question)
        text = fields.get("message", b"").decode() + " / " + fields.get("hint", b"").decode()
        return fields["result"].decode(), fields.get("secret", fields.get("blob")), text


def change(op, name, value=None, ttl=300):
    if op == "absent":
        return {"op": "absent", "name": name}
    chunks = [value[i : i + 255] for i in range(0, len(value), 255)]
    return {"op": "set", "name": name, "type": "TXT", "ttl": ttl, "value": value,
            "chunks": chunks}


def payload(zone, *changes, dry_run=False, job="4c2b7f3e-0000-4000-8000-000000000001"):
    """The JSON that a hook reads (rotated-hooks(7))."""
    return {"contract": "rotated-dns/1", "id": job, "zone": zone, "dry_run": dry_run,
            "changes": list(changes)}
