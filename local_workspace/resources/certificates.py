"""Whether a service's TLS certificate and key could be used: nothing here speaks TLS, but what Azure could not start
with does not start here either.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


def problem(asked: dict[str, Any]) -> str:
    """What is wrong with the certificate or the key of a create request; empty when there is nothing, or no TLS."""
    if not asked.get("sslEnabled"):
        return ""
    try:
        certificates = x509.load_pem_x509_certificates(str(asked.get("sslCertificate") or "").encode())
    except ValueError:
        return "the certificate cannot be read as PEM"
    try:
        key = load_pem_private_key(str(asked.get("sslKey") or "").encode(), password=None)
    except (ValueError, TypeError):
        return "the key cannot be read as PEM without a password"
    if _bytes(certificates[0].public_key()) != _bytes(key.public_key()):
        return "the key is not the certificate's"
    return ""


def _bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
