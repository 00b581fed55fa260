"""No secret stays anywhere: while the whole desk runs and is used in a browser, and after it, every place is searched.

Something harmless is planted on all the ways a secret could take, so that each search is seen to find.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.sync_api import Locator, Page, expect

from dashboard import navigation
from services.access import LOCAL_IDENTITIES
from services.azureml.fields import form_defaults
from services.files import CODE_LIMIT
from services.planning.environments import from_requirements
from services.planning.wanted import CodeRef, EnvironmentRef
from tests.e2e.browser_traces import Trace, WatchedVisit, watched
from tests.e2e.cloned_stack import ClonedStack
from tests.e2e.service_maker import OPERATOR, make_service, open_desk
from tests.e2e.stack import STARTING_SECONDS, until
from tests.kills.canaries import ProcessWatch, Search

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from services.bootstrap import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ADMIN = LOCAL_IDENTITIES["admin"]
KEYED, TOKENED, OWN = "canary-keyed", "canary-tokened", "canary-own"
PLANTED = "planted-on-every-way"
PRINCIPAL = {
    "AZURE_CLIENT_SECRET": 'shared~s/ec+ret="of&our%own',
    "DESK_AZURE_CLIENT_SECRET": "desk~s/ec+ret='of&the%desk",
    "WORKER_AZURE_CLIENT_SECRET": "worker~s/ec+ret=of&the%worker",
}
TYPED = {
    "own primary key of the form": "own+primary/key=of~the&form%1",
    "own secondary key of the form": "own+secondary/key=of~the&form%2",
    "key set in the dialog": "typed/later+into=the&dialog%3",
    "key typed and not set": "typed/but+never=set&by%anyone4",
    "key typed and left behind": "typed/and+left=behind&in~form%5",
}
SCORE = """
import os

def init():
    print("its environment is", dict(os.environ))

def run(data):
    print("asked for", data)
    return {"environment": dict(os.environ)}
