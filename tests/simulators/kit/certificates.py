# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Self-signed certificates, as devices make them on first start; on P-256, because hundreds of routers share one core here."""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KINDS = ("good", "expired", "wrong_name")


@dataclass(frozen=True)
class Certificate:
    """`ca`: the file a client trusts (the certificate itself); `fingerprint`: SHA-256 as lower-case hex without colons."""

    ca: Path
    fingerprint: str
    context: ssl.SSLContext


def make_certificate(folder: Path, name: str, host: str, kind: str = "good") -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    starts = now - timedelta(days=800 if kind == "expired" else 1)
    names: list[x509.GeneralName] = [x509.DNSName("elsewhere.invalid")]
    if kind != "wrong_name":
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(host))]
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only")
    usage = dict.fromkeys(others, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(starts + timedelta(days=730))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Certificate(path, certificate.fingerprint(hashes.SHA256()).hex(), server_context(path, key))


def server_context(certificate: Path, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    """OpenSSL takes a key from a file only; it lives there no longer than that."""
    path = certificate.with_suffix(".key")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, path)
        return context
    finally:
        path.unlink()
