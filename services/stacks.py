"""What a stack of the inference server says: the user's own error, where it was raised, and which errors are one failure.

The server wraps whatever `run()` raises into a UserScriptException; the user's error is the first traceback of the
chain. Of an error that was raised while another was being handled, the later one counts: the script chose to raise it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from services.personal_data import mask_text

LONGEST_MESSAGE = 400
LONGEST_TYPE = 200

_CAUSE = "The above exception was the direct cause of the following exception:"
_HANDLING = "During handling of the above exception, another exception occurred:"
_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+?)\s*$', re.MULTILINE)
_SAID = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: ?(?P<message>.*))?$", re.DOTALL)
_LIBRARY = re.compile(r"/(?:site|dist)-packages/|/lib/python\d|^<frozen ")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One line of a traceback."""

    file: str
    line: int
    function: str

    @property
    def short(self) -> str:
        """The last folder and name of the file, with its line."""
        return "/".join(self.file.split("/")[-2:]) if _LIBRARY.search(self.file) else self.file.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return f"{self.function} ({self.short}:{self.line})"


@dataclass(frozen=True, kw_only=True)
class Raised:
    """The innermost cause of a stack."""

    type: str
    message: str
    """As it was raised: it may hold a caller's values."""
    frame: Frame | None
    """Where in the user's own code, or the deepest place when there is none of it in the stack."""
    deepest: Frame | None
    stack: str
    """The cause's own traceback, without the server's around it."""

    @property
    def place(self) -> str:
        """Where it was raised, in words: `run (score.py:10), in check_array (utils/validation.py:1093)`."""
        if self.frame is None:
            return ""
        if self.deepest is None or self.deepest == self.frame:
            return str(self.frame)
        return f"{self.frame}, in {self.deepest}"

    @property
    def masked_message(self) -> str:
        """The message without values: what it is about, not whose."""
        return mask_text(self.message)[:LONGEST_MESSAGE]

    @property
    def masked_stack(self) -> str:
        """The traceback from the script's first line on, its message masked; the lines of code stay."""
        return mask_message(self._own_stack(), self.message)

    def _own_stack(self) -> str:
        """Without the server's frames above the script, which are the same in every failure."""
        if self.frame is None:
            return self.stack
        folder = f'File "{self.frame.file.rpartition("/")[0]}/'
        first = next((number for number, line in enumerate(self.stack.splitlines()) if folder in line), 0)
        lines = self.stack.splitlines()
        return "\n".join([*lines[:1], *lines[first:]]) if first > 1 else self.stack

    @property
    def group(self) -> str:
        """One id for what is one failure: the same error, but for its values, from the same function of the script."""
        where = f"{self.frame.file.rsplit('/', 1)[-1]}:{self.frame.function}" if self.frame else ""
        return hashlib.sha256(f"{self.type}\n{self.masked_message}\n{where}".encode()).hexdigest()[:16]


def innermost(stack: str, *, wrapper: str = "") -> Raised:
    """The innermost cause of a stack; of a text that is none, the text with the type that was given."""
    # An older server puts the repr of its own wrapper before the traceback.
    _, begin, rest = stack.partition(_BEGIN)
    own = (begin + rest if begin else stack).partition(_CAUSE)[0].rpartition(_HANDLING)[2].strip()
    frames = [
        Frame(file=found["file"], line=int(found["line"]), function=found["function"]) for found in _FRAME.finditer(own)
    ]
    of_user = [frame for frame in frames if not _LIBRARY.search(frame.file)]
    deepest = frames[-1] if frames else None
    said = _last_words(own) if begin else None
    return Raised(
        type=(said["type"].rpartition(".")[2] if said else wrapper or "Exception")[:LONGEST_TYPE],
        message=((said["message"] or "") if said else own).strip(),
        frame=of_user[-1] if of_user else deepest,
        deepest=deepest,
        stack=own,
    )


def mask_message(stack: str, message: str) -> str:
    """A traceback that ends with this message, ending with its words alone."""
    head, said, _ = stack.rpartition(message) if message else (stack, "", "")
    return head + mask_text(message)[:LONGEST_MESSAGE] if said else stack


def _last_words(traceback: str) -> re.Match[str] | None:
    """What stands after the last frame: the type and its message, which may have several lines."""
    lines = traceback.splitlines()
    last_frame = max((number for number, line in enumerate(lines) if _FRAME.match(line)), default=0)
    for number in range(last_frame + 1, len(lines)):
        # Beneath a frame its line of code and the marks under it are indented.
        if lines[number] and not lines[number].startswith(" "):
            return _SAID.match("\n".join(lines[number:]))
    return None
