#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotated-worker reads real directories, and directories that lie."""

import base64
import os
import shutil

from harness import Results, Root, need_programs, poll
from lyingldap import LyingLdap
from servers import LDAP_BASE, LDAP_PASSWORD, Slapd
from tlsfiles import Authority
from wire import FakeVault

results = Results()
FILTER = "(objectClass=organizationalRole)"
MANY = 5000


def names(sync):
    return sorted(a["cn"][0].decode() for _, a in sync.entries().values() if "cn" in a)


def services(sync):
    return [n for n in names(sync) if n != "reader"]


def simple(slapd, password=LDAP_PASSWORD):
    return {"bind": "simple", "bind_dn": slapd.READER, "password": password}


def passes(vault, slapd):
    """A full pass and deltas over ldapi."""
    slapd.add("billing", "crm")
    with results.case("a full pass tells of every entry, then commits"):
        done, sync = vault.read(slapd.ldapi, filter=FILTER)
        assert done.result == "ok" and sync.ops[0] == "begin" and sync.committed, (done, sync.ops)
        assert services(sync) == ["billing", "crm"], services(sync)
        assert done.output["entries"] == 3 and done.output["server"] == slapd.ldapi, done
        assert sync.fields[0]["mode"] == b"full" and "restored" not in sync.fields[0]
    cookie = sync.cookie
    with results.case("a delta in which nothing changed is empty"):
        done, sync = vault.read(slapd.ldapi, mode="delta", cookie=cookie, filter=FILTER)
        assert done.result == "ok" and sync.ops == ["begin", "commit"], (done, sync.ops)
    uuids = {}
    with results.case("a delta tells of what was added and changed since"):
        slapd.add("shop")
        slapd.describe("crm", "changed")
        done, sync = vault.read(slapd.ldapi, mode="delta", cookie=cookie, filter=FILTER)
        uuids = {a["cn"][0]: u for u, (_, a) in sync.entries().items()}
        assert done.result == "ok" and sync.committed, done
        assert {b"shop", b"crm"} <= set(uuids), uuids
        described = {a["cn"][0]: a.get("description") for _, a in sync.entries().values()}
        assert described[b"crm"] == [b"changed"]
    with results.case("a renamed entry keeps its uuid"):
        slapd.rename("shop", "store")
        done, sync = vault.read(slapd.ldapi, mode="delta", cookie=sync.cookie, filter=FILTER)
        dn, found = sync.entries()[uuids[b"shop"]]
        assert dn == slapd.dn("store") and found["cn"] == [b"store"], (dn, found)
    with results.case("a delta says nothing of a deletion, the next full pass lacks the entry"):
        slapd.delete("store")
        done, sync = vault.read(slapd.ldapi, mode="delta", cookie=sync.cookie, filter=FILTER)
        assert done.result == "ok" and "delete" not in sync.ops, (done, sync.ops)
        done, sync = vault.read(slapd.ldapi, filter=FILTER, cookie=sync.cookie)
        assert done.result == "ok" and services(sync) == ["billing", "crm"], services(sync)
        assert "restored" not in sync.find("commit")[0]
    return sync.cookie


def values(vault, slapd):
    blob = bytes(range(256)) * 4
    many = "".join(f"description: value {n}\n" for n in range(1000))
    slapd.modify(slapd.ldif("blob", more=f"userPassword:: {base64.b64encode(blob).decode()}\n",
                            ).replace("objectClass: organizationalRole\n",
                                      "objectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"))
    slapd.modify(slapd.ldif("many", more=many))
    slapd.modify(slapd.ldif("latin", more="seeAlso: cn=a\n"))
    slapd.modify(slapd.ldif("huge", more="".join(
        f"description: {n} {'x' * 1000}\n" for n in range(100))))
    with results.case("binary values arrive as they are, and many of them"):
        # as the admin, who may read passwords
        done, sync = vault.read(slapd.ldapi, filter="(|(cn=blob)(cn=many)(cn=latin))",
                                attributes="cn description userPassword")
        found = {a["cn"][0]: a for _, a in sync.entries().values()}
        assert done.result == "ok" and found[b"blob"]["userPassword"] == [blob], done
        assert len(found[b"many"]["description"]) == 1001
        assert not any("entryUUID" in a or "seeAlso" in a for a in found.values())
    with results.case("an entry too large for a frame is broken, the others are not affected"):
        done, sync = vault.read(slapd.ldapi, filter=FILTER)
        (broken,) = sync.find("broken")
        assert done.result == "ok" and sync.committed and done.output["broken"] == 1, done
        assert b"larger than 60 KiB" in broken["problem"] and b"cn=huge" in broken["dn"], broken
        assert len(broken["uuid"]) == 36 and "blob" in names(sync)
    with results.case("with only small attributes asked for it is whole"):
        done, sync = vault.read(slapd.ldapi, filter=FILTER, attributes="cn")
        assert done.result == "ok" and "huge" in names(sync) and not sync.find("broken"), done
    slapd.delete("blob", "many", "latin", "huge")


