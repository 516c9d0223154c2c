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


class FakeVault:
    """The vault's end of the worker's socket, under ROOT."""

    def __init__(self, root, uid=None):
        """With UID, which root alone may give, the socket is that user's."""
        self.path = os.path.join(root, "run/rotated/worker")
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

    def accept(self):
        """Takes the worker's next connection and its greeting."""
        self.worker, _ = self.listener.accept()
        self.worker.settimeout(PATIENCE)
        hello = unpack(self.worker.recv(FRAME_MAX))
        if hello.get("verb") != b"Worker.Hello":
            raise Failure(f"the worker began with {hello}")
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

    def cancel(self, job):
        self.send([("verb", "Job.Cancel"), ("id", job)])

    def wait(self, job):
        """How JOB ended; what other jobs answer meanwhile is kept."""
        while job not in self.done:
            frame = self.worker.recv(FRAME_MAX)
            if not frame:
                raise Failure("the worker is gone")
            fields = unpack(frame)
            if fields.get("verb") != b"Worker.Done":
                raise Failure(f"the worker said {fields}")
            done = Done(fields)
            self.done[done.id] = done
            self.send([("status", "ok")])
        return self.done.pop(job)

    def run_hook(self, *args, **more):
        return self.wait(self.hook(*args, **more))

    def ask(self, *args, **more):
        return self.wait(self.dns(*args, **more))


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
