# SPDX-License-Identifier: BSD-2-Clause
"""Many clients of the control socket at once, whose requests are ready at the same time."""

import json
import socket

import wire
from harness import PATIENCE


class Client:
    """One connection; a request may be sent long before its answer is read."""

    def __init__(self, root):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(root.join("run/rotated/control"))

    def send(self, verb, **fields):
        self.socket.sendall(wire.pack([("verb", verb), *fields.items()]))

    def receive(self):
        """The fields of the answer as text; None when the vault is gone."""
        try:
            frame = self.socket.recv(wire.FRAME_MAX)
        except ConnectionError:
            return None
        return {k: v.decode() for k, v in wire.unpack(frame).items()} if frame else None

    def close(self):
        self.socket.close()


def ask_together(root, vault, requests):
    """The answers to [(verb, fields)], all of which the vault finds ready when it looks up."""
    early = [Client(root) for _ in requests[::2]]
    for client in early:  # the vault has accepted these
        client.send("Status.Get")
        while "more" in (client.receive() or {}):
            pass
    vault.pause()
    clients = []
    for verb, fields in requests:
        client = early.pop() if len(clients) % 2 == 0 else Client(root)
        client.send(verb, **fields)
        clients.append(client)
    vault.resume()
    answers = [client.receive() for client in clients]
    for client in clients:
        client.close()
    return answers


def txid(root):
    return json.loads(root.ctl("--json", "store", "verify").stdout)["txid"]