def tls(root, vault, slapd, authority, stranger):
    ca = {"ca": authority.ca}
    with results.case("ldaps and StartTLS with a good certificate and a simple login work"):
        for uri, more in ((slapd.ldaps, {}), (slapd.ldap, {"starttls": "1"})):
            done, sync = vault.read(uri, filter=FILTER, **ca, **simple(slapd), **more)
            assert done.result == "ok" and sync.committed, (uri, done)
    by_name = slapd.ldaps.replace("127.0.0.1", "localhost")
    with results.case("a certificate for another name is config, over ldaps and StartTLS"):
        for uri, more in ((by_name, {}),
                          (slapd.ldap.replace("127.0.0.1", "localhost"), {"starttls": "1"})):
            done, sync = vault.read(uri, filter=FILTER, **ca, **simple(slapd), **more)
            assert done.result == "config" and not sync.ops, (uri, done)
            assert "TLS" in done.output["detail"], done
    with results.case("a certificate of another CA is config"):
        for uri, more in ((slapd.ldaps, {}), (slapd.ldap, {"starttls": "1"})):
            done, sync = vault.read(uri, filter=FILTER, ca=stranger.ca, **simple(slapd), **more)
            assert done.result == "config" and not sync.ops, (uri, done)
    with results.case("a wrong password is denied, and nobody reads it in the log"):
        done, sync = vault.read(slapd.ldaps, filter=FILTER, **ca, **simple(slapd, "wrong-pass-42"))
        assert done.result == "denied" and not sync.ops, done
        assert "wrong-pass-42" not in root.log_of_worker()
    with results.case("a CA file that is not there is config"):
        done, _ = vault.read(slapd.ldaps, filter=FILTER, ca="/nonexistent.pem", **simple(slapd))
        assert done.result == "config", done
    with results.case("ldap:// without StartTLS is refused unless it is on loopback"):
        done, _ = vault.read("ldap://ldap.example.org", filter=FILTER, **simple(slapd))
        assert done.result == "config" and "loopback" in done.output["detail"], done
        done, _ = vault.read(slapd.ldap, filter=FILTER, **simple(slapd))
        assert done.result == "ok", done


def mistakes(vault, slapd):
    with results.case("a base that is not there, a filter that is none: config, with the words"):
        done, sync = vault.read(slapd.ldapi, base="ou=none,dc=example,dc=org")
        assert done.result == "config" and "No such object" in done.output["detail"], done
        assert not sync.committed
        for bad in ("(cn=a)(cn=b)", "cn=a", "(cn=a", ""):
            done, _ = vault.read(slapd.ldapi, filter=bad)
            assert done.result == "config", (bad, done)
        done, sync = vault.read(slapd.ldapi, filter="(&(cn=a)(|))(x", base=LDAP_BASE)
        assert done.result == "config" and not sync.committed, done
    with results.case("a delta without a cookie, or with a foreign one, is config"):
        assert vault.read(slapd.ldapi, mode="delta")[0].result == "config"
        assert vault.read(slapd.ldapi, mode="delta", cookie="rubbish")[0].result == "config"
    with results.case("a simple login with an empty password is config, not an anonymous one"):
        done, _ = vault.read(slapd.ldapi, bind="simple", bind_dn=slapd.READER, password="")
        assert done.result == "config", done
    with results.case("more entries than the limit: no commit, config"):
        done, sync = vault.read(slapd.ldapi, limit=2)
        assert done.result == "config" and not sync.committed, done


