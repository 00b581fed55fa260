"""TLS for blob uploads, the one call the SDK makes over https only: a new authority and certificate at each start."""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local_workspace.files import write_private

VALID_DAYS = 365


def prepare(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1; return its file (with key) and the bundle that trusts it.

    The authority's key lives in this function alone: nobody can ever sign a second certificate with it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Local workspace authority")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(constraints, critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    leaf = (
        _builder(_name("127.0.0.1"), authority_name, leaf_key.public_key())
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    key = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = folder / "certificate.pem"
    write_private(certificate, (leaf.public_bytes(serialization.Encoding.PEM) + key).decode())
    bundle = folder / "ca-bundle.pem"
    ours = authority.public_bytes(serialization.Encoding.PEM).decode()
    write_private(
        bundle, f"{_host_bundle(other_than=bundle).read_text(encoding='utf-8', errors='replace').rstrip()}\n{ours}"
    )
    return certificate, bundle


def _host_bundle(*, other_than: Path) -> Path:
    """What this host already trusts; clients that use our bundle must not lose it."""
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        named = os.environ.get(variable, "")
        # Our own bundle from an earlier start may be named there; it is not the host's.
        if named and Path(named).is_file() and Path(named).resolve() != other_than.resolve():
            return Path(named)
    default = ssl.get_default_verify_paths().cafile
    return Path(default) if default and Path(default).is_file() else Path(certifi.where())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
