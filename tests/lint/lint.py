# SPDX-License-Identifier: BSD-2-Clause
"""What the checks share: the tree's own files, and how a finding is told.

A check looks at TOP_SRCDIR, or at the directory given as its argument."""
import os
import re
import sys

sys.dont_write_bytecode = True

FOLDERS = ("base", "wire", "keystore", "modules", "rotated", "saslplugin", "checkpassword", "cli", "hooks", "tests",
           "units", "man", "examples", "m4")
_findings = []


def top():
    if len(sys.argv) > 1:
        return sys.argv[1]
    return os.environ.get("TOP_SRCDIR", ".")


def files(*suffixes, folders=FOLDERS):
    """Paths below top() of the files in FOLDERS, sorted; build products are not among them."""
    for folder in folders:
        for base, dirs, names in os.walk(os.path.join(top(), folder)):
            dirs[:] = sorted(d for d in dirs if not d.startswith(".") and d != "__pycache__")
            for name in sorted(names):
                if not suffixes or name.endswith(suffixes):
                    yield os.path.relpath(os.path.join(base, name), top())


def read(path):
    with open(os.path.join(top(), path), encoding="utf-8", errors="replace") as f:
        return f.read()


def code_only(text):
    """C without comments and with empty strings; every line keeps its number."""
    def blank(found):
        token = found.group(0)
        if token[0] == "/":
            return " " + "\n" * token.count("\n")
        return token[0] + token[0]
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def complain(path, line, what):
    _findings.append(path)
    print("%s:%d: %s" % (path, line, what) if line else "%s: %s" % (path, what))


def verdict(what):
    """The exit status; says what was looked at when all is well."""
    if _findings:
        print("%d findings" % len(_findings))
        return 1
    print("ok - %s" % what)
    return 0
