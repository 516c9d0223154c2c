# SPDX-License-Identifier: BSD-2-Clause
"""Certificates for the TLS servers of tests, made by openssl(1): the right one, one for another name,
one that is over, one of a stranger. None of it has to do with rotated's own CA."""
import os
import subprocess


def openssl(*args, given=None):
    """Standard output, as bytes; what it complains about ends the test."""
    done = subprocess.run(["openssl", *args], input=given, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, "openssl %s: %s" % (" ".join(args), done.stderr.decode())
    return done.stdout


class Authority:
    """A CA in FOLDER: `ca` is the file that clients trust."""

    def __init__(self, folder, name="Test CA"):
        self.folder = folder
        self.slug = name.lower().replace(" ", "-")
        self.ca = os.path.join(folder, self.slug + ".pem")
        self.key = os.path.join(folder, self.slug + ".key")
        os.makedirs(folder, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.ca,
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, stem, names=("localhost",), addresses=("127.0.0.1", "::1"), is_over=False, usage="serverAuth"):
        """The paths of a certificate for NAMES and ADDRESSES and of its key, readable by everybody: servers of
        tests run as who they please."""
        cert = os.path.join(self.folder, stem + ".pem")
        key = os.path.join(self.folder, stem + ".key")
        extensions = os.path.join(self.folder, stem + ".ext")
        san = ["DNS:" + n for n in names] + ["IP:" + a for a in addresses]
        with open(extensions, "w", encoding="ascii") as out:
            out.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                      "extendedKeyUsage=%s\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n" % usage)
            if san:
                out.write("subjectAltName=%s\n" % ",".join(san))
        request = openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                          "-subj", "/CN=" + stem, "-keyout", key)
        # a certificate that was over before it began to be valid is over at any time
        days = "-1" if is_over else "30"
        openssl("x509", "-req", "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                "-extfile", extensions, "-out", cert, given=request)
        os.chmod(key, 0o644)
        return cert, key

    def server(self, stem="server", **kind):
        return self.issue(stem, **kind)

    def client(self, stem="client", **kind):
        return self.issue(stem, names=(), addresses=(), usage="clientAuth", **kind)
