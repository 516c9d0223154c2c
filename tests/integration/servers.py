# SPDX-License-Identifier: BSD-2-Clause
"""Real servers of the test's own, on loopback, in the test's root: BIND, NSD, Knot and slapd."""

import os
import re
import socket
import subprocess

from urllib.parse import quote

from harness import PATIENCE, Failure, Process, free_port, poll


def both_ports_free(address, port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((address, port))
            except OSError:
                return False
    return True


def free_dns_port(address="127.0.0.1"):
    """A port that is free for UDP and TCP."""

    def find():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((address, 0))
            port = s.getsockname()[1]
        return port if both_ports_free(address, port) else None

    return poll("a free port", find)


def dig(address, port, name, kind="TXT", *options):
    done = subprocess.run(
        ["dig", f"@{address}", "-p", str(port), "+norecurse", "+tries=1", "+time=2", *options,
         name, kind], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout


def wait_dns(address, port, name, process=None):
    def answers():
        if process and not process.is_running():
            raise Failure(f"the server for {name} ended: {process.log()}")
        return "status: NOERROR" in dig(address, port, name, "SOA")

    poll(f"{name} at {address}:{port}", answers)


SOA = "$TTL 300\n@ IN SOA {ns} hostmaster ( {serial} ; serial\n 3600 600 86400 {negative} )\n"


def zone_text(records="", ns="ns1", serial=1, negative=120):
    """A zone that is served by NS (one name or several, relative or absolute)."""
    names = [ns] if isinstance(ns, str) else list(ns)
    text = SOA.format(ns=names[0], serial=serial, negative=negative)
    for name in names:
        text += f"@ IN NS {name}\n"
    return text + records


class Bind:
    """A named(8) with the zones that it is given; its files lie in ROOT/NAME."""

    def __init__(self, root, name, address="127.0.0.1", port=None, options=""):
        self.root, self.name, self.address = root, name, address
        self.port = port or free_dns_port(address)
        self.folder = root.join(name)
        self.options = options
        self.notify = "notify no;"
        self.zones = ""
        self.process = None
        os.makedirs(self.folder)

    def key(self, name="rotated"):
        """Makes a TSIG key; returns its file."""
        done = subprocess.run(["tsig-keygen", "-a", "hmac-sha256", name], capture_output=True,
                              text=True, timeout=PATIENCE, check=True)
        path = self.root.write(f"{self.name}/{name}.key", done.stdout, 0o600)
        self.zones += f'include "{path}";\n'
        return path

    def primary(self, zone, text, policy=""):
        file = self.root.write(f"{self.name}/{zone.rstrip('.') or 'root'}.db", text)
        self.zones += f'zone "{zone}" {{ type primary; file "{file}"; {policy} }};\n'

    def secondary(self, zone, primary):
        self.zones += (f'zone "{zone}" {{ type secondary; file "{self.folder}/{zone}.sec"; '
                       f"primaries port {primary.port} {{ {primary.address}; }}; }};\n")

    def start(self):
        conf = self.root.write(f"{self.name}/named.conf", f"""
options {{ directory "{self.folder}"; listen-on port {self.port} {{ {self.address}; }};
	listen-on-v6 {{ none; }}; pid-file "{self.folder}/pid";
	session-keyfile "{self.folder}/session"; {self.notify} dnssec-validation no;
	{self.options or 'recursion no;'} }};
controls {{ }};
{self.zones}""")
        self.process = self.root.adopt(
            Process(["named", "-4", "-g", "-n", "1", "-c", conf], self.root.join("log", self.name)))
        poll(f"{self.name} to run", lambda: "running" in self.process.log().split()
             or self._ended())
        return self

    def _ended(self):
        if not self.process.is_running():
            raise Failure(f"{self.name} ended: {self.process.log()}")
        return False

    def stop(self):
        self.process.kill()


class Nsd:
    def __init__(self, root, zone, text):
        self.root, self.address, self.port = root, "127.0.0.1", free_dns_port()
        self.zone_file = root.write(f"nsd/{zone}.db", text)
        self.conf = root.write("nsd/nsd.conf", f"""
server:
	ip-address: 127.0.0.1@{self.port}
	server-count: 1
	username: ""
	chroot: ""
	zonesdir: "{root.join('nsd')}"
	database: ""
	pidfile: "{root.join('nsd/pid')}"
	xfrdfile: "{root.join('nsd/xfrd')}"
	xfrdir: "{root.join('nsd')}"
	zonelistfile: "{root.join('nsd/zone.list')}"
	verbosity: 1
remote-control:
	control-enable: yes
	control-interface: {root.join('nsd/control')}
zone:
	name: {zone}
	zonefile: {self.zone_file}
""")
        self.process = root.adopt(Process(["nsd", "-d", "-c", self.conf], root.join("log/nsd")))
        wait_dns(self.address, self.port, zone, self.process)

    def reload_command(self, zone):
        return f"nsd-control -c {self.conf} reload {zone}"


class Knot:
    def __init__(self, root, zone, text):
        self.root, self.address, self.port = root, "127.0.0.1", free_dns_port()
        self.zone_file = root.write(f"knot/{zone}.db", text)
        self.conf = root.write("knot/knot.conf", f"""
server:
    listen: 127.0.0.1@{self.port}
    rundir: {root.join('knot')}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {root.join('knot')}
log:
  - target: stderr
    any: info
zone:
  - domain: {zone}
    file: {self.zone_file}
    zonefile-load: difference-no-serial
    journal-content: all
    zonefile-sync: -1
    serial-policy: increment
""")
        self.process = root.adopt(Process(["knotd", "-c", self.conf], root.join("log/knot")))
        wait_dns(self.address, self.port, zone, self.process)

    def reload_command(self, zone):
        return f"knotc -b -c {self.conf} zone-reload {zone}"


def serial(address, port, zone):
    found = re.search(r"SOA\s+\S+\s+\S+\s+(\d+)", dig(address, port, zone, "SOA"))
    return int(found.group(1)) if found else None


LDAP_BASE = "dc=example,dc=org"
LDAP_ADMIN = f"cn=admin,{LDAP_BASE}"
LDAP_PASSWORD = "directory manager"


class Slapd:
    """slapd(8) with ldapi, ldap and, with TLS = (ca, certificate, key), ldaps; root on ldapi is its admin.

    A name and a password that may only read: READER and LDAP_PASSWORD. Without SYNCPROV it shows no contextCSN.
    """

    READER = f"cn=reader,{LDAP_BASE}"

    def __init__(self, root, name="slapd", tls=None, syncprov=True, options="", serverid=0):
        self.root, self.name, self.tls = root, name, tls
        self.syncprov = syncprov
        self.folder = root.join(name)
        self.db = root.join(name, "db")
        os.makedirs(self.db)
        self.port, self.tls_port = free_port(), free_port()
        self.ldapi = f"ldapi://{quote(root.join(name, 'ldapi'), safe='')}"
        self.ldap = f"ldap://127.0.0.1:{self.port}"
        self.ldaps = f"ldaps://127.0.0.1:{self.tls_port}"
        self.process = None
        self.conf = root.write(f"{name}/slapd.conf", self._conf(syncprov, options, serverid))
        self.slapadd(f"""dn: {LDAP_BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: {self.READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {LDAP_PASSWORD}

dn: ou=services,{LDAP_BASE}
objectClass: organizationalUnit
ou: services
""")

    def _conf(self, syncprov, options, serverid):
        tls = ""
        if self.tls:
            tls = "TLSCACertificateFile {}\nTLSCertificateFile {}\nTLSCertificateKeyFile {}".format(*self.tls)
        overlay = "overlay syncprov\nsyncprov-checkpoint 100 5\nsyncprov-sessionlog 1000" if syncprov else ""
        return f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
pidfile {self.folder}/pid
argsfile {self.folder}/args
serverID {serverid}
{tls}
authz-regexp "gidNumber=.*\\+uidNumber={os.geteuid()},cn=peercred,cn=external,cn=auth" "{LDAP_ADMIN}"
{options if options.startswith("sizelimit") else ""}
database mdb
maxsize 268435456
suffix "{LDAP_BASE}"
rootdn "{LDAP_ADMIN}"
rootpw "{LDAP_PASSWORD}"
directory {self.db}
index entryCSN,entryUUID,objectClass eq
access to attrs=userPassword by * auth
access to * by * read
{"" if options.startswith("sizelimit") else options}
{overlay}
"""

    def _run(self, *command, given=None):
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def slapadd(self, ldif):
        """Only while it does not run."""
        tool = ("-w",) if self.syncprov else ()  # contextCSN is to know of it
        self._run("slapadd", "-q", *tool, "-f", self.conf, "-b", LDAP_BASE, given=ldif)

    def start(self):
        urls = f"{self.ldapi} {self.ldap}/" + (f" {self.ldaps}/" if self.tls else "")
        self.process = self.root.adopt(
            Process(["slapd", "-f", self.conf, "-h", urls, "-d", "none"], self.root.join("log", self.name)))
        poll(f"{self.name} to answer", self._answers)
        return self

    def _answers(self):
        if not self.process.is_running():
            raise Failure(f"{self.name} ended: {self.process.log()}")
        done = subprocess.run(["ldapwhoami", "-Y", "EXTERNAL", "-Q", "-H", self.ldapi], capture_output=True,
                              timeout=PATIENCE, check=False)
        return done.returncode == 0

    def stop(self):
        self.process.stop()

    def modify(self, ldif):
        """LDIF with changetype, or entries to add, as root over ldapi."""
        return self._run("ldapmodify", "-a", "-Y", "EXTERNAL", "-Q", "-H", self.ldapi, given=ldif)

    @staticmethod
    def dn(cn):
        return f"cn={cn},ou=services,{LDAP_BASE}"

    @classmethod
    def ldif(cls, cn, description="a service", more=""):
        return (f"dn: {cls.dn(cn)}\nobjectClass: organizationalRole\ncn: {cn}\n"
                f"description: {description}\n{more}\n")

    def add(self, *cns, **more):
        self.modify("".join(self.ldif(cn, **more) for cn in cns))

    def services(self):
        """name -> description of every entry that does not say st: FALSE, read by ldapsearch."""
        text = self._run("ldapsearch", "-LLL", "-Y", "EXTERNAL", "-Q", "-H", self.ldapi, "-o", "ldif-wrap=no", "-b",
                         f"ou=services,{LDAP_BASE}", "(objectClass=organizationalRole)", "cn", "description", "st")
        found = {}
        for block in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "cn" in fields and fields.get("st") != "FALSE":
                found[fields["cn"]] = fields.get("description", "")
        return found

    def delete(self, *cns):
        self.modify("".join(f"dn: {self.dn(cn)}\nchangetype: delete\n\n" for cn in cns))

    def rename(self, old, new):
        self.modify(f"dn: {self.dn(old)}\nchangetype: modrdn\nnewrdn: cn={new}\ndeleteoldrdn: 1\n")

    def describe(self, cn, description):
        self.modify(f"dn: {self.dn(cn)}\nchangetype: modify\nreplace: description\ndescription: {description}\n")
