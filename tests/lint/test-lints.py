#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each check is shown something bad in a directory of its own, and must say so; and something
good, and must not."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
failed = 0


def report(fine, sentence, output=""):
    global failed
    print("%s - %s" % ("ok" if fine else "not ok", sentence))
    if not fine:
        failed = 1
        print(output)


def run(check, directory):
    command = os.path.join(HERE, check)
    done = subprocess.run([sys.executable, command, directory], capture_output=True, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    return done.returncode, done.stdout + done.stderr


def plant(directory, files):
    for name, text in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def case(check, files, expected, sentence):
    """EXPECTED is a part of the finding, or None when all is well."""
    with tempfile.TemporaryDirectory() as directory:
        plant(directory, files)
        status, output = run(check, directory)
        if status == 77:
            print("ok - %s # skipped: %s" % (sentence, output.strip()))
        elif expected is None:
            report(status == 0, sentence, output)
        else:
            report(status == 1 and expected in output, sentence, output)


def engine():
    check = "check-engine"
    files = {"rotated/engine/states.def": 'STATE(ACTIVE, 1, "active", ALL, CURRENT, "in use")\n',
             "rotated/engine/transitions.def": 'TRANSITION(NONE, ACTIVE, ALL, TICK, "so, and thus")\n'}
    head = "<!-- drawn by tests/lint/check-engine --print -->\n```\n"
    case(check, {**files, "ARCHITECTURE.md": head + "(new)       --> active       so, and thus\n```\n"}, None,
         "check-engine accepts the diagram of the tables")
    case(check, {**files, "ARCHITECTURE.md": head + "(new)       --> active       some day\n```\n"}, "is not that of its tables",
         "check-engine finds a diagram of other tables")


def programs():
    check = "check-tests"
    listed = "TESTS += tests/unit/test-a \\\n\ttests/unit/test-b\nINTEGRATION_TESTS = tests/integration/test-c.py\n"
    files = {"Makefile.am": "", "tests/Makefile.inc": listed, "tests/unit/test-a.c": "", "tests/unit/test-b.c": "",
             "tests/integration/test-c.py": "", "tests/unit/fixture.c": ""}
    case(check, files, None, "check-tests accepts tests that are listed")
    case(check, {**files, "tests/unit/test-d.c": ""}, "tests/unit/test-d.c: nobody runs it",
         "check-tests finds a unit test that nobody runs")
    case(check, {**files, "tests/mutants/test-f.py": ""}, "test-f.py: nobody runs it",
         "check-tests finds mutants that nobody tries")
    case(check, {**files, "tests/integration/test-e.py": ""}, "test-e.py: nobody runs it",
         "check-tests finds an integration test that nobody runs")


def layers():
    check = "check-layers"
    case(check, {"base/a.c": '#include <stdio.h>\n', "wire/b.c": '#include "base/a.h"\n'}, None,
         "check-layers accepts an include from below")
    case(check, {"base/a.c": '\n#include "wire/frame.h"\n'}, 'base/a.c:2: base may not include "wire/frame.h"',
         "check-layers finds an include from above")
    case(check, {"rotated/door/a.c": '#include "rotated/vault/v.h"\n'}, "rotated/door may not",
         "check-layers finds an include from a sibling process")
    case(check, {"saslplugin/a.c": '#include "keystore/store.h"\n'}, "saslplugin may not",
         "check-layers finds the plugin looking into the keystore")
    case(check, {"cli/a.c": '  # include "keystore/store.h"\n'}, "cli may not",
         "check-layers finds an include that is written with blanks")
    case(check, {"base/a.h": '#include "config.h"\n'}, "name its folder",
         "check-layers finds config.h in a header")
    case(check, {"base/a.h": "", "base/a.c": '#include <stdio.h>\n#include "base/a.h"\n'}, "its own header, not first",
         "check-layers finds an own header that is not first")
    case(check, {"rotated/new/a.c": ""}, "do not know the folder", "check-layers finds a folder without a layer")
    case(check, {"base/b.h": "", "base/a.c": "#include <base/b.h>\n"}, "in quotes",
         "check-layers finds a header of ours in angle brackets")


def banned():
    check = "check-banned"
    case(check, {"base/a.c": 'x = strcpy(a, b);\n'}, "base/a.c:1: strcpy is banned", "check-banned finds strcpy")
    case(check, {"cli/a.c": 'int n = atoi (s);\n'}, "atoi is banned", "check-banned finds a call with a blank")
    case(check, {"base/a.c": '/*\n */ system("x");\n'}, "base/a.c:2: system", "check-banned counts lines in comments")
    case(check, {"rotated/vault/a.c": "r = keystore_get(ks, &id, &rec);\n"}, "use record_get()",
         "check-banned finds a record that is read past its tier")
    case(check, {"rotated/vault/records.c": "r = keystore_get(ks, &id, &rec);\n", "keystore/a.c": "keystore_put(t, r, 0);\n"},
         None, "check-banned leaves those alone that may")
    case(check, {"base/a.c": 'p = realpath(a, NULL);\n'}, "realpath", "check-banned finds realpath without a buffer")
    case(check, {"base/a.c": '/* strcpy(a) */ char *s = "system(1)"; // gets(x)\n'}, None,
         "check-banned passes over comments and strings")
    case(check, {"base/a.c": 'my_system(1); operand(2); x->system(3);\n'}, None,
         "check-banned passes over names that only look alike")
    case(check, {"tests/unit/a.c": 'system("x");\n'}, None, "check-banned leaves the tests alone")


def runbook():
    check = "check-runbook"
    table = 'PROBLEM(META, "meta", "do")\n'
    case(check, {"keystore/problems.def": table, "docs/runbook-damage.md": "### meta\n"}, None,
         "check-runbook accepts a page that says it all")
    case(check, {"keystore/problems.def": table, "docs/runbook-damage.md": "\n"}, "nothing is said of meta",
         "check-runbook finds a problem that nothing is said of")


def spdx():
    check = "check-spdx"
    case(check, {"base/a.c": SPDX}, None, "check-spdx accepts a file with the line")
    case(check, {"base/a.c": "int x;\n"}, "base/a.c:1", "check-spdx finds a source without the line")
    case(check, {"hooks/do": "#!/bin/sh\n\n\n\n# SPDX-License-Identifier: BSD-2-Clause\n"}, "hooks/do:1",
         "check-spdx finds a script that says it too late")
    case(check, {"units/a.service": "[Unit]\n"}, "units/a.service:1", "check-spdx finds a unit without the line")
    case(check, {"tests/fuzz/corpus/x/a.c": "x"}, None, "check-spdx leaves data alone")


def shell():
    if not shutil.which("shellcheck"):
        return
    check = "check-shell"
    case(check, {"hooks/do": "#!/bin/sh\nrm -- \"$1\"\n"}, None, "check-shell accepts a clean program")
    case(check, {"hooks/do": "#!/bin/sh\nrm -- $1\n"}, "SC2086", "check-shell finds a word that may be split")
    case(check, {"hooks/lib.sh": "cat $(f)\n"}, "SC2046", "check-shell looks into what is only sourced")
    case(check, {"hooks/do": "#!/usr/bin/python3\nrm -- $1\n"}, None, "check-shell leaves other languages alone")


def size():
    check = "check-size"
    long_body = "int f(void)\n{\n" + "\tg();\n" * 80 + "}\n"
    case(check, {"base/a.c": long_body}, "base/a.c:1: f() has 83 lines", "check-size finds a long function")
    case(check, {"base/a.c": "int f(int a, int b, int c, int d, int e, int g)\n{\n\treturn 0;\n}\n"},
         "f() has 6 parameters", "check-size finds a sixth parameter")
    case(check, {"base/a.c": "int f(int a, int (*b)(int, int), int c, int d, int e)\n{\n\treturn 0;\n}\n"}, None,
         "check-size does not count the parameters of a parameter")
    case(check, {"base/a.c": "int f(void *a, sasl_server_params_t *b, int c, int d, int e, int g)\n{\n\treturn 0;\n}\n"},
         None, "check-size accepts a callback of libsasl")
    case(check, {"base/a.c": "int x;\n" * 601}, "601 lines", "check-size finds a long file")


def config_man():
    check = "check-config-man"
    row = 'KEY(door, mode, MODE, "0660", MAIN, RESTART,\n    "text")\n'
    page = '.Sh KEYS OF ROTATED.CONF\n.Ss [door]\n.Bl\n.It Ic mode = Ar mode\n.Em restart .\nThe default is\n.Ql 0660 .\n.El\n'

    def both(table, text):
        return {"rotated/config/keys.def": table, "man/rotated.conf.5": text}
    case(check, both(row, page), None, "check-config-man accepts a page that agrees")
    case(check, both(row, ""), "[door] mode is in keys.def and not here", "check-config-man finds a key without text")
    case(check, both(row, page.replace(".El", ".It Ic colour\n.El")), "man/rotated.conf.5:8: [door] colour is not in keys.def",
         "check-config-man finds text without a key")
    case(check, both(row, page.replace("0660", "0600")), "the default is 0660", "check-config-man finds another default")
    case(check, both(row, page.replace(".Em restart .\n", "")), "restart", "check-config-man finds a missing restart")
    case(check, both(row, page.replace("ROTATED.CONF", "SERVICES.D")), "wrong heading",
         "check-config-man finds a key under the wrong heading")
    case(check, both(row + "KEY(door,)\n", page), "understood", "check-config-man finds a row that it cannot read")


def compiled(name, source, flags, sentence, expected, makefile=None):
    """One program or plugin made from SOURCE, as check-symbols would find it after a build."""
    with tempfile.TemporaryDirectory() as directory:
        plugin = name.endswith(".so")
        words = name[:-3] + ".la" if plugin else "bin/" + name + "$(EXEEXT)"
        target = os.path.join(directory, ".libs" if plugin else "bin", name)
        plant(directory, {"a.c": source,
                          "Makefile": makefile or "%s = \\\n\t%s\n" % ("sasl_LTLIBRARIES" if plugin else "sbin_PROGRAMS", words)})
        os.makedirs(os.path.dirname(target))
        subprocess.run(["cc", "-w", "-o", target, os.path.join(directory, "a.c"), "-Wl,--no-as-needed"]
                       + (["-shared", "-fPIC"] if plugin else []) + flags, check=True)
        status, output = run("check-symbols", directory)
        report(status == (1 if expected else 0) and (not expected or expected in output), sentence, output)


def powers():
    if not shutil.which("cc"):
        print("ok - check-symbols # skipped: no C compiler")
        return
    main = "int main(void) { %s; return 0; }\n"
    compiled("rotated-auth", main % "", [], "check-symbols accepts a program without powers", None)
    compiled("rotated-auth", main % "", ["-lcrypto"], "check-symbols finds a library that the door may not link",
             "rotated-auth links libcrypto")
    compiled("rotated", main % "execv(0, 0)", [], "check-symbols finds the vault running programs",
             "rotated imports execv")
    compiled("rotated", main % "getaddrinfo(0, 0, 0, 0)", [], "check-symbols finds the vault resolving names",
             "rotated imports getaddrinfo")
    compiled("rotated-worker", main % "", ["-lsodium"], "check-symbols finds the hands with the keystore's library",
             "rotated-worker links libsodium")
    entry = "int sasl_auxprop_plug_init(void) { return 0; } int sasl_server_plug_init(void) { return 0; }\n"
    compiled("librotated.so", entry, [], "check-symbols accepts a plugin with its two entry points", None)
    compiled("librotated.so", entry + "int more(void) { return 0; }\n", [], "check-symbols finds a third export",
             "librotated.so exports more")
    compiled("librotated.so", "int sasl_server_plug_init(void) { return 0; }\n", [],
             "check-symbols finds an entry point that is missing", "does not export sasl_auxprop_plug_init")
    compiled("librotated.so", entry, ["-lsystemd"], "check-symbols finds a plugin that links more",
             "librotated.so links libsystemd")
    compiled("rotated", main % "", [], "check-symbols finds a program that was not built", "not built",
             "sbin_PROGRAMS = elsewhere/rotated\n")


def unit_case(name, old, new, expected, sentence):
    """The tree's own units with OLD replaced by NEW in NAME."""
    with tempfile.TemporaryDirectory() as directory:
        units = os.path.join(directory, "units")
        shutil.copytree(os.path.join(HERE, "../../units"), units)
        path = os.path.join(units, name)
        os.chmod(path, 0o644)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new, 1))
        status, output = run("check-units", directory)
        if status == 77:
            print("ok - %s # skipped: %s" % (sentence, output.strip()))
        else:
            report(old in text and status == 1 and expected in output, sentence, output)


