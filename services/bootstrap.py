"""The one place where real things are chosen and put together: which workspace, which credential, which database.

Imported only by `streamlit_app.py` (through the dashboard's context), `services/worker.py` and the samples.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial

from services import disk
from services.access import Person
from services.alert_rounds import AlertRounds
from services.alerts import Alerts
from services.attention import Attention
from services.audit import Audit, audit_key
from services.azureml.access import Access
from services.azureml.credentials import for_desk, for_worker
from services.azureml.gateway import Gateway, open_gateway
from services.azureml.local_admin import LocalAdmin
from services.azureml.log_workspace import find_log_workspace
from services.azureml.model_sizes import model_bytes
from services.azuremonitor.client import LogAnalytics
from services.bundles import Bundles
from services.causes import Causes
from services.clock import Clock, SystemClock
from services.container_logs import ContainerLogs
from services.deployments import Deployments
from services.diagnosis import Diagnosis
from services.drafts import Drafts
from services.errors import Unavailable
from services.failure_groups import FailureGroups
from services.faults import Faults
from services.files import Files
from services.fingerprints import Fingerprints
from services.health import Health
from services.incident_notes import IncidentNotes
from services.incident_report import IncidentReports
from services.incident_story import Stories
from services.incidents import Incidents
from services.inventory import Inventory
from services.keys import Keys
from services.live import Live
from services.log_snapshots import LogSnapshots
from services.marker_verdicts import MarkerVerdicts
from services.monitoring import Monitoring
from services.objectives import Objectives
from services.onset import Onset
from services.operations.desk import Operations
from services.operations.engine import Engine
from services.operations.journal import Journal
from services.operations.kinds import KINDS
from services.operations.leases import Leases
from services.operations.records import Operation
from services.probe_rounds import ProbeRounds
from services.probes import Probes
from services.queries import Queries
from services.reading_back import ReadingBack
from services.registry import Registry
from services.rehearsal import Rehearsals
from services.rehearsal_workspace import RehearsalWorkspace
from services.request_inspector import RequestInspector
from services.sealed import Sealed
from services.sessions import Sessions
from services.settings import Settings, read_settings
from services.storage.database import Database
from services.storage.upgrade import open_current
from services.summaries import Summaries
from services.switches import Switches
from services.testing import Testing
from services.traces import Traces
from services.webservices import Webservices


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the screens ask."""

    settings: Settings
    clock: Clock
    azure: Access
    workspace: str
    sessions: Sessions
    audit: Audit
    health: Health
    files: Files
    operations: Operations
    registry: Registry
    webservices: Webservices
    deployments: Deployments
    rehearsals: Rehearsals
    keys: Keys
    live: Live
    monitoring: Monitoring
    diagnosis: Diagnosis
    container_logs: ContainerLogs
    log_snapshots: LogSnapshots
    failure_groups: FailureGroups
    request_inspector: RequestInspector
    traces: Traces
    testing: Testing
    attention: Attention
    probes: Probes
    alerts: Alerts
    objectives: Objectives
    marker_verdicts: MarkerVerdicts
    switches: Switches
    causes: Causes
    faults: Faults
    incidents: Incidents
    incident_notes: IncidentNotes
    stories: Stories
    incident_reports: IncidentReports
    drafts: Drafts
    queries: Queries
    gateway: Gateway
    logs: LazyLogs
    databases: tuple[Database, Database]

    @property
    def is_local(self) -> bool:
        """Whether every screen carries the mark "LOCAL – no cloud"."""
        return self.azure.is_local

    def may(self, person: Person, command: str) -> bool:
        """Whether to offer a command; the service checks again."""
        return person.may(command)

    def close(self) -> None:
        """Give everything back."""
        self.live.close()
        self.faults.close()
        self.operations.close()
        self.logs.close()
        self.gateway.close()
        for database in self.databases:
            database.close()


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What the worker's process runs."""

    settings: Settings
    clock: Clock
    workspace: str
    engine: Engine
    inventory: Inventory
    summaries: Summaries
    probes: Probes
    probe_rounds: ProbeRounds
    alert_rounds: AlertRounds
    log_snapshots: LogSnapshots
    reading_back: ReadingBack
    rehearsal: RehearsalWorkspace
    failure_groups: FailureGroups
    health: Health
    audit: Audit
    sealed: Sealed
    files: Files
    operations: Operations
    gateway: Gateway
    databases: tuple[Database, Database]


def workspace_key(access: Access) -> str:
    """What every row about this workspace carries: subscription/group/name."""
    where = access.coordinates()
    return f"{where.subscription_id}/{where.resource_group}/{where.workspace_name}"


def desk(settings: Settings | None = None) -> Desk:
    """The desk on its own credential, which only has to read."""
    with disk.explained(places=True):
        return _desk(settings or read_settings())


