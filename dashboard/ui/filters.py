"""Filters bound to the address: what one would send to a colleague is in the link.

Streamlit writes into the address what it shows, so what a `format` makes of an option is what stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T", bound=str)

NARROW, WIDE = 174, 230
"""Two narrow fields stand side by side on a phone; a wide one has room for a long example."""
_SHORT_EXAMPLE = 18


def text(label: str, *, key: str, placeholder: str = "", help: str | None = None) -> str:
    """A search field bound to `?<key>=`; what is typed, stripped."""
    typed = st.text_input(
        label,
        key=key,
        type="search",
        placeholder=placeholder,
        help=help,
        live=True,
        bind="query-params",
        width=NARROW if len(placeholder) <= _SHORT_EXAMPLE else WIDE,
    )
    return (typed or "").strip()


def one(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    every: str = "All",
    format: Callable[[str], str] | None = None,
    help: str | None = None,
) -> str | None:
    """One of the options, bound to `?<key>=`; None when `every` is chosen, which is the first choice."""
    chosen = st.selectbox(
        label,
        [every, *options],
        key=key,
        format_func=lambda value: value if value == every or format is None else format(value),
        help=help,
        bind="query-params",
        width=NARROW,
    )
    return None if chosen in (None, every) else str(chosen)


def several(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    format: Callable[[str], str] | None = None,
    help: str | None = None,
    placeholder: str = "All",
) -> list[str]:
    """Any of the options, bound to `?<key>=`; empty means all."""
    return st.multiselect(
        label,
        options,
        key=key,
        format_func=format or str,
        help=help,
        placeholder=placeholder,
        bind="query-params",
        width=300,
    )


def switch(label: str, *, key: str, value: bool = False, help: str | None = None) -> bool:
    """A switch bound to `?<key>=`."""
    return st.toggle(label, value=value, key=key, help=help, bind="query-params")


def view(label: str, options: Sequence[str], *, key: str = "view", help: str | None = None) -> str:
    """Which part of a screen is shown, bound to `?<key>=`; only the chosen part is run."""
    chosen = st.segmented_control(
        label,
        options,
        default=options[0],
        required=True,
        key=key,
        help=help,
        label_visibility="collapsed",
        bind="query-params",
    )
    return str(chosen or options[0])


def bar() -> Any:
    """A row for filters, which breaks into lines on a phone: `with filters.bar(): …`."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small")


def wanted(name: str) -> str | None:
    """What a screen is about, from the address (`?name=wine-dev`); None when the address does not say."""
    value = st.query_params.get(name)
    return value.strip() or None if value else None
