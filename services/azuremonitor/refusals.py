"""What a person's own KQL may not contain: ways out of the workspace, and ways to run something.

Texts and comments are left aside: searching messages for the word "evaluate" is allowed, calling it is not.
"""

from __future__ import annotations

import re

from services.errors import Invalid

_PARTS = re.compile(
    r"""
      (?P<comment> //[^\n]* )
    | (?P<quoted> [hH]?(?: @"(?:[^"]|"")*" | @'(?:[^']|'')*'
                         | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
                         | ```.*?``` | ~~~.*?~~~ ) )
    | (?P<rest> [^/'"`~@hH]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BRACKETED = re.compile(r"\[\s*$")
_ELSEWHERE = "workspace app resource adx arg cluster database entity_group external_table"
_FORBIDDEN = re.compile(
    rf"\b({'|'.join(_ELSEWHERE.split())})\s*\(|\b(externaldata|external_data|evaluate)\b", re.IGNORECASE
)
_NAMES = frozenset((*_ELSEWHERE.split(), "externaldata", "external_data", "evaluate"))


def check(text: str) -> None:
    """Raise Invalid for a query that must not be sent."""
    if not text.strip():
        raise Invalid("There is no query: write one, for example: Requests | take 10", field="query")
    code = _code(text)
    if code.lstrip().startswith(".") or re.search(r";\s*\.", code):
        raise Invalid("A query cannot start with a dot: management commands are not allowed here.", field="query")
    if found := _FORBIDDEN.search(code):
        word = found[1] or found[2]
        raise Invalid(
            f"`{word}` is not allowed here: a query reads this workspace's tables and nothing else.", field="query"
        )


def _code(text: str) -> str:
    """The query without comments and texts; a bracketed name (`['app']`) is a name and stays."""
    code = ""
    for part in _PARTS.finditer(text):
        if part["comment"] is not None:
            code += " "
        elif part["quoted"] is not None:
            inner = part["quoted"].strip("hH@`~\"'")
            code += inner if _BRACKETED.search(code) and inner.lower() in _NAMES else "''"
        elif part["rest"] in ("'", '"'):
            raise Invalid("A text in this query has no end: close its quotes.", field="query")
        else:
            code += part["rest"]
    return re.sub(r"\[\s*(\w+)\s*\]", r"\1", code)
