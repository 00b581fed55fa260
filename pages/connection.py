"""Connection: which workspace, which credential, and what it may do."""

from __future__ import annotations

from dashboard import context, reads
from dashboard.ui import connection_facts, headings

headings.title("Connection", "Which workspace this desk works on, as whom, and whether every step of the way works.")

connection_facts.workspace(context.services())
connection_facts.parts(reads.heartbeats())
connection_facts.diagnosis(context.services())
connection_facts.roles(context.person())
