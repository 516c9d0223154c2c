# SPDX-License-Identifier: BSD-2-Clause
"""A worker whose directory is a Python dict: what the vault does with what it is told."""

import socket
import struct
import threading
import uuid

from harness import Failure
from wire import FRAME_MAX, pack, unpack


def attributes(values):
    """The field `attributes` of Worker.Sync."""
    out = b""
    for name, given in values.items():
        many = given if isinstance(given, list) else [given]
        out += name.encode() + b"\0" + struct.pack(">H", len(many))
        for value in many:
            data = value if isinstance(value, bytes) else value.encode()
            out += struct.pack(">I", len(data)) + data
    return out


class FakeDirectory:
    """Entries by uuid; answers every Job.Ldap with all of them, or as `script` says."""

    def __init__(self, root):
        self.path = root.join("run/rotated/worker")
        self.entries = {}
        self.cookie = 0
        self.result = "ok"  # of a job; anything else sends nothing before
        self.restored = False
        self.modes = []
        self.jobs = []
        self.stop_after = None  # hang up after that many entries
        self.ended = False
        self.sock = None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def add(self, service, number=None, **values):
        key = str(uuid.UUID(int=number)) if number else str(uuid.uuid4())
        self.entries[key] = (f"cn={service},dc=example", {"rotatedServiceId": service, **values})
        return key

    def close(self):
        self.ended = True
        if self.sock:
            self.sock.close()
        self.thread.join(5)

    def _serve(self):
        while not self.ended:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as self.sock:
                    self.sock.connect(self.path)
                    self._say([("verb", "Worker.Hello")])
                    while True:
                        frame = self.sock.recv(FRAME_MAX)
                        if not frame:
                            break
                        job = unpack(frame)
                        if job.get("verb") == b"Job.Ldap":
                            self._answer(job["id"].decode(), job)
            except (OSError, Failure):
                threading.Event().wait(0.05)

    def _say(self, fields):
        self.sock.sendall(pack(fields))
        frame = self.sock.recv(FRAME_MAX)
        if not frame:
            raise OSError("the vault hung up")
        return unpack(frame)["status"]

    def _sync(self, job, op, *fields):
        status = self._say([("verb", "Worker.Sync"), ("id", job), ("op", op), *fields])
        if status != b"ok":
            raise Failure(f"{op}: {status}")

    def _answer(self, job, fields):
        mode = fields["mode"].decode()
        self.modes.append(mode)
        self.jobs.append(fields)
        result = self.result
        if result == "ok":
            try:
                self._tell(job, mode)
            except Failure:
                result = "temporary"
        self._say([("verb", "Worker.Done"), ("id", job), ("result", result)])

    def _tell(self, job, mode):
        restored = [("restored", "1")] if self.restored else []
        self._sync(job, "begin", ("mode", mode), *restored, ("server", "ldapi://fake"))
        for number, (key, (dn, values)) in enumerate(list(self.entries.items())):
            if self.stop_after is not None and number == self.stop_after:
                self.sock.close()
                raise OSError("hung up")
            if isinstance(values, str):
                self._sync(job, "broken", ("uuid", key), ("dn", dn), ("problem", values))
            else:
                self._sync(job, "upsert", ("uuid", key), ("dn", dn),
                           ("attributes", attributes(values)))
        self._sync(job, "commit", ("mode", mode), ("cookie", f"c{self.cookie}"))
