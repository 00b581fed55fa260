"""What is said of a certificate and its key before they are sealed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.planning.certificates import check_certificate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOST = "wine.example.org"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey = KEY, *, password: bytes = b"") -> str:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


def certificate(*, host: str = HOST, begins: int = -10, ends: int = 300) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(NOW + timedelta(days=begins))
        .not_valid_after(NOW + timedelta(days=ends))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize("covering", [HOST, "*.example.org", "WINE.example.org"])
def test_a_pair_for_this_host_has_nothing_wrong(covering):
    assert check_certificate(certificate(host=covering), pem(), HOST, now=NOW) == []
    assert check_certificate("", "", "", now=NOW) == []


@pytest.mark.parametrize(
    ("typed", "key", "host", "field", "severity", "words"),
    [
        ("not a certificate", "", "", "ssl_cert_pem_file", "error", "no certificate in PEM form"),
        (certificate(), "nonsense", "", "ssl_key_pem_file", "error", "no private key in PEM form"),
        (certificate(), pem(OTHER), "", "ssl_key_pem_file", "error", "not the certificate's"),
        (certificate(), pem(password=b"secret"), "", "ssl_key_pem_file", "error", "protected by a password"),
        (certificate(ends=-1), pem(), HOST, "ssl_cert_pem_file", "error", "expired on 2026-11-20"),
        (certificate(begins=2), pem(), HOST, "ssl_cert_pem_file", "error", "valid only from"),
        (certificate(ends=9), pem(), HOST, "ssl_cert_pem_file", "warning", "expires on 2026-11-30"),
        (certificate(), pem(), "iris.example.org", "ssl_cname", "warning", f"is for {HOST}, not for iris"),
        (certificate(host="*.org"), pem(), HOST, "ssl_cname", "warning", "clients will refuse"),
    ],
)
def test_what_would_stop_the_router_is_said_beside_its_field(typed, key, host, field, severity, words):
    (problem,) = check_certificate(typed, key, host, now=NOW)

    assert (problem.field, problem.severity) == (field, severity)
    assert words in problem.sentence
    assert "PRIVATE KEY" not in problem.sentence