def failover(vault, slapd, closed):
    with results.case("the first server that answers is taken"):
        done, _ = vault.read(f"{closed} {slapd.ldapi}", filter=FILTER)
        assert done.result == "ok" and done.output["server"] == slapd.ldapi, done
    with results.case("no server at all: unreachable, with the words"):
        done, sync = vault.read(closed, filter=FILTER)
        assert done.result == "unreachable" and closed in done.output["detail"], done
    with results.case("a server that is stopped: unreachable within the deadline"):
        slapd.process.pause()
        done, sync = vault.read(f"{slapd.ldap} {slapd.ldaps}", filter=FILTER, timeout=4, **simple(slapd))
        slapd.process.resume()
        assert done.result in ("unreachable", "timeout") and not sync.ops, done


def many_entries(vault, slapd):
    slapd.stop()
    slapd.slapadd("".join(slapd.ldif(f"s{n:05}") for n in range(MANY)))
    slapd.start()
    with results.case("5,000 entries come in pages, each once"):
        done, sync = vault.read(slapd.ldapi, filter="(cn=s*)", timeout=300)
        assert done.result == "ok" and len(sync.entries()) == MANY == done.output["entries"], done
        assert sync.ops.count("upsert") == MANY
    cookie = sync.cookie
    with results.case("what is added while pages are read comes with the next delta at the latest"):
        job = vault.ldap(slapd.ldapi, filter="(cn=s*)", timeout=300)
        while len(vault.synced[job].ops) < 100:
            vault.receive()
        slapd.add("s-during")
        done, sync = vault.wait(job), vault.synced.pop(job)
        assert done.result == "ok", done
        late = set(names(sync))
        done, sync = vault.read(slapd.ldapi, mode="delta", filter="(cn=s*)", cookie=sync.cookie)
        assert done.result == "ok" and "s-during" in late | set(names(sync)), done
    with results.case("a delta from before tells of it, and not of all"):
        done, sync = vault.read(slapd.ldapi, mode="delta", filter="(cn=s*)", cookie=cookie)
        assert "s-during" in names(sync) and done.result == "ok", done
    return cookie


def slow_vault(vault, slapd):
    with results.case("a vault that does not answer holds the worker back, at 16 frames"):
        job = vault.ldap(slapd.ldapi, filter="(cn=s*)", timeout=300)
        sync = vault.synced[job]
        held = 0
        vault.worker.settimeout(3)
        try:
            while True:
                vault.worker.recv(65536)
                held += 1
        except TimeoutError:
            pass
        vault.worker.settimeout(60)
        assert held == 16, held
        for _ in range(held):
            vault.send([("status", "ok")])
        done = vault.wait(job)
        assert done.result == "ok" and len(sync.ops) == MANY + 3 - held, (done, len(sync.ops))
    with results.case("a vault that refuses ends the job as temporary"):
        vault.sync_status = "refused"
        done, sync = vault.read(slapd.ldapi, filter="(cn=s*)")
        vault.sync_status = "ok"
        assert done.result == "temporary" and not sync.committed, done
    with results.case("a cancelled job ends as timeout, without a commit"):
        job = vault.ldap(slapd.ldapi, filter="(cn=s*)", timeout=300)
        while not vault.synced[job].ops:
            vault.receive()
        vault.cancel(job)
        done = vault.wait(job)
        assert done.result == "timeout" and not vault.synced.pop(job).committed, done
    with results.case("a job whose child has ended, but whose vault is slow, ends in its time"):
        job = vault.ldap(slapd.ldapi, filter="(cn=billing)", timeout=2)
        frames = [vault.worker.recv(65536) for _ in range(3)]
        assert len(frames) == 3
        fields = vault.worker.recv(65536)
        assert b"timeout" in fields and job.encode() in fields, fields
        for _ in range(4):
            vault.send([("status", "ok")])
    with results.case("and the worker goes on as before"):
        done, sync = vault.read(slapd.ldapi, filter="(cn=billing)")
        assert done.result == "ok" and names(sync) == ["billing"], done


