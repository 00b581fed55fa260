"""A real runtime for tests, services made in one line, and raw HTTP to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_workspace.scoring.interface import Access, Failure, Rollout
from local_workspace.scoring.runtime import Runtime
from tests.running_workspace import ENVIRONMENTS

PRIMARY, SECONDARY, TOKEN_SECRET = "primary-key-of-test", "secondary-key-of-test", "token-secret-of-test"
IKEY = "00000000-0000-4000-8000-000000000000"
ENVIRONMENT: Mapping[str, Any] = {
    "python": {"condaDependencies": {"dependencies": [{"pip": ["azureml-defaults", "scikit-learn"]}]}}
}
OBEDIENT = """
import json, os, sys, time

def init():
    print("init of obedient ran")

def run(raw_data):
    order = json.loads(raw_data)
    if "sleep" in order:
        time.sleep(order["sleep"])
    if "deaf" in order:
        import signal
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        time.sleep(order["deaf"])
    if "raise" in order:
        raise ValueError(order["raise"])
    if "exit" in order:
        sys.exit(order["exit"])
    if "crash" in order:
        os._exit(order["crash"])
    if "size" in order:
        return "x" * order["size"]
    if "touch" in order:
        open(order["touch"], "a").close()
    if "environment" in order:
        return {**os.environ, "argv": sys.argv, "path": sys.path}
    return {"pid": os.getpid(), "length": len(raw_data)}
"""


def use_shared_environments() -> None:
    """Build scoring environments in one place for all tests of this machine, unless a place is named."""
    os.environ.setdefault("LOCAL_WORKSPACE_ENVIRONMENTS", str(ENVIRONMENTS))


@dataclass
class Heard:
    """A reporter that remembers."""

    phases: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    states: list[tuple[str, Failure | None]] = field(default_factory=list)
    end: tuple[str, Failure | None] | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def phase(self, phase: str, state: str) -> None:
        self.phases.append((phase, state))

    def line(self, text: str) -> None:
        self.lines.append(text)

    def service_state(self, state: str, failure: Failure | None = None) -> None:
        self.states.append((state, failure))

    def ended(self, state: str, failure: Failure | None = None) -> None:
        assert self.end is None, "an operation ends once"
        self.end = (state, failure)
        self.over.set()

    @property
    def state(self) -> str:
        return self.states[-1][0] if self.states else ""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


class Workbench:
    """One runtime, with services made from a script."""

    def __init__(self, folder: Path, **options: Any) -> None:
        use_shared_environments()
        self.folder = folder
        self.runtime = Runtime(
            folder / "data",
            telemetry_url=lambda: "http://127.0.0.1:9",
            instrumentation_key=IKEY,
            workspace_name="bench",
            front_end_port=0,
            **options,
        )
        self._revisions = 0

    def rollout(
        self, service: str, script: str = OBEDIENT, *, access: Mapping[str, Any] | None = None, **more: Any
    ) -> Rollout:
        """A rollout of one script, its folder laid out as the control plane does."""
        self._revisions += 1
        revision = f"r{self._revisions}"
        folder = self.folder / "services" / service / revision
        model_dir = folder / "azureml-models" / "model" / "1"
        model_dir.mkdir(parents=True)
        (folder / "code").mkdir()
        if script:
            (folder / "code" / "source").mkdir()
            (folder / "code" / "source" / "score.py").write_text(script)
        settings: dict[str, Any] = {
            "service": service,
            "compute_type": "ACI",
            "revision": revision,
            "folder": folder,
            "entry_script": "source/score.py" if script else "",
            "model_dir": model_dir,
            "models": (),
            "environment": ENVIRONMENT,
            "access": access_of(**(access or {})),
            "deploy_timeout_seconds": 60.0,
        }
        return Rollout(**{**settings, **more})

    def deploy(self, service: str, script: str = OBEDIENT, **more: Any) -> Heard:
        """Roll out and wait for the operation's end."""
        heard = Heard()
        self.runtime.roll_out(self.rollout(service, script, **more), heard)
        assert heard.over.wait(240), "\n".join(heard.lines)
        return heard

    def call(self, service: str, order: Any = None, **more: Any) -> Answer:
        """Send one scoring request by raw HTTP."""
        body = more.pop("body", None)
        return call(
            self.runtime.front_end_url,
            f"/api/v1/service/{service}/score",
            body=json.dumps(order or {}).encode() if body is None else body,
            **more,
        )

    def close(self) -> None:
        self.runtime.close()


def access_of(**more: Any) -> Access:
    settings: dict[str, Any] = {
        "auth_enabled": True,
        "aad_auth_enabled": False,
        "primary_key": PRIMARY,
        "secondary_key": SECONDARY,
        "token_secret": TOKEN_SECRET,
    }
    return Access(**{**settings, **more})


def call(
    url: str,
    path: str,
    *,
    body: bytes = b"",
    method: str = "POST",
    key: str | None = PRIMARY,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30,
) -> Answer:
    """One request on a connection of its own."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    started = time.monotonic()
    try:
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    low = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, low, content, time.monotonic() - started)


def token(service: str, *, ends_in: float = 60, secret: str = TOKEN_SECRET, algorithm: str = "HS256") -> str:
    """A token as the control plane signs it."""

    def part(document: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part({'svc': service, 'exp': time.time() + ends_in})}"
    signature = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def eventually(what: Callable[[], Any], *, within: float = 20, every: float = 0.05) -> Any:
    """The first truthy answer, or a failure at the deadline."""
    deadline = time.monotonic() + within
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(every)
