"""Makes the five errors a person may read of what the SDK raises and what HTTP answers, scrubbed.

`doing` completes "could not …": a verb and its object, for example `deploy diabetes`.
"""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from services.azureml.types import Problem
from services.errors import Conflict, DeskError, Forbidden, Invalid, NotFound, Unavailable
from services.scrubbing import scrub

logger = logging.getLogger(__name__)

_LONGEST_DETAIL = 4000
_LONGEST_REASON = 200
"""A longer text of Azure's is a dump rather than a reason."""
_RESPONSE_CODE = re.compile(r"(?:Response Code|Code|status code|status_code)\D{0,3}\s*(\d{3})\b", re.IGNORECASE)
_CONTENT = re.compile(r"Content: (b'.*'|b\".*\"|\{.*\})", re.DOTALL)
_NO_TOKEN = ("ClientAuthenticationError", "CredentialUnavailableError", "AuthenticationException")
_SIGN_IN = {
    "AADSTS7000215": "the client secret is wrong. Copy its value, not its id, into the settings.",
    "AADSTS7000222": "the client secret has ended. Make a new one and put it into the settings.",
    "AADSTS700016": "this tenant has no application of that client id. Check both in the settings.",
    "AADSTS700027": "the certificate is not one of this application's, or it has ended. Give the application a new one.",
    "AADSTS90002": "there is no such tenant. Check the tenant id, and AZURE_CLOUD, in the settings.",
    "AADSTS900023": "there is no such tenant. Check the tenant id, and AZURE_CLOUD, in the settings.",
}
"""What Entra ID's codes mean for whoever set up the desk."""
_NO_NETWORK = ("Failed to resolve", "Connection refused", "Max retries exceeded", "timed out", "Network is unreachable")
_LIBRARIES = ("azureml", "msrest", "requests", "urllib3", "azure.")


class AnswerLost(Unavailable):
    """A change was sent and no usable answer came: it may have been done. Look before sending it again."""


class Busy(Conflict):
    """Another operation runs on the service: it passes by itself."""


class Throttled(Unavailable):
    """Azure ML asks for a pause; `retry_after` in seconds when it says how long."""

    def __init__(self, sentence: str, *, retry_after: float | None = None, detail: str | None = None) -> None:
        """See `DeskError` for `detail`."""
        super().__init__(sentence, detail=detail)
        self.retry_after = retry_after


@contextmanager
def errors(doing: str, *, change: bool = False) -> Iterator[None]:
    """Within it, what the SDK raises comes out as one of our errors; `change` = the call changes something."""
    try:
        yield
    except DeskError:
        raise
    except Exception as problem:
        explained = explain(problem, doing=doing, change=change)
        if explained is None:
            raise
        logger.info("could not %s: %s", doing, scrub(f"{type(problem).__name__}: {problem}")[:_LONGEST_DETAIL])
        raise explained from None


def explain(problem: Exception, *, doing: str, change: bool = False) -> DeskError | None:
    """The error a person may read, or None when it is none of the SDK's and so a bug of ours."""
    origin = type(problem).__module__
    text = _text_of(problem)
    response = getattr(problem, "response", None)
    status = getattr(response, "status_code", None) or getattr(problem, "status_code", None)
    if type(problem).__name__ in _NO_TOKEN:
        return Unavailable(f"Azure does not sign us in: {_why_not_signed_in(text)}", detail=_detail(text))
    if isinstance(status, int) and status >= 400:
        body = _body_of(problem, response) or text
        return refused(status, body, doing=doing, change=change, headers=getattr(response, "headers", None))
    if isinstance(problem, ConnectionError | TimeoutError) or _is_unreachable(problem):
        return unreachable(problem, doing=doing, change=change)
    if not (origin.startswith(_LIBRARIES) or type(problem) is Exception):
        return None
    found = _RESPONSE_CODE.search(text)
    if found and int(found[1]) >= 400:
        return refused(int(found[1]), _content_of(text) or text, doing=doing, change=change)
    if "NotFound" in text or "not found" in text.lower():
        return _missing(text, doing=doing)
    if "does not have permission" in text or "Forbidden" in text:
        return refused(403, text, doing=doing)
    if type(problem) is Exception:
        return None
    return Invalid(f"Could not {doing}: {_first_sentence(text)}", detail=_detail(text))


def refused(
    status: int, body: Any, *, doing: str, change: bool = False, headers: Mapping[str, str] | None = None
) -> DeskError:
    """The error for an HTTP answer of 400 and above; `body` is its text or what it parsed to."""
    said = problem_of(body)
    text = said.text if said else ""
    detail = _detail(text)
    because = f": {_first_sentence(text)}" if text else "."
    if status == 401:
        return Unavailable(
            f"Could not {doing}: Azure ML does not accept our credential. It may have expired; the Connection screen "
            "shows which one it is.",
            detail=detail,
        )
    if status == 403:
        return Forbidden(
            f"Could not {doing}: our credential may not. Give it the role that the guide to Azure names.", detail=detail
        )
    if status == 404:
        return _missing(text, doing=doing)
    if status == 409:
        return Busy(
            f"Could not {doing}: another operation on it is still running in Azure ML. Wait until it has ended, then "
            "try again.",
            detail=detail,
        )
    if status == 412:
        return Conflict(
            f"Could not {doing}{because}" if text else f"Could not {doing}: it is used. Delete what uses it first.",
            detail=detail,
        )
    if status == 429:
        pause = _seconds((headers or {}).get("Retry-After") or (headers or {}).get("retry-after"))
        when = f"in {pause:.0f} s" if pause else "in a minute"
        return Throttled(
            f"Could not {doing}: Azure ML asks us to slow down. Try again {when}.", retry_after=pause, detail=detail
        )
    if status in (408, 500, 502, 503, 504, 530):
        if change:
            return AnswerLost(
                f"Could not {doing} for certain: Azure ML failed with {status} and may have done it. Look before trying "
                "again.",
                detail=detail,
            )
        return Unavailable(f"Could not {doing}: Azure ML failed with {status}. Try again in a minute.", detail=detail)
    return Invalid(f"Could not {doing}{because}", detail=detail)