def worker(settings: Settings | None = None) -> Worker:
    """The worker on the credential that makes changes."""
    with disk.explained(places=True):
        return _worker(settings or read_settings())


def _desk(settings: Settings) -> Desk:
    clock = SystemClock()
    ledger, mirror = open_current(settings)
    azure = for_desk(settings)
    workspace = workspace_key(azure)
    gateway = open_gateway(azure)
    audit = _audit(settings, ledger, workspace, clock)
    operations = _operations(settings, ledger, workspace, audit, clock)
    live = Live(clock)
    webservices = Webservices(mirror, operations, workspace=workspace, clock=clock)
    registry = Registry(mirror, operations, workspace=workspace, clock=clock)
    deployments = Deployments(ledger, operations, webservices, registry, workspace=workspace, clock=clock)
    logs = LazyLogs(azure)
    files = Files(ledger, folder=settings.files, workspace=workspace, clock=clock)
    alerts = Alerts(ledger, operations, audit, workspace=workspace, clock=clock)
    probes = Probes(ledger, mirror, operations, audit, workspace=workspace, clock=clock)
    testing = Testing(live, gateway.mms, webservices, operations, audit, probes)
    monitoring = Monitoring(
        live,
        logs,
        webservices,
        operations,
        probes=probes,
        testing=testing,
        bundles=Bundles(ledger, workspace=workspace),
        clock=clock,
    )
    onset = Onset(monitoring)
    incidents = Incidents(ledger, operations, webservices, onset, audit, workspace=workspace, clock=clock)
    container_logs = ContainerLogs(live, gateway.mms, webservices, operations, files, clock=clock)
    incident_notes = IncidentNotes(ledger, operations, incidents, audit, workspace=workspace, clock=clock)
    log_snapshots = LogSnapshots(ledger, mirror, files, operations, workspace=workspace, clock=clock)
    failure_groups = FailureGroups(ledger, mirror, logs, operations, audit, live=live, workspace=workspace, clock=clock)
    stories = Stories(
        incidents,
        incident_notes,
        operations,
        webservices,
        audit,
        monitoring,
        onset,
        alerts,
        failure_groups,
        log_snapshots,
        clock=clock,
    )
    return Desk(
        settings=settings,
        clock=clock,
        azure=azure,
        workspace=workspace,
        sessions=Sessions(ledger, audit, clock),
        audit=audit,
        health=Health(mirror, workspace=workspace, clock=clock),
        files=files,
        operations=operations,
        registry=registry,
        webservices=webservices,
        deployments=deployments,
        rehearsals=Rehearsals(operations, deployments, Sealed(ledger, folder=settings.keys, clock=clock), live, audit),
        keys=Keys(ledger, operations, webservices, live, gateway.mms, audit, workspace=workspace, clock=clock),
        live=live,
        monitoring=monitoring,
        diagnosis=Diagnosis(live, gateway, logs, clock=clock),
        container_logs=container_logs,
        log_snapshots=log_snapshots,
        failure_groups=failure_groups,
        request_inspector=RequestInspector(live, logs, operations, audit),
        traces=Traces(live, logs, operations),
        testing=testing,
        attention=Attention(ledger, webservices, operations, alerts, workspace=workspace, clock=clock),
        probes=probes,
        alerts=alerts,
        objectives=Objectives(ledger, operations, audit, live, logs, workspace=workspace, clock=clock),
        marker_verdicts=MarkerVerdicts(live, logs, operations, clock=clock),
        switches=Switches(ledger, operations, audit, workspace=workspace, clock=clock),
        causes=Causes(webservices, operations, monitoring, container_logs, probes, failure_groups, clock=clock),
        faults=Faults(live, _local_admin(settings), operations, clock=clock),
        incidents=incidents,
        incident_notes=incident_notes,
        stories=stories,
        incident_reports=IncidentReports(
            stories, incident_notes, operations, monitoring, audit, workspace=workspace, clock=clock
        ),
        drafts=Drafts(ledger, operations, workspace=workspace, clock=clock),
        queries=Queries(ledger, live, logs, azure, operations, audit, workspace=workspace, clock=clock),
        gateway=gateway,
        logs=logs,
        databases=(ledger, mirror),
    )


