"""What every resource shares: one call as a value, the refusal, the error bodies and paging by link."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_workspace.files import is_full
from local_workspace.state import now
from local_workspace.tokens import Caller
from local_workspace.workspace import Workspace

log = logging.getLogger(__name__)

JSON_LIMIT_BYTES = 64 * 1024 * 1024


class Refused(Exception):
    """A request that is answered with an error: status, code and a sentence."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[tuple[str, str]] = (),
        target: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        # The SDK drops `message` and shows `details`, so the sentence has to be in both.
        self.details = tuple(details) or ((code, message),)
        self.target = target


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, read and authorised."""

    workspace: Workspace
    caller: Caller
    method: str
    path: Mapping[str, str]
    address: str
    query: QueryParams
    headers: Headers
    body: Any = field(repr=False)

    def document(self) -> dict[str, Any]:
        """The body, which has to be a JSON object."""
        if not isinstance(self.body, dict):
            raise Refused(400, "BadRequest", "The body of this request has to be a JSON object.")
        return self.body

    def patch(self) -> list[dict[str, Any]]:
        """The body, which has to be a list of JSON Patch operations."""
        if not isinstance(self.body, list) or not all(isinstance(step, dict) and "path" in step for step in self.body):
            raise Refused(400, "BadRequest", "The body of this request has to be a list of JSON Patch operations.")
        return self.body

    def number(self, name: str, *, default: int, at_least: int = 0, at_most: int = 1_000_000_000) -> int:
        """A query parameter that is a whole number."""
        text = self.query.get(name)
        if text is None:
            return default
        try:
            return min(max(int(text), at_least), at_most)
        except ValueError:
            raise Refused(400, "BadRequest", f"'{name}' has to be a whole number, not '{text}'.") from None

    def next_link(self, skip: str) -> str:
        """The address of the next page: the same query with another `$skipToken`."""
        query = [(key, value) for key, value in self.query.multi_items() if key not in ("$skipToken", "offset")]
        return f"{self.workspace.identity.url}{self.address}?{urlencode([*query, ('$skipToken', skip)])}"


Handler = Callable[[Call], "Response | dict[str, Any] | list[Any]"]


# A code that no client takes for a passing trouble: the SDK would send the request again and again.
NO_ROOM = Refused(507, "InsufficientStorage", "The disk of the local workspace is full: make room, then try again.")


def route(path: str, handler: Handler, *methods: str) -> Route:
    """A route whose handler is a plain function of one `Call`; literal parts of the path match in any case."""
    made = Route(path, _endpoint(handler), methods=list(methods or ("GET",)))
    made.path_regex = re.compile(made.path_regex.pattern, re.IGNORECASE)
    return made


def mms_error(refused: Refused) -> dict[str, Any]:
    """The error body of model management."""
    return {
        "code": refused.code,
        "statusCode": refused.status,
        "message": refused.message,
        "details": [{"code": code, "message": message, "target": refused.target} for code, message in refused.details],
        "correlation": {"RequestId": str(uuid.uuid4())},
    }


def arm_error(refused: Refused) -> dict[str, Any]:
    """The error body of the resource manager, run history and the rest."""
    details = [{"code": code, "message": message} for code, message in refused.details]
    return {
        "error": {"code": refused.code, "message": refused.message, "target": refused.target, "details": details},
        "correlation": {"RequestId": str(uuid.uuid4())},
        "environment": "local",
        "location": "local",
        "time": now(),
    }


def error_response(path: str, refused: Refused) -> JSONResponse:
    """A refusal in the shape that callers of this path parse."""
    body = mms_error(refused) if path.lower().startswith("/modelmanagement/") else arm_error(refused)
    return JSONResponse(body, status_code=refused.status)


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        path = request.url.path
        try:
            call = Call(
                workspace=request.app.state.workspace,
                caller=request.scope["caller"],
                method=request.method,
                path=request.path_params,
                address=path,
                query=request.query_params,
                headers=request.headers,
                body=await _json(request),
            )
            answered = await run_in_threadpool(handler, call)
        except Refused as refused:
            return error_response(path, refused)
        except Exception as error:
            log.exception("%s %s failed", request.method, path)
            if is_full(error):
                return error_response(path, NO_ROOM)
            return error_response(path, Refused(500, "InternalServerError", "The workspace failed; its log says why."))
        return answered if isinstance(answered, Response) else JSONResponse(answered)

    return answer


async def _json(request: Request) -> Any:
    if request.method in ("GET", "HEAD", "DELETE"):
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > JSON_LIMIT_BYTES:
            raise Refused(413, "PayloadTooLarge", "The body of this request is too large.")
        chunks.append(chunk)
    if not size:
        return None
    try:
        read = json.loads(b"".join(chunks), parse_constant=_no_number)
        # Half a surrogate pair can be read, and neither kept nor sent again.
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refused(400, "BadRequest", "The body of this request is not JSON.") from None
    return read


def _no_number(name: str) -> None:
    """NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is not JSON.")