def _why_not_signed_in(text: str) -> str:
    for code, reason in _SIGN_IN.items():
        if re.search(rf"{code}\b", text):
            return reason
    if any(word in text for word in _NO_NETWORK):
        return "its sign-in cannot be reached from here. Check the network, and HTTPS_PROXY if there is a proxy."
    if "DefaultAzureCredential" in text:
        return (
            "no service principal is set and no other identity was found. Set one in the settings, or run `az login`."
        )
    return "check tenant, client id and secret or certificate in the settings."


def _missing(text: str, *, doing: str) -> NotFound:
    said = _first_sentence(re.sub(r"^\w*NotFound: ", "", text)) if text.strip() else ""
    reason = said if 0 < len(said) <= _LONGEST_REASON else "It is not in the workspace, or not any more."
    return NotFound(f"Could not {doing}. {reason}", detail=_detail(text))


def unreachable(problem: Exception, *, doing: str, change: bool = False) -> DeskError:
    """The error for no answer at all: refused, cut off or too late."""
    detail = _detail(f"{type(problem).__name__}: {problem}")
    if change and not _never_sent(problem):
        return AnswerLost(
            f"Could not {doing} for certain: no answer came from Azure ML and it may have been done. Look before trying "
            "again.",
            detail=detail,
        )
    if "Timeout" in type(problem).__name__ or isinstance(problem, TimeoutError):
        return Unavailable(f"Could not {doing}: Azure ML did not answer in time. Try again in a minute.", detail=detail)
    return Unavailable(
        f"Could not {doing}: Azure ML cannot be reached. Check the network, or whether the local workspace runs.",
        detail=detail,
    )


def problem_of(body: Any) -> Problem | None:
    """An error body `{code, statusCode, message, details}` (or `{"error": …}` of it) as a value; None = it says nothing."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            text = scrub(body.strip())
            return Problem(code="Error", message=text[:_LONGEST_DETAIL]) if text else None
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    if isinstance(inner, Mapping):
        body = inner
    details = body.get("details")
    parts = [part for part in details if isinstance(part, Mapping)] if isinstance(details, list) else []
    status = body.get("statusCode")
    message = body.get("message")
    if not (message or parts or body.get("code")):
        return None
    return Problem(
        code=str(body.get("code") or "Error"),
        status_code=status if isinstance(status, int) else None,
        message=scrub(str(message or ""))[:_LONGEST_DETAIL],
        details=tuple((str(part.get("code") or ""), scrub(str(part.get("message") or ""))) for part in parts),
    )


def _text_of(problem: Exception) -> str:
    message = getattr(problem, "message", None)
    return message if isinstance(message, str) and message else str(problem)


def _body_of(problem: Exception, response: Any) -> Any:
    text = getattr(response, "text", None)
    if isinstance(text, str) and text:
        return text
    error: Any = getattr(problem, "error", None)
    return error.as_dict() if hasattr(error, "as_dict") else None


def _content_of(text: str) -> str | None:
    """The HTTP body that the SDK quotes in its messages as a bytes literal."""
    found = _CONTENT.search(text)
    if not found:
        return None
    if not found[1].startswith("b"):
        return found[1]
    try:
        literal = ast.literal_eval(found[1])
    except (ValueError, SyntaxError):
        return None
    return literal.decode("utf-8", "replace") if isinstance(literal, bytes) else None


def _is_unreachable(problem: Exception) -> bool:
    names = {parent.__name__ for parent in type(problem).__mro__}
    return bool(
        names
        & {
            "ConnectionError",
            "Timeout",
            "TransportError",
            "ClientRequestError",
            "ServiceRequestError",
            "ServiceResponseError",
            "MaxRetryError",
            "RetryError",
        }
    )


def _never_sent(problem: BaseException | None) -> bool:
    """Whether the connection was refused before anything went out."""
    seen = 0
    while problem is not None and seen < 8:
        if isinstance(problem, ConnectionRefusedError) or type(problem).__name__ in (
            "NewConnectionError",
            "ConnectTimeout",
            "ConnectError",
            "PoolTimeout",
        ):
            return True
        inner = getattr(problem, "reason", None) or (problem.args[0] if problem.args else None)
        problem = problem.__cause__ or problem.__context__ or (inner if isinstance(inner, BaseException) else None)
        seen += 1
    return False


def _detail(text: str) -> str | None:
    return scrub(text).strip()[:_LONGEST_DETAIL] or None


def _first_sentence(text: str) -> str:
    line = scrub(text).strip().splitlines()[0] if text.strip() else "Azure ML gave no reason."
    return (line[:300].rstrip() + " …") if len(line) > 300 else line if line.endswith((".", "!", "?")) else f"{line}."


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None
