"""Takes secrets out of text before it is shown, stored, searched, downloaded, exported or logged.

Two ways together: secrets this process knows (`remember`) go in every form they can take, and what looks like a
secret goes by its shape or by the name before it. Identifiers stay: uuids, lower-case hex digests, paths, words.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"

_SHORTEST_SECRET = 8
"""Anything shorter would blank out ordinary words."""
_REMEMBERED = 512

_QUOTE = r"""(?:\\*["']|\\+u0022|%22|&quot;)"""
_NAMES = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|assertion|sas|connection[-_ ]?string"
    r"|(?:primary|secondary|api|access|account|storage|shared|private|subscription|function|ssl|master|signing"
    r"|encryption|instrumentation|webservice|service|scoring|auth)[-_ ]?key(?:[-_ ]?value)?"
    r"|key[-_ ]?value|apikey|x-functions-key)"
)
_NAMED = re.compile(
    rf"""(?P<before>(?<![A-Za-z0-9_.-])[A-Za-z0-9_.-]{{0,64}}?{_NAMES}(?:_[0-9]+)?{_QUOTE}?
        \s*(?:[:=](?!=)|%3A|%3D)\s*)
        (?:(?P<quote>{_QUOTE})(?P<quoted>(?:(?!(?P=quote)).)*)(?P=quote)
          |(?P<bare>(?!{_QUOTE})[^\s,;&"'<>{{}}\[\]()\\]+))""",
    re.IGNORECASE | re.VERBOSE,
)
_NOT_SECRET = re.compile(r"(?:null|none|true|false|undefined|\*+|\[hidden\]|[0-9]{1,6}|bearer|basic|str|string)?", re.I)

_AUTHORIZATION = re.compile(
    rf"""(?P<before>(?<![A-Za-z0-9.-])(?:[A-Za-z]+_)?(?:proxy-)?authorization{_QUOTE}?\s*(?:[:=,](?!=)|%3A|%3D)\s*{_QUOTE}?(?:b{_QUOTE})?)
        (?P<scheme>(?:bearer|basic|digest|negotiate|sharedkey|sharedkeylite|sharedaccesssignature)(?:\s+|%20|\+))?+
        (?P<value>(?!\[hidden\])[^\s,"'<>\\&;]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_BEARER = re.compile(
    r"(?P<before>\b(?:bearer|basic|sharedkey)(?:\s+|%20|\+))(?P<value>[A-Za-z0-9._~+/=:%-]{16,})", re.I
)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}(?:\.|%2E)[A-Za-z0-9_-]{5,}(?:(?:\.|%2E)[A-Za-z0-9_-]*)?", re.IGNORECASE)
_SAS = re.compile(r"(?P<before>(?:[?&;]|%3F|%26|\\u0026|\b)sig(?:nature)?(?:=|%3D))[^&\s\"'<>\\;,)]+", re.IGNORECASE)
_URL_PASSWORD = re.compile(
    r"(?P<before>(?::\\?/\\?/|%3A%2F%2F))(?P<user>[^\s/@:%\"'<>\\]*)(?P<mid>(?::|%3A)[^\s/@\"'<>]+?)?(?P<at>@|%40)",
    re.I,
)
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
_RUN = re.compile(r"(?:[A-Za-z0-9+/=_-]|%2[BbFf]|%3[Dd]|\\/|\\u002[BbFf]|\\u003[Dd]){32,}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_HEX = re.compile(r"(?<![A-Za-z0-9])(?:[0-9a-f]{12,}|[0-9A-F]{12,})(?![A-Za-z0-9])")
_ESCAPES = re.compile(r"%[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}|\\")

_known: OrderedDict[str, tuple[str, ...]] = OrderedDict()
_known_lock = Lock()
_known_pattern: re.Pattern[str] | None = None


def remember(secret: str) -> None:
    """Hide this very value, in every form, in all text scrubbed from now on in this process."""
    global _known_pattern
    if len(secret) < _SHORTEST_SECRET:
        return
    with _known_lock:
        if secret in _known:
            _known.move_to_end(secret)
            return
        _known[secret] = _forms(secret)
        while len(_known) > _REMEMBERED:
            _known.popitem(last=False)
        forms = sorted({form for forms in _known.values() for form in forms}, key=len, reverse=True)
        _known_pattern = re.compile("|".join(re.escape(form) for form in forms))


def scrub(text: str) -> str:
    """The text with every secret replaced by `[hidden]`."""
    pattern = _known_pattern
    if pattern is not None:
        text = pattern.sub(HIDDEN, text)
    text = _PEM.sub(HIDDEN, text)
    text = _URL_PASSWORD.sub(_hide_url_password, text)
    text = _SAS.sub(rf"\g<before>{HIDDEN}", text)
    text = _AUTHORIZATION.sub(rf"\g<before>\g<scheme>{HIDDEN}", text)
    text = _BEARER.sub(rf"\g<before>{HIDDEN}", text)
    text = _JWT.sub(HIDDEN, text)
    text = _NAMED.sub(_hide_named, text)
    return _RUN.sub(lambda run: HIDDEN if _looks_random(run[0]) else run[0], text)


def scrub_document(document: Any) -> Any:
    """The same document with every string in it scrubbed, and those whose name says they are secret hidden whole."""
    if isinstance(document, str):
        return scrub(document)
    if isinstance(document, Mapping):
        return {
            name: HIDDEN if isinstance(value, str) and value and is_secret_name(str(name)) else scrub_document(value)
            for name, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [scrub_document(item) for item in document]
    return document


def is_secret_name(name: str) -> bool:
    """Whether a variable or field of this name holds a secret: `DB_PASSWORD`, `primaryKey`, `SAS_TOKEN`."""
    return re.search(rf"(?:^|[^A-Za-z]|[a-z0-9](?=[A-Z])){_NAMES}(?:_[0-9]+)?$|^{_NAMES}$", name, re.I) is not None


class RedactingFilter(logging.Filter):
    """Scrubs a log record, its arguments and its traceback; put it on every handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; nothing is left out."""
        record.msg = scrub(record.getMessage())
        record.args = None
        if record.exc_info:
            record.exc_text = scrub(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        return True


def _forms(secret: str) -> tuple[str, ...]:
    """The secret itself, JSON- and URL-escaped, and in base64 at each of the three alignments."""
    raw = secret.encode()
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/")}
    forms |= {quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe="").lower()}
    for shift in range(3):
        # The middle that does not depend on what stands before and after the secret.
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        start = (0, 2, 3)[shift]
        complete = (len(raw) + shift) * 8 // 6
        middle = encoded[start:complete]
        if len(middle) >= _SHORTEST_SECRET:
            forms |= {middle, middle.replace("+", "-").replace("/", "_")}
            forms |= {quote(middle, safe=""), middle.replace("/", "\\/")}
    return tuple(forms)


def _hide_named(found: re.Match[str]) -> str:
    value = found["quoted"] if found["quote"] else found["bare"]
    if _NOT_SECRET.fullmatch(value or ""):
        return found[0]
    if not found["quote"] and found.string[found.end() : found.end() + 1] == "(":
        return found[0]  # a call in a traceback's line of code
    mark = found["quote"] or ""
    return f"{found['before']}{mark}{HIDDEN}{mark}"


def _hide_url_password(found: re.Match[str]) -> str:
    """Keep the user of `user:password@`; a lone `token@`, as package indexes take it, goes too."""
    return f"{found['before']}{found['user'] + ':' if found['mid'] else ''}{HIDDEN}{found['at']}"


def _looks_random(run: str) -> bool:
    """Whether a long run of characters is a key rather than words: case and digits change all the time."""
    text = _HEX.sub("", _UUID.sub("", _ESCAPES.sub("/", run))).strip("-_/=")
    letters = text.replace("-", "/").replace("_", "/").replace("+", "/")
    if len(text) < 24 or not (any(c.islower() for c in text) and any(c.isupper() for c in text)):
        return False
    kinds = ["/" if c in "/=" else "a" if c.islower() else "A" if c.isupper() else "0" for c in letters]
    changes = sum(1 for one, two in pairwise(kinds) if one != two and "/" not in (one, two))
    share = changes / len(kinds)
    has_digit = "0" in kinds
    if "/" in text:
        return share > 0.40 and has_digit
    return share > (0.33 if has_digit else 0.45)
