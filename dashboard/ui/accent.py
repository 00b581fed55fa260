"""Words on the accent colour. Streamlit writes them white, which in the dark theme is too faint on its bright accent.

No one accent serves both: white words on it need a darker one than its own use as the words of a chosen option does.
"""

from __future__ import annotations

import streamlit as st

ON_BRIGHT = "#020617"
"""Nearly black: 6 to 1 on the dark theme's accent."""


def label(words: str, *, icon: str | None = None) -> tuple[str, str | None]:
    """Return label and icon of a primary button, in a colour that can be read in the theme of this browser."""
    if st.context.theme.type != "dark":
        return words, icon
    text = f"{icon} {words}" if icon else words
    return f':color[{text}]{{foreground="{ON_BRIGHT}"}}', None
