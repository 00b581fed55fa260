"""What a certificate and its key say of themselves, before they are sealed: a bad one stops the router of a service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from services.planning.problems import Problem

CERTIFICATE = "ssl_cert_pem_file"
KEY = "ssl_key_pem_file"
HOST = "ssl_cname"
SOON = timedelta(days=30)


def check_certificate(certificate: str, key: str, host: str, *, now: datetime) -> list[Problem]:
    """Check what was typed so far: each by itself, that the two belong together, and that they are for this host."""
    chain = _chain(certificate) if certificate else ()
    if certificate and not chain:
        sentence = "This is no certificate in PEM form: paste it whole, from -----BEGIN CERTIFICATE----- on."
        return [Problem(field=CERTIFICATE, sentence=sentence)]
    problems = [*_dates(chain[0], now), *_names(chain[0], host)] if chain else []
    if key:
        public, sentence = _public_key(key)
        if sentence:
            problems.append(Problem(field=KEY, sentence=sentence))
        elif public and chain and not _is_same(public, chain[0]):
            sentence = (
                "This key is not the certificate's: paste the two that were made together, the host's own one first."
            )
            problems.append(Problem(field=KEY, sentence=sentence))
    return problems


def _chain(text: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return ()


def _public_key(text: str) -> tuple[PublicKeyTypes | None, str]:
    """The public half of a private key, or the sentence that says why there is none."""
    try:
        return load_pem_private_key(text.encode(), password=None).public_key(), ""
    except TypeError:
        return None, "This key is protected by a password, which nobody types at the service: paste it without."
    except (ValueError, UnsupportedAlgorithm):
        return None, "This is no private key in PEM form: paste it whole, with its first and last line."


def _is_same(public: PublicKeyTypes, certificate: x509.Certificate) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _dates(certificate: x509.Certificate, now: datetime) -> list[Problem]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= now:
        return [Problem(field=CERTIFICATE, sentence=f"This certificate expired on {ends:%Y-%m-%d}: renew it first.")]
    if begins > now:
        sentence = f"This certificate is valid only from {begins:%Y-%m-%d %H:%M} UTC on: clients refuse it until then."
        return [Problem(field=CERTIFICATE, sentence=sentence)]
    if ends - now < SOON:
        sentence = f"This certificate expires on {ends:%Y-%m-%d}: have its successor ready."
        return [Problem(field=CERTIFICATE, sentence=sentence, severity="warning")]
    return []


def _names(certificate: x509.Certificate, host: str) -> list[Problem]:
    if not host:
        return []
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        known = names.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        known = []
    wanted = host.lower()
    _, _, domain = wanted.partition(".")
    if wanted in (name.lower() for name in known) or f"*.{domain}" in (name.lower() for name in known):
        return []
    said = ", ".join(known[:3]) or "no host at all"
    sentence = f"The certificate is for {said}, not for {host}: clients will refuse it."
    return [Problem(field=HOST, sentence=sentence, severity="warning")]
