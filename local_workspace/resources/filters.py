"""The list filters that models and services share, as SQL over the wire document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Where:
    """Conditions that all have to hold, with their values."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def equals(self, column: str, value: Any) -> None:
        """Narrow to rows with this value, if one is asked for."""
        if value not in (None, ""):
            self.conditions.append(f"{column} = ?")
            self.values.append(value)

    def add(self, condition: str, *values: Any) -> None:
        """Narrow by a condition of one's own."""
        self.conditions.append(condition)
        self.values.extend(values)

    def pairs(self, member: str, listed: str | None) -> None:
        """Narrow to rows whose `member` has every key, or key=value, of a comma list."""
        for entry in (listed or "").split(","):
            key, equals, value = entry.partition("=")
            if not key.strip():
                continue
            pair = f"SELECT 1 FROM json_each(document, '$.{member}') AS pair WHERE pair.key = ?"  # noqa: S608 - a literal
            if equals:
                self.add(f"EXISTS ({pair} AND CAST(pair.value AS TEXT) = ?)", key.strip(), value.strip())
            else:
                self.add(f"EXISTS ({pair})", key.strip())

    @property
    def sql(self) -> str:
        """The conditions as the text after WHERE."""
        return " AND ".join(self.conditions) or "1"
