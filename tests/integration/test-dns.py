#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotated-worker against a small Internet of real BIND servers: a root, a resolver, a primary
that takes updates for the DKIM subtree only, a secondary that lags, other people's zones.

All of it lives in a network namespace of its own, with only a loopback: port 53 of many addresses
is free there, and nothing can be asked of the real Internet by mistake."""

import os
import socket
import subprocess
import sys
import threading

from harness import BUILD, Results, Root, need_programs, skip
from servers import Bind, dig, wait_dns, zone_text
from wire import FakeVault, change, payload

INSIDE = "ROTATED_TEST_NETNS"
NET = "127.53.0."
ADDRESSES = [NET + str(n) for n in (1, 2, 11, 12, 13, 14, 15)]
RESOLVER, ROOT, NS1, NS2, OTHER, DELEGATED, LIAR = ADDRESSES
NAME = "r1._domainkey.example.com"
VALUE = ("v=DKIM1; k=rsa; h=sha256; s=email; p=" + "MIIBIjANBgkqhkiG9w0B" * 20)[:420]
BIG = "v=DKIM1; p=" + "x" * 2989

results = Results()


def strings(text):
    return " ".join(f'"{text[i : i + 250]}"' for i in range(0, len(text), 250))


ROOT_ZONE = f"""
ns.root. IN A {ROOT}
example.com. IN NS ns1.example.com.
example.com. IN NS ns2.example.com.
ns1.example.com. IN A {NS1}
ns2.example.com. IN A {NS2}
example.net. IN NS ns.example.net.
ns.example.net. IN A {OTHER}
example.org. IN NS ns.example.net.
"""

COM_RECORDS = f"""
ns1 IN A {NS1}
ns2 IN A {NS2}
mail IN A 192.0.2.1
_dmarc IN TXT "v=DMARC1; p=none"
big._domainkey IN TXT {strings(BIG)}
c1._domainkey IN CNAME c1.dkim.keys.example.net.
c2._domainkey IN CNAME c3._domainkey
c3._domainkey IN TXT "v=DKIM1; p=inside"
c4._domainkey IN CNAME nothing.dkim.example.net.
loop1._domainkey IN CNAME loop2._domainkey
loop2._domainkey IN CNAME loop1._domainkey
"""

NET_RECORDS = f"""
ns IN A {OTHER}
ns IN AAAA 2001:db8::53
c1.dkim.keys IN TXT "v=DKIM1; p=elsewhere"
_domainkey IN NS ns._domainkey
_domainkey IN NS ns-sub
ns._domainkey IN A {DELEGATED}
ns-sub IN A {DELEGATED}
"""


class Internet:
    """The servers, and the worker that asks them."""

    def __init__(self, root):
        self.root = root
        top = Bind(root, "root", ROOT, 53)
        top.primary(".", zone_text(ROOT_ZONE, ns="ns.root."))
        top.start()
        self.resolver = Bind(root, "resolver", RESOLVER, 53,
                             "recursion yes; allow-recursion { any; }; querylog yes;")
        hints = root.write("hints", f". 3600 IN NS ns.root.\nns.root. 3600 IN A {ROOT}\n")
        self.resolver.zones = f'zone "." {{ type hint; file "{hints}"; }};\n'
        self.resolver.start()
        self.ns1 = Bind(root, "ns1", NS1, 53)
        self.key = self.ns1.key()
        self.ns1.primary("example.com", zone_text(COM_RECORDS, ns=["ns1", "ns2"]),
                         "update-policy { grant rotated subdomain _domainkey.example.com. TXT; };")
        self.ns1.start()
        self.ns2 = Bind(root, "ns2", NS2, 53)
        self.ns2.secondary("example.com", self.ns1)
        self.ns2.start()
        underscores = "recursion no; check-names primary ignore;"
        other = Bind(root, "other", OTHER, 53, underscores)
        other.primary("example.net", zone_text(NET_RECORDS, ns="ns"))
        other.start()
        delegated = Bind(root, "delegated", DELEGATED, 53, underscores)
        delegated.primary("_domainkey.example.net",
                          zone_text(f'ns IN A {DELEGATED}\ns1 IN TXT "v=DKIM1; p=sub"\n', ns="ns"))
        delegated.start()
        liar = Bind(root, "liar", LIAR, 53)
        liar.primary("example.com", zone_text(f"ns1 IN A {LIAR}\n"
                                              'r1._domainkey IN TXT "v=DKIM1; p=other"\n'
                                              'r2._domainkey IN TXT "one"\n'
                                              'r2._domainkey IN TXT "two"\n'))
        liar.start()
        for address in (NS1, NS2, LIAR):
            wait_dns(address, 53, "example.com")
        self.vault = FakeVault(root.path)
        root.start_worker()
        self.vault.accept()

    def hook(self, *changes):
        return self.vault.run_hook(
            os.path.join(BUILD, "hooks/dns-nsupdate"), payload=payload("example.com.", *changes),
            environment=f"ROTATED_SETTING_KEY_FILE={self.key}\nROTATED_SETTING_SERVER={NS1}\n")

    def ask(self, name, **more):
        return self.vault.ask(name, resolver=f"{RESOLVER}:53", **more)

    def catch_up(self):
        """The secondary fetches the zone anew, as if its refresh time had come."""
        self.ns2.stop()
        os.unlink(os.path.join(self.ns2.folder, "example.com.sec"))
        self.ns2.start()
        wait_dns(NS2, 53, "example.com")


def by_server(done):
    return {s["server"]: s["result"] for s in done.output["servers"]}


def publish(net):
    with results.case("a name that no server has is absent, with the zone's negative TTL"):
        done = net.ask(NAME, expect=VALUE)
        assert done.result == "absent" and done.output["negative_ttl"] == 120, done
        assert by_server(done) == {f"{NS1}:53": "absent", f"{NS2}:53": "absent"}, done
        assert done.output["zone"] == "example.com.", done
    with results.case("the shipped hook publishes 420 bytes as one record of two strings"):
        done = net.hook(change("set", NAME + ".", VALUE))
        assert done.result == "ok", done
        shown = dig(NS1, 53, NAME, "TXT", "+short").strip()
        assert shown == f'"{VALUE[:255]}" "{VALUE[255:]}"', shown
    with results.case("while the secondary lags the record is only partly there"):
        done = net.ask(NAME, expect=VALUE)
        assert done.result == "partial", done
        assert by_server(done) == {f"{NS1}:53": "visible", f"{NS2}:53": "absent"}, done
    with results.case("once every server has it, it is visible, with its TTL"):
        net.catch_up()
        done = net.ask(NAME, expect=VALUE)
        assert done.result == "visible" and done.output["ttl"] == 300, done
        assert {s["name"] for s in done.output["servers"]} == {"ns1.example.com.",
                                                              "ns2.example.com."}, done
    with results.case("the same record is not what was wanted if one character differs"):
        assert net.ask(NAME, expect=VALUE[:-1] + "-").result == "differs"
        assert net.ask(NAME, expect=VALUE[:-1]).result == "differs"
        assert net.ask(NAME).result == "visible"
    with results.case("names are compared without case, as DNS does"):
        assert net.ask(NAME.upper(), expect=VALUE).result == "visible"


def refused(net):
    with results.case("the server refuses the hook's key outside the DKIM subtree: denied"):
        done = net.hook(change("set", "_dmarc.example.com.", "v=DMARC1; p=reject"))
        assert done.result == "denied" and "REFUSED" in done.output["detail"], done
        assert "p=none" in dig(NS1, 53, "_dmarc.example.com")


def trouble(net):
    with results.case("a server that is down holds the record at partial, and is named"):
        net.ns2.stop()
        done = net.ask(NAME, expect=VALUE)
        assert done.result == "partial", done
        assert by_server(done) == {f"{NS1}:53": "visible", f"{NS2}:53": "unreachable"}, done
        (down,) = [s for s in done.output["servers"] if s["result"] == "unreachable"]
        assert "refused" in down["detail"].lower(), done
        net.ns2.start()
        wait_dns(NS2, 53, "example.com")
    with results.case("a server that answers differently makes it partial, alone it differs"):
        done = net.ask(NAME, expect=VALUE, servers=f"{NS1} {LIAR}:53")
        assert done.result == "partial", done
        assert by_server(done)[f"{LIAR}:53"] == "differs", done
        done = net.ask(NAME, expect=VALUE, servers=LIAR)
        assert done.result == "differs" and "p=other" in done.output["servers"][0]["detail"], done
    with results.case("two records at the name are wrong whatever they say"):
        done = net.ask("r2._domainkey.example.com", servers=LIAR)
        assert done.result == "differs" and done.output["servers"][0]["records"] == 2, done
    with results.case("a server that does not serve the zone is no server of it"):
        done = net.ask(NAME, expect=VALUE, servers=OTHER)
        assert done.result == "unreachable" and done.output["servers"][0]["rcode"] == "REFUSED", done
    with results.case("with servers= a zone's negative TTL is known too"):
        assert net.ask(NAME, expect=VALUE, servers=NS1).output["negative_ttl"] == 120
    with results.case("a resolver is no authority"):
        done = net.ask("mail.example.com", servers=RESOLVER)
        assert done.result == "unreachable", done
        assert "without authority" in done.output["servers"][0]["detail"], done
    with results.case("a zone that the resolver can not find is unreachable, and it says so"):
        done = net.ask("r1._domainkey.example.org", zone="example.org")
        assert done.result == "unreachable", done
        assert "resolver" in done.output["servers"][0]["detail"], done
    with results.case("a job that can not be meant is answered, not run"):
        for bad in ({"name": "a..b"}, {"name": "r1._domainkey.example.net"}, {"servers": "ns1"},
                    {"expect": "x" * 5000}):
            done = net.ask(**{"name": NAME, **bad})
            assert done.result == "unreachable" and done.output["detail"], (bad, done)


def shapes(net):
    with results.case("an answer that does not fit a datagram is fetched by TCP"):
        assert "tc" in dig(NS1, 53, "big._domainkey.example.com", "TXT", "+ignore",
                           "+bufsize=1232").split("flags:")[1].split(";")[0]
        done = net.ask("big._domainkey.example.com", expect=BIG)
        assert done.result == "visible", done
    with results.case("an alias is followed to the servers of the other zone"):
        done = net.ask("c1._domainkey.example.com", expect="v=DKIM1; p=elsewhere")
        assert done.result == "visible" and by_server(done)[f"{OTHER}:53"] == "visible", done
        assert done.output["cname"] == "c1.dkim.keys.example.net.", done
    with results.case("an IPv6 address without a route is shown, and counts for nothing"):
        assert by_server(done)["[2001:db8::53]:53"] == "unreachable", done
    with results.case("an alias to another text differs"):
        assert net.ask("c1._domainkey.example.com", expect="v=DKIM1; p=x").result == "differs"
    with results.case("an alias inside the zone is followed at the same servers"):
        done = net.ask("c2._domainkey.example.com", expect="v=DKIM1; p=inside")
        assert done.result == "visible" and len(done.output["servers"]) == 2, done
        done = net.ask("c2._domainkey.example.com", servers=f"{NS1} {NS2}")
        assert done.result == "visible" and len(done.output["servers"]) == 2, done
    with results.case("an alias to nothing is absent"):
        assert net.ask("c4._domainkey.example.com").result == "absent"
    with results.case("aliases in a circle are nowhere"):
        assert net.ask("loop1._domainkey.example.com").result == "unreachable"
    with results.case("a delegated _domainkey is followed to its own servers"):
        done = net.ask("s1._domainkey.example.net", zone="example.net", expect="v=DKIM1; p=sub")
        assert done.result == "visible", done
        assert by_server(done) == {f"{DELEGATED}:53": "visible",
                                   "[2001:db8::53]:53": "unreachable"}, done
        assert done.output["zone"] == "_domainkey.example.net.", done
        asked = {s["name"] for s in done.output["servers"] if s["result"] == "visible"}
        assert asked == {"ns._domainkey.example.net.", "ns-sub.example.net."}, done
    with results.case("a mail domain below the apex of its zone has the zone's servers"):
        done = net.ask("r1._domainkey.mail.example.com", zone="mail.example.com")
        assert done.result == "absent" and done.output["zone"] == "example.com.", done


class FakeServer:
    """A server on UDP that answers each datagram with what MAKE gives: a list of datagrams."""

    def __init__(self, make):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.at = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.make = make
        self.asked = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, peer = self.socket.recvfrom(4096)
            self.asked.set()
            for answer in self.make(question):
                self.socket.sendto(answer, peer)


def reply(question, text=b"real", head=None, kind=b"\0\x10", data=None):
    """An answer with one record, TXT if not told else, to a question that ends with OPT."""
    data = data or bytes([len(text)]) + text
    return ((head or question[:2]) + b"\x84\0\0\1\0\1\0\0\0\0" + question[12:-11] +
            b"\xc0\x0c" + kind + b"\0\1\0\0\1\x2c" + len(data).to_bytes(2, "big") + data)


def strangers(net):
    name = "r1._domainkey.example.com"
    with results.case("a datagram with another id or question is passed over"):

        def mixed(question):
            wrong = bytes([question[0] ^ 1, question[1]])
            other = question[:13] + b"x" + question[14:]
            return [reply(question, head=wrong, text=b"forged"), reply(other, text=b"forged"),
                    b"", b"\0", question, reply(question)]

        done = net.ask(name, servers=FakeServer(mixed).at, expect="real")
        assert done.result == "visible", done
    with results.case("an answer that is cut short or malformed is no answer"):
        for cut in (1, 5, 12):
            done = net.ask(name, servers=FakeServer(lambda q, n=cut: [reply(q)[:-n]]).at)
            assert done.result == "unreachable", done
            assert "broken" in done.output["servers"][0]["detail"], done
    with results.case("aliases that go on and on come to an end"):
        server = FakeServer(lambda q: [reply(q, kind=b"\0\x05", data=b"\1a\xc0\x0c")])
        done = net.ask(name, servers=server.at)
        assert done.result == "unreachable" and "go on" in str(done.output), done
    with results.case("an alias to itself comes to an end"):
        server = FakeServer(lambda q: [reply(q, kind=b"\0\x05", data=b"\xc0\x0c")])
        assert net.ask(name, servers=server.at).result == "unreachable"
    with results.case("the ids of questions do not repeat, and each comes from another port"):
        seen = []

        def remember(question):
            seen.append(question[:2])
            return [reply(question)]

        server = FakeServer(remember)
        for _ in range(8):
            net.ask(name, servers=server.at)
        assert len(set(seen)) > 4, seen
    with results.case("a server that is silent holds up neither other jobs nor its own deadline"):
        silent = FakeServer(lambda q: [])
        slow = net.vault.dns(name, servers=silent.at, timeout=3)
        assert silent.asked.wait(30)
        assert net.ask(NAME, expect=VALUE).result == "visible"
        assert slow not in net.vault.done, "the slow job came first"
        done = net.vault.wait(slow)
        assert done.result == "unreachable", done
        assert "in time" in done.output["servers"][0]["detail"], done
    with results.case("a DNS job that is cancelled ends as unreachable"):
        silent = FakeServer(lambda q: [])
        job = net.vault.dns(name, servers=silent.at, timeout=1000)
        assert silent.asked.wait(30)
        net.vault.cancel(job)
        assert net.vault.wait(job).result == "unreachable"


def withdraw(net):
    with results.case("a record that is removed is partly there until the secondary follows"):
        assert net.hook(change("absent", NAME + ".")).result == "ok"
        assert net.ask(NAME, expect=VALUE).result == "partial"
        net.catch_up()
        assert net.ask(NAME, expect=VALUE).result == "absent"
    with results.case("the resolver was never asked for a record, nor for a name above it"):
        asked = [line.split("query: ")[1].split()[0].lower()
                 for line in net.resolver.process.log().splitlines() if " query: " in line]
        assert "example.com" in asked and "ns1.example.com" in asked, asked
        assert not [name for name in asked if "_domainkey" in name or "dkim" in name], set(asked)


def enter_namespace():
    try:
        subprocess.run(["unshare", "--net", "true"], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        skip("may not make a network namespace: needs to be root")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", os.path.abspath(__file__)])


def main():
    need_programs("named", "tsig-keygen", "nsupdate", "dig", "ip", "unshare")
    if INSIDE not in os.environ:
        enter_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", f"{address}/8", "dev", "lo"], check=True)
    with Root() as root:
        net = Internet(root)
        publish(net)
        refused(net)
        trouble(net)
        shapes(net)
        strangers(net)
        withdraw(net)
        net.vault.close()
    results.exit()


main()
