"""The audit log shows every way of changing it afterwards, and nothing happens without an entry."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import pytest
import sqlalchemy as sa

from services.access import LOCAL_IDENTITIES
from services.audit import Audit, audit_key, read_anchor
from services.clock import SystemClock
from services.errors import Forbidden, Unavailable
from services.settings import Settings
from services.storage import ledger
from services.storage.database import Database
from tests.running_workspace import ROOT

OPERATOR, VIEWER, ADMIN = (LOCAL_IDENTITIES[name] for name in ("operator", "viewer", "admin"))
WORKSPACE = "subscription/group/workspace"


@pytest.fixture
def audit(settings: Settings, database: Database) -> Audit:
    """A log of thirty entries."""
    made = Audit(
        database, workspace=WORKSPACE, key=audit_key(settings.keys), anchor=settings.anchor, clock=SystemClock()
    )
    for number in range(30):
        made.record_alone(OPERATOR, "service.deploy", "service", f"service-{number}", after={"number": number})
    return made


def change(database: Database, statement: str, **values: object) -> None:
    """Do to the database what somebody with its file can do: its triggers are no obstacle."""
    with database.writing() as work:
        for trigger in ("audit_no_update", "audit_no_delete"):
            work.execute(sa.text(f"DROP TRIGGER IF EXISTS {trigger}"))
        work.execute(sa.text(statement), values)


def test_an_untouched_log_is_whole(audit: Audit) -> None:
    verdict = audit.verify()

    assert verdict.is_whole
    assert verdict.entries == 30
    assert verdict.sentence.startswith("All 30 entries are as they were written")


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE audit SET body = replace(body, 'operator', 'somebody') WHERE seq = 12", "Entry 12 was changed after"),
        ("UPDATE audit SET mac = previous_mac WHERE seq = 12", "Entry 12 was changed after"),
        ("UPDATE audit SET previous_mac = mac WHERE seq = 12", "Entry 12 was changed after"),
        ("UPDATE audit SET person_name = 'somebody' WHERE seq = 12", "Entry 12 shows something else"),
        ("UPDATE audit SET action = 'model.edit' WHERE seq = 12", "Entry 12 shows something else"),
        ("UPDATE audit SET object = 'another' WHERE seq = 12", "Entry 12 shows something else"),
        ("UPDATE audit SET result = 'refused' WHERE seq = 12", "Entry 12 shows something else"),
        ("UPDATE audit SET operation = 'another' WHERE seq = 12", "Entry 12 shows something else"),
        ("UPDATE audit SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 12", "Entry 12 shows something else"),
        ("DELETE FROM audit WHERE seq = 12", "Entry 12 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "Entry 1 is missing"),
    ],
)
def test_a_changed_or_deleted_entry_is_named(audit: Audit, database: Database, statement: str, sentence: str) -> None:
    change(database, statement)

    verdict = audit.verify()
    assert not verdict.is_whole
    assert sentence in verdict.sentence
    assert verdict.broken_at in (1, 12)


@pytest.mark.parametrize("statement", ["UPDATE audit SET result = 'done' WHERE seq = 12", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_an_entry(audit: Audit, database: Database, statement: str) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), database.writing() as work:
        work.execute(sa.text(statement))
    assert audit.verify().is_whole


def test_a_cut_off_tail_shows_by_the_anchor_alone(audit: Audit, database: Database) -> None:
    audit.anchor()
    change(database, "DELETE FROM audit WHERE seq > 20")

    verdict = audit.verify()
    assert not verdict.is_whole
    assert verdict.sentence == "The log ends at entry 20, but entry 30 was anchored: its tail was cut off."


def test_without_its_anchor_a_cut_off_tail_would_not_show(audit: Audit, database: Database, settings: Settings) -> None:
    audit.anchor()
    settings.anchor.unlink()
    change(database, "DELETE FROM audit WHERE seq > 20")

    assert audit.verify().is_whole, "which is why the anchor lies elsewhere"


def test_a_log_written_anew_after_the_cut_is_not_the_anchored_one(audit: Audit, database: Database) -> None:
    audit.anchor()
    change(database, "DELETE FROM audit WHERE seq > 20")
    for number in range(15):
        audit.record_alone(VIEWER, "service.delete", "service", f"forged-{number}")

    verdict = audit.verify()
    assert not verdict.is_whole
    assert verdict.sentence == "Entry 30 is not the one that was anchored: the log was rewritten."


def test_a_log_signed_with_another_key_is_not_whole(audit: Audit, database: Database, settings: Settings) -> None:
    forged = Audit(database, workspace=WORKSPACE, key=b"x" * 32, anchor=settings.anchor, clock=SystemClock())

    assert audit.verify().is_whole
    assert not forged.verify().is_whole


def test_the_anchor_lies_with_neither_the_data_nor_the_key(audit: Audit, settings: Settings) -> None:
    audit.anchor()
    audit.anchor()

    assert list(read_anchor(settings.anchor)) == [30], "the same entry is anchored once"
    assert not settings.anchor.is_relative_to(settings.data)
    assert not settings.anchor.is_relative_to(settings.keys)
    assert not settings.keys.is_relative_to(settings.data)
    assert settings.anchor.stat().st_mode & 0o777 == 0o600
    assert (settings.keys / "audit.key").stat().st_mode & 0o777 == 0o600
    defaults = Settings(_env_file=None)  # type: ignore[call-arg]
    assert len({defaults.data, defaults.keys, defaults.anchor.parent}) == 3
    assert not defaults.anchor.is_relative_to(defaults.keys)


def test_a_damaged_key_is_said_and_not_replaced(settings: Settings) -> None:
    audit_key(settings.keys)
    (settings.keys / "audit.key").write_text("00ff")

    with pytest.raises(Unavailable, match="put the saved copy back"):
        audit_key(settings.keys)
    assert (settings.keys / "audit.key").read_text() == "00ff"


APPEND = """
import sys
from services.access import LOCAL_IDENTITIES
from services.audit import Audit, audit_key
from services.clock import SystemClock
from services.settings import Settings
from services.storage.upgrade import open_current