"""
VIEWS = ("Summary", "Configuration", "Access", "Metrics", "Logs", "Tests", "History", "Consume", "Delete")
LONG = 120_000
EXPIRY = 75_000

DATABASES = ("data/ledger.sqlite3", "data/mirror.sqlite3", "data/workspace/state.sqlite3")
TELEMETRY = "data/workspace/insights/telemetry.duckdb"
OWN_STORE = ("connection.json", "identity.json", "admin.json", "insights.json")
"""Where the local workspace, which stands for Azure, keeps its own tokens."""
PLACES = (
    "address",
    "screen",
    "received by the browser",
    "sent by the browser",
    "console",
    "storage",
    "cookie",
    "download",
    "database",
    "log",
    "file",
    "environment",
    "command line",
)

Found = dict[str, set[str]]


@dataclass
class Evidence:
    """What was seen during the journey, and the secrets there were."""

    secrets: dict[str, str]
    traces: list[Trace] = field(default_factory=list)
    searched: dict[str, Found] = field(default_factory=lambda: defaultdict(dict))

    def put(self, place: str, where: str, names: Iterable[str]) -> None:
        """Note what a search found."""
        self.searched[place].setdefault(where, set()).update(names)


@pytest.fixture(scope="module")
def evidence(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """One journey through everything that handles secrets; then every place is searched, the desk running and ended."""
    folder = tmp_path_factory.mktemp(PLANTED)
    stack = ClonedStack(folder, PRINCIPAL, PLANTED_VARIABLE=PLANTED)
    found = Evidence({**PRINCIPAL, **TYPED})
    try:
        stack.launch()
        with ProcessWatch(lambda: [stack.supervisor, *stack.processes()]) as processes:
            until(stack.is_alive, what="the desk is alive", seconds=STARTING_SECONDS)
            _journey(browser, stack, found)
            processes.look()
        (folder / "data" / "logs" / "planted.log").write_text(f"2026-11-21 INFO planted: {PLANTED}\n")
        search = Search({PLANTED: PLANTED, **found.secrets})
        _search_processes(search, processes, found)
        _search_files(search, stack, found, "")
        _search_traces(search, found)
    finally:
        stack.stop()
    _search_files(search, stack, found, " after the end")
    # As long as it runs, nobody else can open it.
    found.put("database", TELEMETRY, search.in_duckdb(folder / TELEMETRY))
    return found


@pytest.mark.parametrize("place", PLACES)
def test_what_was_planted_is_found_and_no_secret_is(evidence: Evidence, place: str) -> None:
    found = evidence.searched[place]

    assert any(PLANTED in names for names in found.values()), f"the search finds what is there: {sorted(found)}"
    assert {where: names - {PLANTED} for where, names in found.items() if names - {PLANTED}} == {}


def test_every_database_and_log_was_searched(evidence: Evidence) -> None:
    databases, logs = evidence.searched["database"], {Path(where).name for where in evidence.searched["log"]}

    assert {*DATABASES, *(f"{name}-wal" for name in DATABASES), TELEMETRY} <= set(databases)
    assert PLANTED in databases[DATABASES[0]] & databases[TELEMETRY]
    assert any(PLANTED in names for where, names in databases.items() if where.endswith("-wal"))
    assert {"desk.log", "worker.log", "workspace.log", "supervisord.log", "foreground.log"} <= logs


def test_every_kind_of_process_was_searched(evidence: Evidence) -> None:
    commands = "\n".join(evidence.searched["command line"])

    for program in ("supervisord", "streamlit", "services.worker", "local_workspace ", "local_workspace.insights"):
        assert program in commands
    for program in ("front_end", "start_replica", "samples"):
        assert program in commands


def test_a_secret_that_is_asked_for_is_on_that_screen_and_found_there(evidence: Evidence) -> None:
    search = Search(evidence.secrets)

    shown = {
        kind: search.in_bytes(b"\n".join(t.content for t in evidence.traces if t.kind == kind and t.is_secret_shown))
        for kind in ("screen", "received", "sent")
    }

    assert {"primary key at first", "secondary key at first", "service token"} <= shown["screen"]
    assert {"primary key at first", "secondary key at first", "service token"} <= shown["received"]
    assert {*TYPED} <= shown["sent"]


def _journey(browser: Browser, stack: ClonedStack, found: Evidence) -> None:
    connection = json.loads((stack.folder / "data" / "workspace" / "connection.json").read_text())
    found.secrets |= {
        "workspace token": connection["token"],
        "read token": connection["read_token"],
        "admin token": json.loads((stack.folder / "data" / "workspace" / "admin.json").read_text())["token"],
        "key of the envelopes": (stack.folder / "keys" / "envelope.key").read_text().strip(),
        "key of the audit chain": (stack.folder / "keys" / "audit.key").read_text().strip(),
    }
    with open_desk(stack) as desk, watched(browser, stack.url, identity="operator") as window:
        _make_services(desk)
        _note_keys(desk, found, "at first")
        found.secrets["session cookie"] = next(
            cookie["value"] for cookie in window.page.context.cookies() if cookie["name"] == "desk_session"
        )
        with watched(browser, stack.url, identity="operator") as left_open:
            with left_open.secret_shown():
                _reveal(left_open, KEYED)
                _renew_keys(window, desk, found)
                _fetch_token(window, found)
                _launch_with_own_keys(window, desk, found)
                _use(window)
                # Its minute is over by now, or nearly.
                expect(left_open.page.get_by_role("button", name="Reveal keys")).to_be_visible(timeout=EXPIRY)
                left_open.settle()
            left_open.look()
            found.traces += left_open.traces
        _visit_every_screen(window)
        _plant(window)
        window.look_at_storage()
        with watched(browser, stack.url, identity="admin") as admin:
            _export_audit_log(admin)
            found.traces += admin.traces
        found.traces += window.traces


def _make_services(desk: Desk) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.py", SCORE)
    packed.seek(0)
    code = desk.files.keep(packed, name="tells.zip", purpose="code", by=OPERATOR, limit=CODE_LIMIT)
    document = from_requirements("azureml-defaults\n", name="sums", variables={"PLANTED_VARIABLE": PLANTED})
    made = {
        "code": CodeRef(source="upload", entry_script="score.py", sha256=code.sha256, name=code.name),
        "environment": EnvironmentRef(name="sums", document=document),
    }
    cluster = {"name": "canary-aks", "nodes": 3, "vm_size": "Standard_D3_v2", "purpose": "FastProd"}
    creation = desk.operations.start(ADMIN, "compute.create", "canary-aks", cluster, title="Create canary-aks")
    make_service(desk, KEYED, **made)
    until(lambda: not desk.operations.get(creation).is_open, what="the cluster is there", seconds=60)
    with_tokens = {"auth_enabled": False, "token_auth_enabled": True, "autoscale_enabled": False, "num_replicas": 1}
    small = {**form_defaults("AKS"), **with_tokens, "cpu_cores": 0.5, "memory_gb": 1.0}
    make_service(desk, TOKENED, target="AKS", compute="canary-aks", configuration=small, **made)


def _note_keys(desk: Desk, found: Evidence, when: str) -> None:
    keys = desk.gateway.mms.keys(KEYED)
    found.secrets |= {f"primary key {when}": keys.primary, f"secondary key {when}": keys.secondary}


def _reveal(window: WatchedVisit, name: str) -> None:
    """Show both keys; before it, no mask on the screen has a key behind it."""
    page = window.open(f"/service?name={name}&view=Access")
    window.look()
    page.get_by_role("button", name="Reveal keys").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name=re.compile("^More about it")).fill(PLANTED)
    window.look()
    with window.secret_shown():
        _confirm(page, "Reveal")
        expect(page.get_by_text("hidden again in")).to_be_visible()
        window.look()


def _renew_keys(window: WatchedVisit, desk: Desk, found: Evidence) -> None:
    page = window.page
    _reveal(window, KEYED)
    with window.secret_shown():
        page.get_by_role("button", name="Hide now").click()
        expect(page.get_by_role("button", name="Reveal keys")).to_be_visible()
    window.look()

    before = desk.gateway.mms.keys(KEYED)
    page.get_by_role("button", name="Regenerate secondary").click()
    _confirm(page, "Regenerate")
    until(lambda: desk.gateway.mms.keys(KEYED).secondary != before.secondary, what="the key is new", seconds=60)
    _wait_for_operations(desk)
    _note_keys(desk, found, "after regenerating")
    window.look()

    for name, button in (("key typed and not set", "Cancel"), ("key set in the dialog", "Set")):
        page.get_by_role("button", name="Set primary").click()
        field = page.get_by_role("dialog").get_by_role("textbox", name="New value")
        expect(field).to_have_value("")
        assert field.get_attribute("type") == "password"
        with window.secret_shown():
            _type_secret(window, field, TYPED[name])
            _confirm(page, button)
        window.look()
    until(lambda: desk.gateway.mms.keys(KEYED).primary == TYPED["key set in the dialog"], what="it is set", seconds=60)
    _wait_for_operations(desk)
    window.look()


def _fetch_token(window: WatchedVisit, found: Evidence) -> None:
    page = window.open(f"/service?name={TOKENED}&view=Access")
    page.get_by_role("button", name="Fetch a token").click()
    with window.secret_shown():
        _confirm(page, "Fetch")
        shown = page.get_by_test_id("stCode").get_by_text(re.compile(r"^eyJ"))
        expect(shown).to_be_visible()
        found.secrets["service token"] = shown.inner_text().strip()
        window.look()
        page.get_by_role("button", name="Hide now").click()
        expect(page.get_by_role("button", name="Fetch a token")).to_be_visible()
    window.look()


def _launch_with_own_keys(window: WatchedVisit, desk: Desk, found: Evidence) -> None:
    certificate, key = _certificate()
    found.secrets["certificate's key"] = key.splitlines()[1]
    page = window.open("/deploy")
    with window.secret_shown():
        _type_secret(window, _field(page, "Primary key"), TYPED["key typed and left behind"])
    page.get_by_role("link", name="Services", exact=True).click()
    window.settle()
    window.look()

    window.open(f"/deploy?copy={KEYED}")
    expect(_field(page, "Primary key")).to_have_value("")
    _field(page, "Service name").fill(OWN)
    _field(page, "Service name").press("Tab")
    window.settle()
    page.get_by_text(re.compile("^TLS and encryption")).click()
    page.get_by_text("TLS", exact=True).click()
    window.settle()
    _field(page, "Host name").fill("own.example.org")
    _field(page, "Host name").press("Tab")
    window.settle()
    with window.secret_shown():
        _type_secret(window, _field(page, "Certificate (PEM)"), certificate)
        _type_secret(window, _field(page, "Certificate key (PEM)"), key)
        _type_secret(window, _field(page, "Primary key"), TYPED["own primary key of the form"])
        _type_secret(window, _field(page, "Secondary key"), TYPED["own secondary key of the form"])
        page.get_by_text("The same in code").click()
        expect(page.get_by_text("AciWebservice.deploy_configuration(")).to_be_visible()
        code = page.get_by_test_id("stCode").last.inner_text()
        page.get_by_test_id("stBaseButton-primary").click()
        page.wait_for_url("**operation=**")
        expect(_field(page, "Primary key")).to_have_count(0)
        window.settle()
    assert Search(found.secrets).in_text(code) == set(), "the code names the secrets and does not hold them"
    window.look()
    expect(page.get_by_text("succeeded").first).to_be_visible(timeout=LONG)
    window.look()
    _wait_for_operations(desk)
    assert desk.gateway.mms.keys(OWN).primary == TYPED["own primary key of the form"]
    page.get_by_role("link", name="Deploy", exact=True).click()
    window.settle()
    window.look()


def _use(window: WatchedVisit) -> None:
    """A test request to a script that tells its environment, and its log, followed and saved."""
    page = window.open(f"/service?name={KEYED}&view=Tests")
    body = page.get_by_role("textbox", name="Body")
    body.fill(json.dumps({"note": PLANTED}))
    body.press("Control+Enter")
    window.settle()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("It was answered.")).to_be_visible(timeout=LONG)
    page.get_by_text(re.compile(r"^Headers \(")).click()
    window.look()

    window.open(f"/service?name={KEYED}&view=Logs&follow=true")
    expect(page.get_by_text(f"asked for {json.dumps({'note': PLANTED})}").first).to_be_visible(timeout=LONG)
    window.look()
    page.get_by_role("button", name="Prepare download").click()
    saved = page.get_by_role("link", name=re.compile(r"^Save .*\.log"))
    expect(saved).to_be_visible()
    with page.expect_download() as started:
        saved.click()
    assert PLANTED.encode() in window.keep(started.value)


def _visit_every_screen(window: WatchedVisit) -> None:
    for screen in navigation.SCREENS:
        window.open("/" if screen.name == "overview" else f"/{screen.name}")
    for view in VIEWS:
        window.open(f"/service?name={OWN}&view={view}")
    window.open(f"/services?q={PLANTED}")
    window.open(f"/deploy?service={OWN}")
    window.open("/operations?view=Audit+log")


def _plant(window: WatchedVisit) -> None:
    """What the desk itself never writes to, so that the search is seen to find there too."""
    window.page.evaluate(
        """planted => { console.info(planted); localStorage.setItem("planted", planted);
            sessionStorage.setItem("planted", planted); document.cookie = `planted=${planted}`; }""",
        PLANTED,
    )
    window.settle()


def _export_audit_log(window: WatchedVisit) -> None:
    page = window.open("/operations?view=Audit+log")
    with page.expect_download() as started:
        page.get_by_role("link", name="Export as CSV").click()
    assert PLANTED.encode() in window.keep(started.value)
    window.look()


def _search_processes(search: Search, processes: ProcessWatch, found: Evidence) -> None:
    for name, command, environment in processes.seen():
        found.put("command line", name, search.in_bytes(command))
        found.put("environment", name, search.in_bytes(environment))


def _search_files(search: Search, stack: ClonedStack, found: Evidence, when: str) -> None:
    """Everything below the stack's folder but what is there to keep secrets."""
    workspace = stack.folder / "data" / "workspace"
    kept = {workspace / name for name in OWN_STORE}
    kept |= {stack.clone / ".env", stack.folder / "keys" / "envelope.key", stack.folder / "keys" / "audit.key"}
    for path in sorted(stack.folder.rglob("*")):
        if path in kept or path.is_symlink() or not path.is_file():
            continue
        is_database = any(part in path.name for part in (".sqlite3", ".duckdb"))
        kind = "log" if path.suffix == ".log" else "database" if is_database else "file"
        try:
            found.put(kind, f"{path.relative_to(stack.folder)}{when}", search.in_file(path))
        except FileNotFoundError:
            # A temporary file, gone between two looks.
            continue


def _search_traces(search: Search, found: Evidence) -> None:
    names: Mapping[str, str] = {"received": "received by the browser", "sent": "sent by the browser"}
    for trace in found.traces:
        if trace.is_secret_shown and trace.kind in ("screen", "received", "sent"):
            continue
        seen = search.in_bytes(trace.content)
        if trace.kind == "cookie":
            seen -= {"session cookie"}
        found.put(names.get(trace.kind, trace.kind), trace.where, seen)


def _confirm(page: Page, label: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=label, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=LONG)


def _field(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=label, exact=True)


def _type_secret(window: WatchedVisit, field: Locator, secret: str) -> None:
    field.fill(secret)
    field.press("Tab")
    until(lambda: window.has_sent(secret), what="the desk has what was typed")
    window.settle()


def _wait_for_operations(desk: Desk) -> None:
    until(
        lambda: not any(found.is_open for found in desk.operations.page(limit=100)),
        what="no operation is open",
        seconds=LONG / 1000,
    )


def _certificate() -> tuple[str, str]:
    """A certificate somebody made, and its key, as they would be pasted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()
