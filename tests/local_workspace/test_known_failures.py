"""Known failures made for real, each named right by the classifier from what it left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local_workspace.resources import certificates
from local_workspace.scoring.room import Nodes
from services import classifier
from services.signatures import SIGNATURES
from tests.local_workspace.failing_services import FAILING, OBEDIENT, Evidence, reproduce
from tests.local_workspace.scoring_workbench import Workbench, eventually

SMALL = Nodes(cluster="small", count=3, cpu=2, memory_gb=7)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(tmp_path_factory.mktemp("known-failures"), nodes=lambda _: SMALL)
    yield bench
    bench.close()


def named(evidence: Evidence, *seen: classifier.Seen) -> list[str]:
    """What the classifier makes of it."""
    texts = (
        classifier.Text(source="azure", text=evidence.error, where="the operation"),
        classifier.Text(source="container", text=evidence.container_log, where="the log"),
    )
    known = classifier.Evidence(service="failing", texts=texts, seen=seen)
    return [cause.id for cause in classifier.classify(known)]


def signature(name: str) -> str:
    """Which one a failure of the table is; some fail in more than one way."""
    return name.removesuffix("-in-run").removesuffix("-file")


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILING)
def test_what_a_failure_leaves_behind_names_it(bench: Workbench, name: str) -> None:
    evidence, failing = reproduce(bench, name), FAILING[name]

    bench.runtime.remove(name)
    seen = []
    if failing.seen is not None:
        code, word = failing.seen
        assert evidence.codes.count(code) >= 1
        seen.append(classifier.Seen(code=code, n=max(evidence.codes.count(code), 1), source="front end", failure=word))
    assert named(evidence, *seen)[:1] == [signature(name)], evidence.error
    assert set(evidence.codes) == failing.codes


@pytest.mark.slow
def test_workers_that_want_too_much_memory_begin_again_and_again(bench: Workbench) -> None:
    evidence = reproduce(bench, "out-of-memory")

    booted = "Booting worker with pid"
    eventually(lambda: bench.runtime.logs("out-of-memory", tail=2000, init=False).count(booted) >= 3, within=30)
    assert any(" GB: a worker was ended." in line for line in evidence.heard.lines)
    bench.runtime.remove("out-of-memory")


@pytest.mark.slow
def test_a_build_that_is_killed_says_so_as_azure_does(bench: Workbench) -> None:
    # A combination of packages that nobody has built yet.
    pip = ["azureml-defaults", "scikit-learn", f"six!={int(uuid.uuid4()) % 10**9}"]
    environment = {"python": {"condaDependencies": {"dependencies": [{"pip": pip}]}}}
    stop = threading.Event()

    def kill_the_installer() -> None:
        while not stop.is_set():
            for pid in children_of(os.getpid()):
                with contextlib.suppress(OSError):
                    if b"pip\0install" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)
                        return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_the_installer)
    killer.start()
    try:
        heard = bench.deploy("killed-build", OBEDIENT, environment=environment)
    finally:
        stop.set()
        killer.join()

    assert heard.end is not None
    failure = heard.end[1]
    assert failure is not None
    assert "Command 'uv pip install' died with <Signals.SIGKILL: 9>." in failure.message
    evidence = Evidence(heard=heard, error=f"{failure.code}: {failure.message}", container_log="", codes=[])
    assert named(evidence) == ["build-killed"]
    bench.runtime.remove("killed-build")


def children_of(pid: int) -> list[int]:
    """The processes that this one started, whichever of its threads did."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in found.stdout.split()]


def test_certificate_and_key_have_to_be_readable_and_to_belong_together() -> None:
    certificate, key = pair()
    asked = {"sslEnabled": True, "sslCertificate": certificate, "sslKey": key}

    assert certificates.problem(asked) == ""
    assert certificates.problem(asked | {"sslEnabled": False, "sslKey": "x"}) == ""
    assert "certificate cannot be read" in certificates.problem(asked | {"sslCertificate": "x"})
    assert "key cannot be read" in certificates.problem(asked | {"sslKey": "x"})
    assert certificates.problem(asked | {"sslKey": pair()[1]}) == "the key is not the certificate's"


def pair() -> tuple[str, str]:
    """A certificate for nobody, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scoring.example.org")])
    builder = x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime.now(UTC))
    certificate = builder.not_valid_after(datetime.now(UTC) + timedelta(days=1)).sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), text.decode()


def test_every_failure_of_the_table_is_one_the_classifier_knows() -> None:
    assert {signature(name) for name in FAILING} <= {known.id for known in SIGNATURES}