settings = Settings(_env_file=None)
database, _ = open_current(settings)
audit = Audit(database, workspace="w", key=audit_key(settings.keys), anchor=settings.anchor, clock=SystemClock())
for number in range(40):
    audit.record_alone(LOCAL_IDENTITIES["operator"], "service.deploy", "service", f"{sys.argv[1]}-{number}")
"""


def test_entries_of_several_processes_at_once_make_one_whole_chain(audit: Audit, settings: Settings) -> None:
    environment = {
        "PYTHONPATH": str(ROOT),
        "DESK_DATA": str(settings.data),
        "DESK_KEYS": str(settings.keys),
        "DESK_ANCHOR": str(settings.anchor),
    }
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, str(number)], cwd=settings.data, env=environment, stderr=subprocess.PIPE
        )
        for number in range(4)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=90)
        assert writer.returncode == 0, errors.decode()

    verdict = audit.verify()
    assert verdict.is_whole, verdict.sentence
    assert verdict.entries == 30 + 4 * 40


def test_an_event_is_recorded_once_however_often_its_step_runs(audit: Audit, database: Database) -> None:
    for _ in range(3):
        with database.writing() as work:
            audit.record(work, OPERATOR, "keys.set", "service", "a", event="operation:step:done")

    assert [entry.object for entry in audit.page(action="keys.set")] == ["a"]


def test_an_entry_is_taken_back_with_the_work_that_failed(audit: Audit, database: Database) -> None:
    def work_that_fails() -> None:
        with database.writing() as work:
            audit.record(work, OPERATOR, "keys.set", "service", "a")
            raise RuntimeError("the work failed")

    with pytest.raises(RuntimeError, match="the work failed"):
        work_that_fails()

    assert audit.page(action="keys.set") == []
    assert audit.verify().is_whole


def test_pages_are_filtered_and_go_back_in_time(audit: Audit) -> None:
    audit.record_alone(ADMIN, "model.edit", "model", "wine:1", reason="Wrong tag")

    assert [entry.object for entry in audit.page(person="admin")] == ["wine:1"]
    assert [entry.reason for entry in audit.page(action="model")] == ["Wrong tag"]
    assert [entry.object for entry in audit.page(service="service-7")] == ["service-7"]
    newest, older = audit.page(limit=10), audit.page(limit=10, offset=10)
    assert [entry.seq for entry in [*newest, *older]] == list(range(31, 11, -1))


def test_a_percent_sign_in_a_filter_is_a_percent_sign(audit: Audit) -> None:
    assert audit.page(service="%") == []
    assert audit.page(service="_") == []


def test_the_export_is_complete_recorded_and_for_admins_only(audit: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(audit.export(ADMIN))))

    assert len(rows) == 31
    assert rows[-1]["action"] == "audit.export"
    assert rows[4]["object"] == "service-4"
    with pytest.raises(Forbidden, match="this needs an admin"):
        audit.export(OPERATOR)
    refused = audit.page(action="audit.export", limit=1)[0]
    assert (refused.person_id, refused.result) == (OPERATOR.id, "refused")


def test_no_entry_means_no_action(audit: Audit, database: Database, settings: Settings) -> None:
    from services.operations.desk import Operations
    from services.operations.kinds import KINDS
    from services.operations.leases import Leases
    from services.sealed import Sealed

    clock = SystemClock()
    operations = Operations(
        database,
        workspace=WORKSPACE,
        kinds=KINDS,
        audit=audit,
        sealed=Sealed(database, folder=settings.keys, clock=clock),
        leases=Leases(database, workspace=WORKSPACE, clock=clock),
        clock=clock,
    )
    change(database, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")

    with pytest.raises(sa.exc.IntegrityError, match="no room"):
        operations.start(OPERATOR, "model.delete", "wine:1", {"model_id": "wine:1"}, title="Delete wine:1")
    with database.reading() as look:
        for table in (ledger.operations, ledger.operation_steps):
            assert look.execute(sa.select(table)).all() == []
    operations.close()