def _worker(settings: Settings) -> Worker:
    clock = SystemClock()
    ledger, mirror = open_current(settings)
    azure = for_worker(settings)
    workspace = workspace_key(azure)
    gateway = open_gateway(azure)
    audit = _audit(settings, ledger, workspace, clock)
    sealed = Sealed(ledger, folder=settings.keys, clock=clock)
    files = Files(ledger, folder=settings.files, workspace=workspace, clock=clock)
    leases = Leases(ledger, workspace=workspace, clock=clock)
    inventory = Inventory(
        mirror,
        gateway.mms,
        environments=gateway.mms.environments,
        model_bytes=partial(model_bytes, gateway),
        workspace=workspace,
        clock=clock,
    )
    operations = _operations(settings, ledger, workspace, audit, clock)
    webservices = Webservices(mirror, operations, workspace=workspace, clock=clock)
    probes = Probes(ledger, mirror, operations, audit, workspace=workspace, clock=clock)
    alerts = Alerts(ledger, operations, audit, workspace=workspace, clock=clock)
    bundles = Bundles(ledger, workspace=workspace)
    rehearsal = RehearsalWorkspace(settings)
    log_snapshots = LogSnapshots(
        ledger,
        mirror,
        files,
        operations,
        source=gateway.mms,
        note=inventory.note,
        workspace=workspace,
        clock=clock,
    )
    tools = {
        "gateway": gateway,
        "local_admin": _local_admin(settings),
        "bundles": bundles,
        "rehearsal": rehearsal,
        "ledger": ledger,
        "files": files,
        "sealed": sealed,
        "clock": clock,
        "fingerprints": Fingerprints(audit_key(settings.keys)),
    }
    return Worker(
        settings=settings,
        clock=clock,
        workspace=workspace,
        engine=Engine(
            ledger,
            kinds=KINDS,
            journal=Journal(ledger, audit=audit, sealed=sealed, clock=clock),
            leases=leases,
            tools=tools,
            after=partial(refresh_after, inventory),
            before=log_snapshots.before,
            worker_id=settings.worker_id,
        ),
        inventory=inventory,
        summaries=Summaries(mirror, LazyLogs(azure), note=inventory.note, workspace=workspace, clock=clock),
        log_snapshots=log_snapshots,
        probes=probes,
        probe_rounds=ProbeRounds(probes, webservices, gateway.mms, LazyLogs(azure), clock=clock),
        alert_rounds=AlertRounds(alerts, probes, webservices, operations, LazyLogs(azure), clock=clock),
        rehearsal=rehearsal,
        reading_back=ReadingBack(mirror, operations, bundles, workspace=workspace, clock=clock),
        failure_groups=FailureGroups(
            ledger,
            mirror,
            LazyLogs(azure),
            operations,
            audit,
            note=inventory.note,
            workspace=workspace,
            clock=clock,
        ),
        health=Health(mirror, workspace=workspace, clock=clock),
        audit=audit,
        sealed=sealed,
        files=files,
        operations=operations,
        gateway=gateway,
        databases=(ledger, mirror),
    )


def refresh_after(inventory: Inventory, operation: Operation) -> None:
    """Read anew what an operation changed."""
    if operation.subject_kind == "service":
        inventory.refresh_services()
    elif operation.subject_kind == "model" and operation.kind != "model.download":
        registered = (operation.result("register") or {}).get("model_id")
        inventory.refresh_model(registered or operation.subject)
    elif operation.subject_kind == "environment":
        inventory.refresh_environments()
    elif operation.subject_kind == "compute":
        inventory.refresh_computes()


class LazyLogs:
    """Opens the way to Log Analytics when it is first needed: on Azure its address has to be found first."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._client: LogAnalytics | None = None

    def __call__(self) -> LogAnalytics:
        """The client, opened once."""
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client

    def close(self) -> None:
        """Give its connections back, if it was ever opened."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _open(self) -> LogAnalytics:
        access = self._access
        workspace_id = access.logs_workspace_id() or find_log_workspace(access)
        if not workspace_id:
            raise Unavailable(
                "No Log Analytics workspace is connected: the workspace's Application Insights leads to none. "
                "Name it in AZURE_LOG_ANALYTICS_WORKSPACE_ID."
            )
        if access.is_local:
            return LogAnalytics(access.logs_url, access.token, workspace_id, source="local")
        return LogAnalytics(access.logs_url, access.monitor_credential, workspace_id, source="azure")


def _local_admin(settings: Settings) -> LocalAdmin | None:
    """The way to faults on purpose, which the local workspace alone has."""
    return LocalAdmin(settings.connection) if settings.is_local else None


def _audit(settings: Settings, ledger: Database, workspace: str, clock: Clock) -> Audit:
    return Audit(ledger, workspace=workspace, key=audit_key(settings.keys), anchor=settings.anchor, clock=clock)


def _operations(settings: Settings, ledger: Database, workspace: str, audit: Audit, clock: Clock) -> Operations:
    return Operations(
        ledger,
        workspace=workspace,
        kinds=KINDS,
        audit=audit,
        sealed=Sealed(ledger, folder=settings.keys, clock=clock),
        leases=Leases(ledger, workspace=workspace, clock=clock),
        clock=clock,
    )