def units():
    unit_case("rotated.service.in", "PrivateNetwork=yes\n", "", "Overall exposure level",
              "check-units finds a sandbox that was loosened")
    unit_case("rotated-auth.service.in", "LimitCORE=0", "LimitCORE=infinity", "no LimitCORE=0",
              "check-units finds a service that may dump core")
    unit_case("rotated.service.in", "SystemCallFilter=@chown\n", "", "no SystemCallFilter=@chown",
              "check-units finds a filter that takes away what logins need")
    unit_case("rotated-worker.service.in", "RestartSec=", "RestrtSec=", "RestrtSec",
              "check-units finds a misspelt directive")
    unit_case("rotated-door.socket", "SocketUser=rotated-auth", "SocketUser=nobody-at-all", "nobody makes the user",
              "check-units finds a socket of a user that is not made")
    unit_case("rotated-mux.socket", "Service=rotated-auth.service", "Service=rotated-mux.service", "rotated-mux",
              "check-units finds a socket without its service")


def commands():
    check = "check-commands"
    tables = {"cli/verbs.def": 'VERB(status, "", "status", "", "", 30, "x")\n'
                               'VERB(a_b, "dkim", "show", "DOMAIN", "dry-run", 30, "x")\n',
              "cli/options.def": 'OPTION(ROOT, "root", "DIR", "x")\nOPTION(DRY_RUN, "dry-run", NULL, "x")\n'}
    texts = {name: "" for name in ("README.md", "ARCHITECTURE.md", "HACKING.md", "CHANGELOG.md", "docs/protocol.md",
                                   "docs/threat-model.md")}
    good = "`rotatectl --root /x dkim show example.com --dry-run` and `rotatectl status`"
    case(check, {**tables, **texts, "README.md": good}, None, "check-commands accepts what there is")
    case(check, {**tables, **texts, "README.md": "```\n$ rotatectl dkim shwo x\n```\n"}, "README.md:2",
         "check-commands finds a verb that there is not")
    case(check, {**tables, **texts, "HACKING.md": "`rotatectl status --dry-run`"}, "does not take --dry-run",
         "check-commands finds an option of another verb")
    case(check, {**tables, **texts, "rotated/vault/a.c": 'hint("rotatectl unsael");'}, "unsael",
         "check-commands finds a hint that leads nowhere")


def main():
    for group in (engine, programs, layers, banned, runbook, shell, spdx, size, config_man, powers, units, commands):
        group()
    return failed


sys.exit(main())
