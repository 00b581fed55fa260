"""Known secrets are planted everywhere a secret comes in, every kind of operation runs, and none of them is found."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.operations.rehearse import answer_of
from services.planning.environments import from_conda
from services.planning.sdk_code import create_code
from services.planning.wanted import SEALED, EnvironmentRef
from services.storage import ledger
from tests.kills.canaries import Search, command_of, family
from tests.kills.desk_stack import ADMIN, OPERATOR, PRINCIPAL_SECRET, DeskStack

pytestmark = pytest.mark.slow

OWN_PRIMARY = "own+primary/key=of~the&person%1"
OWN_SECONDARY = "own+secondary/key=of~the&person%2"
TYPED_LATER = "typed/later+into=the&form%3~xyz"
UNBUILDABLE = "dependencies: [python=3.11, pytorch, {pip: [azureml-defaults]}]"


def tls_key() -> str:
    """A private key as somebody would paste it."""
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.mark.parametrize(
    "written",
    [
        lambda secret: secret,
        lambda secret: json.dumps({"value": secret}),
        lambda secret: quote(secret, safe=""),
        lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(f'"{secret}"'.encode()).decode(),
        lambda secret: base64.b64encode(f"us:{secret} and more".encode()).decode(),
        lambda secret: html.escape(f'<input value="{secret}">'),
        lambda secret: json.dumps({"body": json.dumps({"value": secret})}),
        lambda secret: json.dumps(secret).replace("&", "\\u0026").replace("+", "\\u002b").replace("=", "\\u003d"),
        lambda secret: quote(f"/next?key={quote(secret, safe='')}", safe=""),
    ],
    ids=[
        "plain",
        "JSON",
        "URL",
        "base64",
        "base64url",
        "base64 inside",
        "HTML",
        "JSON in JSON",
        "JSON in a page",
        "URL in a URL",
    ],
)
def test_the_search_finds_a_planted_secret(tmp_path: Path, written: Callable[[str], str]) -> None:
    search = Search({"planted": PRINCIPAL_SECRET, "other": OWN_PRIMARY})
    place = tmp_path / "deep" / "down.log"
    place.parent.mkdir()
    place.write_text("x" * 1000 + written(PRINCIPAL_SECRET) + "y" * 1000)

    assert search.in_folder(tmp_path) == {str(place): {"planted"}}
    assert search.in_folder(tmp_path, but=[place.parent]) == {}


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped(zipped(content))], ids=["gzip", "zip in zip"])
def test_the_search_finds_what_is_packed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    place = tmp_path / "bundle"
    place.write_bytes(pack(f"key: {PRINCIPAL_SECRET}\n".encode() * 100))
    search = Search({"planted": PRINCIPAL_SECRET})

    assert search.in_bytes(place.read_bytes()) == set()
    assert search.in_file(place) == {"planted"}


def test_the_search_finds_what_a_database_holds_in_its_log_in_pieces_or_compressed(tmp_path: Path) -> None:
    search = Search({"planted": PRINCIPAL_SECRET, "other": OWN_PRIMARY})
    logged, pieces, telemetry = (tmp_path / name for name in ("logged.sqlite3", "pieces.sqlite3", "telemetry.duckdb"))
    with closing(sqlite3.connect(logged)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE kept AS SELECT ? AS what", [PRINCIPAL_SECRET])
        database.commit()
        assert search.in_bytes(logged.read_bytes()) == set()
        assert search.in_folder(tmp_path) == {str(logged): {"planted"}, f"{logged}-wal": {"planted"}}
    with closing(sqlite3.connect(pieces)) as database:
        # The end of a page of 4,096 bytes falls into the secret.
        database.execute("CREATE TABLE kept AS SELECT ? AS what", ["x" * 4560 + PRINCIPAL_SECRET + "y" * 4000])
        database.commit()
    with closing(duckdb.connect(str(telemetry))) as store:
        store.execute("CREATE TABLE kept AS SELECT ? AS what, range AS n FROM range(1000)", [PRINCIPAL_SECRET])

    assert search.in_bytes(pieces.read_bytes()) == set()
    assert search.in_file(pieces) == {"planted"}
    assert search.in_duckdb(telemetry) == {"planted"}


def zipped(content: bytes) -> bytes:
    """An archive with one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", content)
    return packed.getvalue()