def restored(root, vault):
    slapd = Slapd(root, "backup").start()
    slapd.add("old")
    slapd.stop()
    shutil.copytree(slapd.db, slapd.db + ".saved")
    slapd.start()
    slapd.add("young")
    done, sync = vault.read(slapd.ldapi, filter=FILTER)
    cookie = sync.cookie
    slapd.stop()
    shutil.rmtree(slapd.db)
    shutil.move(slapd.db + ".saved", slapd.db)
    slapd.start()
    with results.case("a directory restored to an older state: a delta says so and commits nothing"):
        done, sync = vault.read(slapd.ldapi, mode="delta", filter=FILTER, cookie=cookie)
        assert done.result == "restored" and not sync.committed, done
    with results.case("and a full pass is marked"):
        done, sync = vault.read(slapd.ldapi, filter=FILTER, cookie=cookie)
        assert done.result == "ok" and sync.fields[0]["restored"] == b"1", (done, sync.fields[0])
        assert sync.find("commit")[0]["restored"] == b"1" and services(sync) == ["old"]
    with results.case("its cookie is good from then on"):
        done, sync = vault.read(slapd.ldapi, mode="delta", filter=FILTER, cookie=sync.cookie)
        assert done.result == "ok" and sync.ops == ["begin", "commit"], done
    slapd.stop()


def not_kept(root, vault):
    """A contextCSN that is shown, but that nobody keeps, would hide every change."""
    slapd = Slapd(root, "kept").start()
    slapd.add("one")
    done, sync = vault.read(slapd.ldapi, filter=FILTER)
    cookie = sync.cookie
    slapd.stop()
    with open(slapd.conf, encoding="utf-8") as f:
        text = f.read()
    with open(slapd.conf, "w", encoding="utf-8") as f:
        f.write(text.partition("overlay syncprov")[0])
    slapd.start()
    slapd.add("two")
    with results.case("a contextCSN that is not kept is noticed by a delta"):
        done, sync = vault.read(slapd.ldapi, mode="delta", filter=FILTER, cookie=cookie)
        assert " set " in cookie and done.result == "restored" and not sync.committed, (cookie, done)
        assert "contextCSN" in done.output["detail"], done
    with results.case("and is not the mark of a full pass, nor of the deltas after it"):
        done, sync = vault.read(slapd.ldapi, filter=FILTER, cookie=cookie)
        assert done.result == "ok" and " csn " in sync.cookie, (done, sync.cookie)
        slapd.add("three")
        done, sync = vault.read(slapd.ldapi, mode="delta", filter=FILTER, cookie=sync.cookie)
        assert "three" in names(sync) and done.result == "ok" and " csn " in sync.cookie, done
    slapd.stop()


def plain(root, vault):
    """Without syncprov there is no contextCSN."""
    slapd = Slapd(root, "plain", syncprov=False).start()
    slapd.add("one", "two")
    with results.case("without contextCSN the newest entryCSN is the mark"):
        done, sync = vault.read(slapd.ldapi, filter=FILTER)
        assert done.result == "ok" and " csn " in sync.cookie, (done, sync.cookie)
        slapd.add("three")
        done, sync = vault.read(slapd.ldapi, mode="delta", filter=FILTER, cookie=sync.cookie)
        assert done.result == "ok" and "three" in names(sync), (done, names(sync))
    cookie = sync.cookie
    with results.case("and another server's mark is worth nothing"):
        done, _ = vault.read(slapd.ldap, mode="delta", filter=FILTER, cookie=cookie, **simple(slapd))
        assert done.result == "restored", done
    with results.case("when the newest entry is gone a delta asks for a full pass, which is marked"):
        slapd.delete("three")
        done, sync = vault.read(slapd.ldapi, mode="delta", filter=FILTER, cookie=cookie)
        assert done.result == "restored" and not sync.committed, done
        done, sync = vault.read(slapd.ldapi, filter=FILTER, cookie=cookie)
        assert done.result == "ok" and sync.find("commit")[0]["restored"] == b"1", done
    slapd.stop()


def limits(root, vault):
    slapd = Slapd(root, "small", options="limits * size.soft=20 size.hard=20 size.prtotal=hard")
    slapd.slapadd("".join(slapd.ldif(f"s{n:03}") for n in range(60)))
    slapd.start()
    with results.case("a size limit of the server's: no commit, config, with its name"):
        done, sync = vault.read(slapd.ldap, filter=FILTER, **simple(slapd))
        assert done.result == "config" and not sync.committed, done
        assert "limit" in done.output["detail"].lower(), done
    slapd.stop()
    hidden = Slapd(root, "hidden", options="")
    with open(hidden.conf, encoding="utf-8") as f:
        text = f.read()
    with open(hidden.conf, "w", encoding="utf-8") as f:
        f.write(text.replace("access to * by * read",
                             f'access to attrs=entryUUID by dn.exact="{hidden.READER}" none by * read\n'
                             "access to * by * read"))
    hidden.start()
    hidden.add("one")
    with results.case("an entryUUID that may not be read: no commit, config, with the cure"):
        done, sync = vault.read(hidden.ldap, filter=FILTER, **simple(hidden))
        assert done.result == "config" and not sync.committed, done
        assert "entryUUID" in done.output["detail"], done
    with results.case("a referral in the tree: no commit, config"):
        hidden.modify(f"dn: ou=far,{LDAP_BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\n"
                      "ref: ldap://far.example.org/ou=far\n")
        done, sync = vault.read(hidden.ldapi, filter=FILTER)
        assert done.result == "config" and "another server" in done.output["detail"], done
        assert not sync.committed
    hidden.stop()


