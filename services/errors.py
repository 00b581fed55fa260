"""The five errors a person may read, each one sentence that says what to do next.

    DeskError
    ├── Invalid       what was asked cannot be done as it is written; `field` names the place
    ├── NotFound      the thing is not there, or not any more
    ├── Conflict      somebody or something else is in the way
    ├── Forbidden     this person may not
    └── Unavailable   Azure, the worker or the telemetry does not answer

Raise them where the rule is. Two edges translate: `services/azureml/translate.py` makes them of what the SDK raises,
`dashboard/ui/errors.py` shows them. Everything else is a bug and is shown as one, with a reference and no traceback.
"""

from __future__ import annotations


class DeskError(Exception):
    """A sentence for the person who reads it."""

    kind = "error"

    def __init__(self, sentence: str, *, field: str | None = None, detail: str | None = None) -> None:
        """`field` is the form field at fault; `detail` is scrubbed text from Azure that helps a specialist."""
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        self.detail = detail


class Invalid(DeskError):
    """What was asked cannot be done as it is written."""

    kind = "invalid"


class NotFound(DeskError):
    """The thing is not there, or not any more."""

    kind = "not found"


class Conflict(DeskError):
    """Somebody or something else is in the way."""

    kind = "conflict"


class Forbidden(DeskError):
    """This person may not do this."""

    kind = "forbidden"


class Unavailable(DeskError):
    """Azure, the worker or the telemetry does not answer."""

    kind = "unavailable"


KINDS: dict[str, type[DeskError]] = {
    error.kind: error for error in (Invalid, NotFound, Conflict, Forbidden, Unavailable)
}