@pytest.mark.timeout(600)
def test_no_secret_is_found_after_every_kind_of_operation(
    stack: DeskStack, model_id: str, token_service: str, unique: Callable[[str], str]
) -> None:
    desk, name, broken = stack.desk, unique("canary"), unique("broken")
    connection = stack.workspace.connection
    secrets = {
        "workspace token": connection["token"],
        "read token": connection["read_token"],
        "admin token": json.loads((stack.workspace.data / "admin.json").read_text())["token"],
        "service principal's secret": PRINCIPAL_SECRET,
        "own primary key": OWN_PRIMARY,
        "own secondary key": OWN_SECONDARY,
        "key typed later": TYPED_LATER,
    }
    typed = {"primary_key": OWN_PRIMARY, "secondary_key": OWN_SECONDARY}
    sealed = dict.fromkeys(typed, SEALED)

    def note_keys(when: str) -> None:
        keys = desk.gateway.mms.keys(name)
        secrets[f"primary key {when}"], secrets[f"secondary key {when}"] = keys.primary, keys.secondary

    wanted = stack.wanted(name, model_id, configuration=sealed)
    stack.wait(stack.launch(wanted, secrets=typed))
    note_keys("at first")
    assert secrets["primary key at first"] == OWN_PRIMARY
    stack.wait(stack.launch(stack.wanted(name, model_id, description="Again."), redeploy=True))
    stack.wait(stack.launch(replace(desk.deployments.wanted_now(name), description="Changed.")))
    stack.wait(desk.keys.regenerate(OPERATOR, name, "secondary"))
    note_keys("after regenerating")
    rotation = desk.keys.rotate(OPERATOR, name)
    stack.wait(rotation)
    stack.wait(desk.keys.clients_have_moved(OPERATOR, rotation))
    note_keys("after rotating")
    stack.wait(desk.keys.set_own(OPERATOR, name, "primary", TYPED_LATER))
    note_keys("after setting")

    # What fails, with secrets on board: an environment that cannot be built, a certificate that is none, a lost answer.
    unbuildable = EnvironmentRef(name="unbuildable", document=from_conda(UNBUILDABLE, name="unbuildable"))
    failing = stack.wanted(broken, model_id, configuration=sealed, environment=unbuildable)
    stack.wait(stack.launch(failing, secrets=typed), state="failed")
    with_tls = {"ssl_enabled": True, "ssl_cname": "desk.example.org"}
    pem = {"ssl_cert_pem_file": "not a certificate", "ssl_key_pem_file": tls_key()}
    secrets["TLS key"] = "".join(pem["ssl_key_pem_file"].splitlines()[1:-1])[:60]
    tls = stack.wanted(unique("tls"), model_id, configuration={**with_tls, **dict.fromkeys(pem, SEALED)})
    tls_operation = stack.launch(tls, secrets=pem)
    stack.wait_for_end(tls_operation)
    stack.fault("answer-lost", method="POST", path=f"/services/{name}/regenerateKeys$")
    stack.wait(desk.keys.set_own(OPERATOR, name, "secondary", "an+own/key=to~lose&the%4answer"))
    secrets["key of the lost answer"] = "an+own/key=to~lose&the%4answer"

    shown = desk.keys.shown(desk.keys.reveal(OPERATOR, name, reason="Looking"))
    assert shown is not None
    assert shown.value.primary == TYPED_LATER
    token = desk.keys.shown(desk.keys.token(OPERATOR, token_service))
    assert token is not None
    secrets["service token"] = token.value.token
    answer = desk.testing.send(OPERATOR, name, '{"environment": true}')
    assert answer.status == 200
    desk.testing.send(OPERATOR, name, "not JSON")
    log = desk.container_logs.read(OPERATOR, name)
    kept = desk.container_logs.keep(OPERATOR, name, log.lines)
    model = stack.registered(unique("canary"))
    stack.wait(desk.registry.edit(OPERATOR, model, tags={"seen": "yes"}, description="Seen."))
    stack.wait(desk.registry.fetch(OPERATOR, model))
    stack.wait(desk.registry.delete(OPERATOR, model, reason="Done"))
    stack.wait(desk.webservices.delete(OPERATOR, broken, typed_name=broken))
    export = desk.audit.export(ADMIN)

    search = Search(secrets)
    assert "service principal's secret" in search.in_file(stack.folder / ".env"), "the search finds what is there"
    assert {"workspace token", "read token"} <= search.in_file(stack.workspace.connection_file)
    # Its own store of secrets is the local workspace's to keep: tokens, sealed keys, and what it was sent.
    own_store = [
        stack.workspace.data / file for file in ("connection.json", "identity.json", "admin.json", "insights.json")
    ]
    own_store += [stack.folder / ".env"]
    assert search.in_folder(stack.folder, but=own_store) == {}
    ours = list(family(stack.workspace.process.pid if stack.workspace.process else 0, stack.worker))
    assert len(ours) > 4, "workspace, ingestion, front end, replicas, worker"
    assert any("services.worker" in command_of(pid) or "nursery" in command_of(pid) for pid in ours)
    assert search.in_processes(ours) == {}
    assert search.in_text(answer.body) == set(), "a score.py that returns its environment shows none of ours"
    assert search.in_text("\n".join(line.text for line in log.lines)) == set()
    assert search.in_text(desk.files.path(kept.sha256).read_text()) == set()
    assert search.in_text(export) == set()
    assert search.in_text(create_code(wanted) + create_code(tls)) == set()
    assert search.in_text(stack.worker_output()) == set()
    for operation in desk.operations.page(limit=500):
        assert search.in_text(repr(desk.operations.get(operation.id))) == set()
        assert search.in_text(repr(desk.operations.lines(operation.id))) == set()
    with desk.databases[0].reading() as look:
        # The answer of a reproduced request stays sealed for a quarter of an hour, for who asked for it.
        left = [
            row.operation
            for row in look.execute(sa.select(ledger.sealed_secrets))
            if not row.operation.endswith(answer_of(""))
        ]
        assert left == [], "no envelope outlives its operation"
