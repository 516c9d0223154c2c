#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The shipped schema: OpenLDAP loads both of its forms, and it has every key of services.d."""

import os
import re
import shutil
import subprocess
import tempfile

from harness import SOURCE, Results, need_programs

t = Results()
SCHEMA = os.path.join(SOURCE, "examples/ldap/rotated.schema")
LDIF = os.path.join(SOURCE, "examples/ldap/rotated.ldif")
CORE = "/etc/ldap/schema/core"


def wanted():
    """The attributes that rotated asks for without a map: rotatedSectionKey."""
    with open(os.path.join(SOURCE, "rotated/config/keys.def"), encoding="utf-8") as f:
        flat = re.sub(r"\s+", " ", f.read())
    names = {"rotatedServiceId"}
    for section, key, where in re.findall(r'KEY\((\w+), (\w+), \w+, "[^"]*", ([A-Z| ]+),', flat):
        if "SERVICE" not in where or (section, key) == ("service", "description"):
            continue
        prefix = "" if section == "service" else section.title()
        names.add("rotated" + prefix + "".join(w.title() for w in key.split("_")))
    return names


def run(*command, given=None):
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def names_of(path):
    with open(path, encoding="utf-8") as f:
        return set(re.findall(r"NAME '(rotated\w+)'", f.read())) - {"rotatedService"}


def main():
    need_programs("slaptest", "slapadd")
    t.equal(names_of(SCHEMA), wanted(), "the schema has an attribute for every key of services.d")
    t.equal(names_of(LDIF), wanted(), "and so has its cn=config form")
    folder = tempfile.mkdtemp(prefix="rts")
    try:
        conf = os.path.join(folder, "slapd.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(f"include {CORE}.schema\ninclude {SCHEMA}\n")
        done = run("slaptest", "-u", "-f", conf)
        t.check(done.returncode == 0, "slaptest takes the schema", done.stderr)
        tree = os.path.join(folder, "slapd.d")
        os.mkdir(tree)
        ldif = ("dn: cn=config\nobjectClass: olcGlobal\ncn: config\n\n"
                "dn: cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: schema\n\n")
        for path in (CORE + ".ldif", LDIF):
            with open(path, encoding="utf-8") as f:
                ldif += f.read() + "\n\n"
        done = run("slapadd", "-n", "0", "-F", tree, given=ldif)
        t.check(done.returncode == 0, "slapadd takes the cn=config form", done.stderr)
        done = run("slaptest", "-u", "-F", tree)
        t.check(done.returncode == 0, "and slaptest what came of it", done.stderr)
    finally:
        shutil.rmtree(folder)
    t.exit()


main()
