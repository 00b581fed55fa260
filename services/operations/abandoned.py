"""Operations that nothing works on any more: their workflow is over and they are not.

DBOS stops taking up a workflow that was begun a hundred times, as when its step brings the worker down each time, and
a workflow ends when the ledger itself refused a write, as on a full disk. Either would look like work for ever.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from dbos import DBOS

from services.operations.journal import Journal
from services.operations.records import OPEN_STATES, VERSION
from services.storage import ledger
from services.storage.database import Database

TOO_OFTEN = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
OVER = {"SUCCESS", "ERROR", "CANCELLED", TOO_OFTEN}
WHY = {
    TOO_OFTEN: "The worker ended again and again in the middle of this",
    "ERROR": "The worker could not write down how far this is, as when the disk is full",
}
WHAT_TO_DO = "look at the worker's log for the cause, mend it, then go on from here."

log = logging.getLogger(__name__)


def stop_abandoned(database: Database, journal: Journal, *, workspace: str) -> int:
    """Leave each of them to a person, who goes on with it; return how many there were."""
    table = ledger.operations
    query = sa.select(table.c.id, table.c.leg).where(
        table.c.workspace == workspace, table.c.state.in_(OPEN_STATES), table.c.version == VERSION
    )
    with database.reading() as look:
        open_legs = {f"{row.id}.{row.leg}": row for row in look.execute(query)}
    if not open_legs:
        return 0
    stopped = 0
    for workflow in DBOS.list_workflows(
        workflow_ids=list(open_legs), status=sorted(OVER), load_input=False, load_output=False
    ):
        row = open_legs[workflow.workflow_id]
        found = journal.read(row.id)
        # Looked at before its workflow was: it may have come to its end in between.
        if not found.is_open or found.leg != row.leg:
            continue
        sentence = f"{WHY.get(workflow.status, 'The worker left this without an end')}: {WHAT_TO_DO}"
        log.error("“%s” (%s) is left to a person: its workflow is %s.", found.title, found.id, workflow.status)
        if found.current is not None:
            journal.step(found.id, found.current, "waiting", detail=sentence)
        journal.end(found, "stopped", error=sentence, error_kind="stopped")
        stopped += 1
    return stopped