FAULTS = {
    # what it does -> the results that are right
    "stall": ("timeout",),
    "early-end": ("temporary",),
    "malformed": ("temporary",),
    "half-message": ("temporary", "timeout"),
    "same-page": ("temporary",),
    "endless-empty": ("temporary",),
    "no-control": ("config",),
    "bad-control": ("temporary",),
    "unwilling": ("temporary",),
    "refresh-required": ("temporary",),
    "busy": ("temporary",),
    "time-limit": ("temporary",),
    "size-limit": ("config",),
    "referral": ("config",),
    "no-uuid": ("config",),
    "wrong-message": ("temporary",),
    "enormous": ("temporary", "timeout"),
}


def liars(root, vault):
    for fault, wanted in FAULTS.items():
        server = LyingLdap(fault)
        with results.case(f"a server with the fault {fault}: no commit, {wanted[0]}"):
            done, sync = vault.read(server.uri, timeout=5 if "timeout" in wanted else 30, bind="anonymous")
            assert done.result in wanted and not sync.committed, (done, sync.ops)
        server.close()
    server = LyingLdap("odd-entries")
    with results.case("entries with odd attributes are broken one by one, the rest arrives"):
        done, sync = vault.read(server.uri, bind="anonymous")
        assert done.result == "ok" and sync.committed, done
        assert len(sync.find("broken")) == 1 and len(sync.find("upsert")) == 3, sync.ops
        for fields in sync.fields:
            assert all(32 <= b < 127 for b in fields.get("dn", b"")), fields
        assert any(a.get("cn") == [b"\xff\xfe\0"] for _, a in sync.entries().values())
    server.close()
    server = LyingLdap("loud")
    with results.case("what a server says is bounded and printable"):
        done, _ = vault.read(server.uri, bind="anonymous")
        assert len(done.output["detail"]) < 700 and "\033" not in done.output["detail"], done
        assert "\033" not in root.log_of_worker()
    server.close()
    server = LyingLdap("silent")
    with results.case("a server that takes connections and says nothing: unreachable, in every mode"):
        for uri, more in ((server.uri, {}), (server.uri, {"starttls": "1"}),
                          (server.uri.replace("ldap:", "ldaps:"), {})):
            done, _ = vault.read(uri, timeout=3, bind="anonymous", **more)
            assert done.result in ("unreachable", "timeout"), (uri, done)
    server.close()


def main():
    need_programs("slapd", "ldapmodify", "openssl")
    with Root() as root:
        authority = Authority(root.join("tls"))
        stranger = Authority(root.join("tls-other"), "Other CA")
        certificate, key = authority.server("slapd", names=("ldap.example.org",))
        vault = FakeVault(root.path)
        # files that libldap would read; they must not count
        os.environ["LDAPTLS_REQCERT"] = "never"
        os.environ["LDAPURI"] = "ldap://127.0.0.1:1"
        worker = root.start_worker()
        root.log_of_worker = worker.log
        vault.accept()
        liars(root, vault)
        slapd = Slapd(root, tls=(authority.ca, certificate, key)).start()
        passes(vault, slapd)
        values(vault, slapd)
        tls(root, vault, slapd, authority, stranger)
        mistakes(vault, slapd)
        failover(vault, slapd, "ldap://127.0.0.1:1")
        many_entries(vault, slapd)
        slow_vault(vault, slapd)
        with results.case("no secret is in the worker's log or in the arguments of its processes"):
            assert LDAP_PASSWORD not in worker.log()
        slapd.stop()
        restored(root, vault)
        plain(root, vault)
        not_kept(root, vault)
        limits(root, vault)
        poll("the worker to be well", worker.is_running)
    results.exit()


main()
