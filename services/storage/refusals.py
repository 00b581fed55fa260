"""What a database refuses, as a sentence: its disk is full, its file is read-only, its server does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from services.errors import Invalid, Unavailable

OF_SQLITE = {
    "disk is full": "its disk is full: make room on it, then try again",
    "disk I/O error": "its disk does not take it: look whether it is full or failing, then try again",
    "readonly database": "its file is read-only: make it writable, then try again",
    "unable to open database file": "its file cannot be opened: look whether its folder is there and writable",
    "database is locked": "another change takes too long: try again in a minute",
    "malformed": "its file is damaged: stop the desk and put the saved copy back",
    "not a database": "its file is damaged: stop the desk and put the saved copy back",
}


def parsed(url: str, *, name: str) -> sa.URL:
    """A database's address; Invalid, with the setting's name, when it is none."""
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise Invalid(
            f"DESK_{name.upper()}_URL is no address of a database: write postgresql+psycopg://user@host/name, or leave "
            "it empty for a file in the data folder.",
            field=f"desk_{name}_url",
        ) from None


@contextmanager
def explained(name: str, *, is_sqlite: bool) -> Iterator[None]:
    """Within it, what keeps a database from answering comes out as a sentence; mistakes in a statement stay bugs."""
    try:
        yield
    except sa.exc.DatabaseError as problem:
        said = str(problem.orig)
        if is_sqlite:
            reason = next((reason for words, reason in OF_SQLITE.items() if words in said), None)
            if reason is None:
                raise
            raise Unavailable(f"The {name} cannot be used: {reason}.") from problem
        if not isinstance(problem, sa.exc.OperationalError):
            raise
        raise Unavailable(
            f"The {name} does not answer: look whether its PostgreSQL server runs and DESK_{name.upper()}_URL names it."
        ) from problem
