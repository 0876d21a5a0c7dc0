# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private, throw-away Dovecot: real IMAP and POP3 with TLS on loopback, a new mailbox for each test, gone when it is closed."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import ipaddress
import itertools
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2
auth_failure_delay = 0
auth_verbose = yes
imap_id_log = *
mail_max_userip_connections = 100
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:~/Maildir
maildir_copy_with_hardlinks = no
mailbox_list_index = no
namespace inbox {{
  inbox = yes
  separator = /
  mailbox {junk} {{
    special_use = \\Junk
    auto = create
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users/%u
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/homes/%u
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # Otherwise a refused login makes the next ones from this address wait.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""

_OAUTH2 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""

_count = itertools.count()


@dataclass(frozen=True)
class DovecotMailbox:
    """One user's mailbox. Mails are delivered by writing them into its Maildir, as a delivery agent does."""

    server: DovecotServer
    user: str
    password: str

    def options(self, protocol: str = "imap", tls: str = "implicit", **others: Any) -> dict[str, Any]:
        """The option C(mailbox) of a module. C(password) or C(oauth_token) as they are right, unless they are given."""
        given = {"password": self.password} if not {"password", "oauth_token"} & set(others) else {}
        return {
            "protocol": protocol,
            "host": "127.0.0.1",
            "port": self.server.ports[protocol, tls == "implicit"],
            "tls": tls,
            "user": self.user,
            "ca_path": str(self.server.certificate),
            **given,
            **others,
        }

    def token(self) -> str:
        """An access token that the server takes for this user."""
        return self.server.token(self.user)

    def deliver(self, mail: EmailMessage | bytes, folder: str = "INBOX", received: datetime.datetime | None = None) -> Path:
        """Where it lies then. C(received): when the server is to say that it came, by default now."""
        home = self._folder(folder)
        for part in ("tmp", "new", "cur"):
            self.server.make_directory(home / part)
        name = f"{int(time.time())}.{next(_count)}_{os.getpid()}.tests"
        path = home / "tmp" / name
        path.write_bytes(mail if isinstance(mail, bytes) else mail.as_bytes())
        self.server.own(path)
        if received is not None:
            os.utime(path, (received.timestamp(), received.timestamp()))
        final = home / "new" / name
        path.rename(final)
        return final

    def forget_numbers(self, folder: str = "INBOX") -> None:
        """As after a restore: the server numbers all mails anew, with another UIDVALIDITY."""
        for path in self._folder(folder).glob("dovecot*"):
            path.unlink()
        listed = self._folder(folder) / "dovecot-uidlist"
        listed.write_text(f"3 V{int(time.time()) + 1000} N1 G{uuid.uuid4().hex}\n")
        self.server.own(listed)

    def flags(self) -> list[str]:
        """The names of the mails in the inbox that a client has seen or changed in any way."""
        return [path.name for path in (self._folder("INBOX") / "cur").glob("*:2,?*")]

    def _folder(self, name: str) -> Path:
        home = self.server.folder / "homes" / self.user / "Maildir"
        return home if name == "INBOX" else home / f".{name}"


class DovecotServer:
    """IMAP and POP3 on four ports. Its certificate is valid for 127.0.0.1 and signed by itself."""

    def __init__(self, junk: str = "Junk") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="keyturn-dovecot-", dir="/tmp"))  # a socket's path may not be long
        self.certificate = self.folder / "certificate.pem"
        kinds = [("imap", False), ("imap", True), ("pop3", False), ("pop3", True)]
        self.ports = dict(zip(kinds, _free_ports(len(kinds)), strict=True))
        self._owner = _unprivileged_user() if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._token_key = secrets.token_bytes(32)
        try:
            self._configure(junk)
            become: dict[str, Any] = {}
            if os.geteuid() == 0:
                become = {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}
            self._process = subprocess.Popen(
                ["/usr/sbin/dovecot", "-F", "-c", str(self.folder / "dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                **become,
            )
            self._wait()
        except BaseException:
            self.close()
            raise

    def new_mailbox(self) -> DovecotMailbox:
        """An empty one, of a new user."""
        user, password = f"user{uuid.uuid4().hex[:10]}@example.com", secrets.token_urlsafe(16)
        # A file for each: the server notices that one has changed only by the second.
        (self.folder / "users" / user).write_text(f"{user}:{{PLAIN}}{password}\n")
        self.own(self.folder / "users" / user)
        self.make_directory(self.folder / "homes" / user / "Maildir")
        return DovecotMailbox(self, user, password)

    def token(self, user: str) -> str:
        """A JSON web token that the server believes for an hour."""
        now = int(time.time())
        head = {"alg": "HS256", "typ": "JWT", "kid": "default"}
        body = {"sub": user, "iat": now - 60, "nbf": now - 60, "exp": now + 3600}
        signed = b".".join(_url_base64(json.dumps(part).encode()) for part in (head, body))
        return (signed + b"." + _url_base64(hmac.new(self._token_key, signed, hashlib.sha256).digest())).decode()

    @property
    def log(self) -> str:
        """What the server wrote."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        """End the server and remove all of it."""
        process = getattr(self, "_process", None)
        if process is not None:
            process.terminate()
            process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def own(self, path: Path) -> None:
        """Give it to the user that the server runs as."""
        if os.geteuid() == 0:
            os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def make_directory(self, path: Path) -> None:
        """With all that it lies in, as the server needs it."""
        for each in [*reversed(path.relative_to(self.folder).parents), path.relative_to(self.folder)]:
            if not (self.folder / each).exists():
                (self.folder / each).mkdir(mode=0o700)
                self.own(self.folder / each)

    def _configure(self, junk: str) -> None:
        self.own(self.folder)
        for name in ("run", "homes", "users", "keys", "keys/default", "keys/default/HS256"):
            self.make_directory(self.folder / name)
        _write_certificate(self.certificate, self.folder / "key.pem")
        (self.folder / "keys" / "default" / "HS256" / "default").write_text(base64.b64encode(self._token_key).decode())
        (self.folder / "oauth2.conf").write_text(_OAUTH2.format(folder=self.folder))
        ports = {kind + "s" * tls: port for (kind, tls), port in self.ports.items()}
        group = _group_name(self._owner)
        configuration = _CONFIGURATION.format(folder=self.folder, user=self._owner.pw_name, group=group, junk=junk, **ports)
        (self.folder / "dovecot.conf").write_text(configuration)
        for path in self.folder.rglob("*"):
            self.own(path)

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                for port in self.ports.values():
                    socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"dovecot did not start: {self.log}") from None
                time.sleep(0.05)


def _write_certificate(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))


def _url_base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _group_name(owner: pwd.struct_passwd) -> str:
    import grp

    return grp.getgrgid(owner.pw_gid).gr_name


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("dovenull", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is no user to run Dovecot as")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _number in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
