"""The server's log: one place where every record is scrubbed before any handler sees it."""

from __future__ import annotations

import logging
from typing import Any

from services.scrubbing import RedactingFilter

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up() -> None:
    """Scrub every record of this process; Streamlit's loggers each have a handler of their own, so at its making."""
    make = logging.getLogRecordFactory()
    if getattr(make, "is_scrubbing", False):
        return
    redact = RedactingFilter()

    def make_scrubbed(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        redact.filter(record)
        return record

    make_scrubbed.is_scrubbing = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_scrubbed)
    logging.basicConfig(level=logging.WARNING, format=FORMAT)
    # `errors.explain` logs what nobody expected, with its reference; a sentence for a person is no traceback.
    logging.getLogger("streamlit.error_util").addFilter(lambda record: record.msg != "Uncaught app execution")
