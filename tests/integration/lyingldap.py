# SPDX-License-Identifier: BSD-2-Clause
"""A directory server for the faults that slapd can not show. Takes one anonymous client at a time; FAULT says
what goes wrong in the answer to a search for a subtree."""

import socket
import threading

BIND_RESPONSE, SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE, EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x73, 0x78
PAGED = b"1.2.840.113556.1.4.319"


def tlv(tag, data):
    if len(data) < 128:
        return bytes([tag, len(data)]) + data
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + data


def octets(data):
    return tlv(4, data if isinstance(data, bytes) else data.encode())


def integer(value):
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def result(code, text=""):
    return tlv(10, code.to_bytes(code.bit_length() // 8 + 1, "big")) + octets("") + octets(text)


def page_control(cookie):
    return tlv(0xA0, tlv(0x30, octets(PAGED) + octets(tlv(0x30, integer(0) + octets(cookie)))))


def uuid(number):
    return f"00000000-0000-4000-8000-{number:012x}"


def entry(number, dn=None, attributes=None, with_uuid=True):
    found = [("cn", [f"n{number}"])] if attributes is None else list(attributes)
    if with_uuid:
        found += [("entryUUID", [uuid(number)]),
                  ("entryCSN", [f"20261123083000.{number:06d}Z#000000#001#000000"])]
    body = b"".join(tlv(0x30, octets(name) + tlv(0x31, b"".join(octets(v) for v in values)))
                    for name, values in found)
    return tlv(SEARCH_ENTRY, octets(dn or f"cn=n{number},dc=example,dc=org") + tlv(0x30, body))


def read_tlv(stream):
    head = stream.read(2)
    if len(head) < 2:
        return None
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(stream.read(size & 0x7F), "big")
    return head[0], stream.read(size)


def split(data):
    """The elements of a constructed one."""
    found, at = [], 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        found.append((tag, data[at : at + size]))
        at += size
    return found


class LyingLdap:
    def __init__(self, fault):
        self.fault = fault
        self.pages = 0
        self.number = b""
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.uri = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        self.clients = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.clients:
            client.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.clients.append(client)
            self.pages = 0
            if self.fault != "silent":
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        try:
            with client.makefile("rb") as stream:
                while (message := read_tlv(stream)) and self._answer(client, message[1]):
                    pass
        except OSError:
            pass
        finally:
            if self.fault not in ("stall", "half-message"):
                client.close()

    def _answer(self, client, message):
        (_, number), (op, body), *_ = split(message)
        number = int.from_bytes(number, "big")

        self.number = integer(number)

        def send(response, controls=b""):
            client.sendall(tlv(0x30, integer(number) + response + controls))

        if op == 0x60:
            send(tlv(BIND_RESPONSE, result(0)))
        elif op == 0x63:
            if split(body)[1][1] == b"\0":  # a base search: contextCSN, which we do not have
                send(tlv(SEARCH_DONE, result(32)))
                return True
            return self._search(client, send)
        else:
            return False
        return True

    def _search(self, client, send):
        self.pages += 1
        return getattr(self, "_" + self.fault.replace("-", "_"))(client, send)

    def _end(self, send, cookie=b"", code=0, text=""):
        send(tlv(SEARCH_DONE, result(code, text)), page_control(cookie))
        return True

    def _code(self, send, code, text="for the test"):
        send(entry(1))
        send(tlv(SEARCH_DONE, result(code, text)))
        return True

    def _stall(self, client, send):
        send(entry(1))
        return False

    def _early_end(self, client, send):
        send(entry(1))
        return False

    def _malformed(self, client, send):
        send(entry(1))
        client.sendall(tlv(0x30, self.number + tlv(SEARCH_ENTRY, b"\x04\x7fshort")))
        return True

    def _half_message(self, client, send):
        send(entry(1))
        client.sendall(b"\x30\x82\x10\x00" + self.number + b"x" * 50)
        return False

    def _same_page(self, client, send):
        send(entry(1))
        return self._end(send, b"again" if self.pages < 5 else b"")

    def _endless_empty(self, client, send):
        return self._end(send, b"again")

    def _no_control(self, client, send):
        return self._code(send, 0)

    def _bad_control(self, client, send):
        send(entry(1))
        send(tlv(SEARCH_DONE, result(0)), tlv(0xA0, tlv(0x30, octets(PAGED) + octets(b"\x30\x05\x02"))))
        return True

    def _unwilling(self, client, send):
        return self._code(send, 53)

    def _refresh_required(self, client, send):
        return self._code(send, 4096)

    def _busy(self, client, send):
        return self._code(send, 51)

    def _time_limit(self, client, send):
        return self._code(send, 3)

    def _size_limit(self, client, send):
        return self._code(send, 4)

    def _referral(self, client, send):
        send(entry(1))
        send(tlv(SEARCH_REFERENCE, octets("ldap://elsewhere.example.org/")))
        return self._end(send)

    def _no_uuid(self, client, send):
        send(entry(1))
        send(entry(2, with_uuid=False))
        return self._end(send)

    def _wrong_message(self, client, send):
        send(entry(1))
        send(tlv(BIND_RESPONSE, result(0)))
        return True

    def _enormous(self, client, send):
        send(entry(1))
        client.sendall(b"\x30\x84\x7f\xff\xff\xff" + self.number)
        chunk = b"x" * 65536
        for _ in range(400):
            client.sendall(chunk)
        return False

    def _odd_entries(self, client, send):
        send(entry(1, dn="cn=\033[2Jn1\xff,dc=example,dc=org"))
        send(entry(2, attributes=[("cn", [b"\xff\xfe\0"])]))
        send(entry(3, attributes=[("cn", ["a"]), ("CN", ["b"])]))
        send(entry(4, attributes=[("cn", [])]))
        return self._end(send)

    def _loud(self, client, send):
        return self._code(send, 80, "\033[2J" + "loud " * 5000)
