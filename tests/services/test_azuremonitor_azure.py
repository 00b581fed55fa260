"""The path to Azure itself: TLS, a credential that is asked for a token, and azure-core's own bearer policy untouched."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.azuremonitor.client import LogAnalytics
from services.errors import Forbidden

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a token of a tenant"
WORKSPACE = str(uuid.uuid4())


class TenantCredential:
    """What azure-identity gives, and a record of what it was asked."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked: list[str] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked += scopes
        if not self.token:
            raise ClientAuthenticationError("AADSTS7000215: Invalid client secret provided.")
        return AccessToken(self.token, int(time.time()) + 3600)


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    certificate_file = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate_file))
    config = tmp_path / "insights.json"
    config.write_text(
        json.dumps({"tokens": [TOKEN], "admin_token": "admin", "workspace_id": WORKSPACE, "instrumentation_keys": []})
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.services.azuremonitor_over_tls", str(tmp_path), str(port)]
    server = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not answers(f"https://127.0.0.1:{port}/health", certificate_file):
        time.sleep(0.05)
    yield f"https://127.0.0.1:{port}"
    server.kill()
    server.wait(10)


def answers(url: str, certificate_file: Path) -> bool:
    try:
        return requests.get(url, verify=str(certificate_file), timeout=2).ok
    except requests.ConnectionError:
        return False


def test_a_credential_is_asked_for_the_endpoints_scope_and_its_token_sent(endpoint: str) -> None:
    credential = TenantCredential(TOKEN)
    logs = LogAnalytics(endpoint, credential, WORKSPACE, source="azure")
    end = datetime.now(UTC)

    table = logs.ask("latency", start=end - timedelta(hours=1), end=end)
    logs.close()

    assert table.rows == ()
    assert [column.name for column in table.columns] == ["TimeGenerated", "Service", "n", "p50", "p95", "p99"]
    assert credential.asked == [f"{endpoint}/.default"]


def test_an_identity_that_may_not_read_is_told_which_role_it_needs(endpoint: str) -> None:
    logs = LogAnalytics(endpoint, TenantCredential("of somebody else"), WORKSPACE, source="azure")

    with pytest.raises(Forbidden, match="Log Analytics Reader"):
        logs.query("print 1")

    logs.close()


def test_a_credential_that_azure_refuses_is_named_as_the_cause(endpoint: str) -> None:
    logs = LogAnalytics(endpoint, TenantCredential(""), WORKSPACE, source="azure")

    with pytest.raises(Forbidden, match="did not accept the desk's credential") as refused:
        logs.query("print 1")

    logs.close()
    assert "AADSTS7000215" in str(refused.value.detail)
