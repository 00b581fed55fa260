"""The same on PostgreSQL, where a team keeps ledger and mirror: migrations, the audit chain, one deployment with kills."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.storage import ledger, mirror
from services.storage.upgrade import open_databases, upgrade
from tests.kills.desk_stack import OPERATOR, DeskStack
from tests.kills.postgres import Postgres, programs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def team_stack(tmp_path_factory: pytest.TempPathFactory, _sdk_home: Path) -> Iterator[DeskStack]:
    """Workspace, worker and desk with both databases on PostgreSQL."""
    found = programs()
    if found is None:
        assert os.environ.get("CI") != "true", "PostgreSQL is not installed: apt-get install postgresql"
        pytest.skip("PostgreSQL is not installed: its tests were left out")
    # Not below pytest's folder, which only its own user may enter.
    with tempfile.TemporaryDirectory(prefix="desk-postgres-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        server = Postgres(Path(folder) / "server", found)
        server.start()
        stack = None
        try:
            stack = DeskStack(
                tmp_path_factory.mktemp("team"),
                desk_ledger_url=server.database("ledger"),
                desk_mirror_url=server.database("mirror"),
            )
            stack.start()
            yield stack
        finally:
            if stack is not None:
                stack.stop()
            server.stop()


def test_the_schema_is_made_by_the_same_migrations(team_stack: DeskStack) -> None:
    assert upgrade(team_stack.settings) == [
        f"ledger: {ledger.REVISION} (unchanged)",
        f"mirror: {mirror.REVISION} (unchanged)",
    ]
    for database in open_databases(team_stack.settings):
        assert not database.is_sqlite
        database.close()


def test_entries_at_once_make_one_whole_chain(team_stack: DeskStack) -> None:
    audit = team_stack.desk.audit
    before = audit.verify().entries

    def append(writer: int) -> None:
        for number in range(25):
            audit.record_alone(OPERATOR, "service.deploy", "service", f"{writer}-{number}")

    writers = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(60)
    verdict = audit.verify()
    assert verdict.is_whole, verdict.sentence
    assert verdict.entries == before + 100


@pytest.mark.parametrize("statement", ["UPDATE audit SET result = 'done'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_an_entry(team_stack: DeskStack, statement: str) -> None:
    database = team_stack.desk.databases[0]

    with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.writing() as work:
        work.execute(sa.text(statement))


@pytest.mark.timeout(300)
def test_a_deployment_killed_on_its_way_is_sent_once(team_stack: DeskStack) -> None:
    model_id = team_stack.registered("on-postgres")
    team_stack.end_worker()
    operation = team_stack.launch(team_stack.wanted("on-postgres-service", model_id))
    for moment in ("submit:begun", "submit:acted", "follow:begun", "end:recorded"):
        team_stack.start_worker({operation: moment})
        team_stack.wait_for_worker_to_end()
    team_stack.start_worker()

    team_stack.wait(operation)
    assert team_stack.changes("on-postgres-service") == ["create"]
    assert team_stack.desk.webservices.get("on-postgres-service").word == "Healthy"
    rotated = team_stack.desk.keys.rotate(OPERATOR, "on-postgres-service")
    team_stack.wait(rotated)
    assert team_stack.changes("on-postgres-service") == ["create", "regenerate"]
    assert team_stack.desk.audit.verify().is_whole
