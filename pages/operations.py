"""Operations: what is running, what ran, and the audit log of who did what."""

from __future__ import annotations

from dashboard import navigation, reads_operations
from dashboard.ui import filters, headings, operation, operation_audit, operation_list

WORK, AUDIT = "Operations", "Audit log"

headings.title("Operations", "What is running, what ran, and the audit log of who did what.")

opened = filters.wanted("operation")
if opened:
    navigation.link("operations", "All operations", icon=":material/checklist:")
    operation.show(opened)
elif filters.view("View", [WORK, AUDIT]) == WORK:
    headings.section("Running now")
    operation.running(empty="Nothing runs now.", ended=reads_operations.page.clear)
    headings.section("All operations")
    chosen = operation_list.show(operation_list.wanted())
    if chosen:
        navigation.go("operations", operation=chosen)
else:
    headings.section(
        "Audit log", "Every command, who gave it and what it changed; each entry is chained to the one before."
    )
    operation_audit.check()
    operation_audit.show(operation_audit.wanted())
