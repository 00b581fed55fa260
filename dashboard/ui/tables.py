"""Tables: dense, without an index, sortable, with CSV from the table's own toolbar, and words when they are empty.

The toolbar writes the CSV in the browser, from what the table shows: no address ever holds the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

PAGE = 100
ROW = 32


def show(
    rows: pd.DataFrame | Sequence[dict[str, Any]],
    *,
    key: str,
    alt: str,
    columns: dict[str, Any] | None = None,
    empty: str = "Nothing here yet.",
    next_step: Callable[[], None] | None = None,
    height: int | None = None,
) -> None:
    """Show a table; when it has no rows, `empty` says why and `next_step` draws the link or button to go on.

    `columns` gives each column's `st.column_config` by name, None hides one. Leave out what must not reach the browser.
    """
    frame = _frame(rows)
    if frame.empty:
        nothing(empty, next_step=next_step)
        return
    st.dataframe(
        frame,
        hide_index=True,
        column_config=columns,
        column_order=_order(frame, columns),
        key=key,
        row_height=ROW,
        height=height or "auto",
        alt=alt,
    )


def choose(
    rows: pd.DataFrame | Sequence[dict[str, Any]],
    *,
    key: str,
    alt: str,
    columns: dict[str, Any] | None = None,
    empty: str = "Nothing here yet.",
    next_step: Callable[[], None] | None = None,
    height: int | None = None,
) -> int | None:
    """Show a table of which one row can be chosen; its position in `rows`, or None."""
    frame = _frame(rows)
    if frame.empty:
        nothing(empty, next_step=next_step)
        return None
    state = st.dataframe(
        frame,
        hide_index=True,
        column_config=columns,
        column_order=_order(frame, columns),
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        row_height=ROW,
        height=height or "auto",
        alt=alt,
    )
    chosen: list[int] = state["selection"]["rows"]
    # A choice outlives the rows it was made in when a refresh brings fewer of them.
    return chosen[0] if chosen and chosen[0] < len(frame) else None


def nothing(sentence: str, *, next_step: Callable[[], None] | None = None, icon: str = ":material/inbox:") -> None:
    """Say that there is nothing, why, and what to do next."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"{icon} {sentence}", width="content")
        if next_step:
            next_step()


def pages(total: int, *, key: str, size: int = PAGE, what: str = "rows") -> slice:
    """Show which page of a long list is wanted, bound to `?<key>=`; the slice of it. Short lists show nothing."""
    count = max(1, -(-total // size))
    if count == 1:
        return slice(0, total)
    with st.container(horizontal=True, vertical_alignment="center"):
        page = st.pagination(count, key=key, bind="query-params")
        first = (page - 1) * size
        st.caption(f"{first + 1:,}–{min(first + size, total):,} of {total:,} {what}", width="content")
    return slice(first, min(first + size, total))


def text(label: str, *, help: str | None = None, wide: bool = False, pinned: bool = False) -> Any:
    """A text column."""
    return st.column_config.TextColumn(label, help=help, width="large" if wide else None, pinned=pinned or None)


def number(label: str, *, unit: str = "", decimals: int = 0, help: str | None = None) -> Any:
    """A number column, right-aligned, its unit in the header: `number("p95", unit="ms")`."""
    header = f"{label} ({unit})" if unit else label
    return st.column_config.NumberColumn(header, format=f"%,.{decimals}f", help=help)


def size(label: str = "Size", *, help: str | None = None) -> Any:
    """A column of bytes, shown as kB, MB or GB."""
    return st.column_config.NumberColumn(label, format="bytes", help=help)


def link(label: str, *, text: str, help: str | None = None) -> Any:
    """A column of addresses (`navigation.href`), all shown as the same words or a regular expression's group."""
    return st.column_config.LinkColumn(label, display_text=text, help=help)


def tags(label: str = "Tags", *, help: str | None = None) -> Any:
    """A column of lists of words, drawn as chips: give `["stage=dev", …]`."""
    return st.column_config.ListColumn(label, help=help, width="medium")


def _frame(rows: pd.DataFrame | Sequence[dict[str, Any]]) -> pd.DataFrame:
    return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))


def _order(frame: pd.DataFrame, columns: dict[str, Any] | None) -> list[str] | None:
    """The order of `columns` where it is given: it reads like the table."""
    if not columns:
        return None
    return [name for name, config in columns.items() if config is not None and name in frame.columns]
