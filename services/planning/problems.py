"""What a rule has to say: about a field of the form, or about a line of an uploaded file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

from services.errors import Invalid

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One broken rule: the field it is said next to, and a sentence with the rule and what to do."""

    field: str
    sentence: str
    severity: Severity = "error"

    def to_json(self) -> dict[str, Any]:
        """A dictionary that survives JSON."""
        return {"field": self.field, "sentence": self.sentence, "severity": self.severity}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The problem `to_json` was called on."""
        return cls(field=document["field"], sentence=document["sentence"], severity=document["severity"])


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What a check noticed in an uploaded file; line 0 is the file as a whole."""

    file: str
    line: int
    rule: str
    sentence: str
    severity: Severity = "warning"

    @property
    def place(self) -> str:
        """`score.py:31`, or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def to_json(self) -> dict[str, Any]:
        """A dictionary that survives JSON."""
        return {
            "file": self.file,
            "line": self.line,
            "rule": self.rule,
            "sentence": self.sentence,
            "severity": self.severity,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The remark `to_json` was called on."""
        return cls(**{name: document[name] for name in ("file", "line", "rule", "sentence", "severity")})


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return those that forbid going on."""
    return [problem for problem in problems if problem.severity == "error"]


def refuse(problems: Iterable[Problem]) -> None:
    """Raise the first error there is; the others are told in the same sentence's detail."""
    found = errors(problems)
    if found:
        rest = "\n".join(problem.sentence for problem in found[1:])
        raise Invalid(found[0].sentence, field=found[0].field, detail=rest or None)
