"""Services that fail for a known reason, each made to fail for real: the ids are those of `services.signatures`.

`FAILING[id]` says what to deploy; `reproduce(bench, id)` does it and returns what anyone could then read: the error of
the operation, its log, the container's log, and the answers that callers got.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_workspace.scoring.interface import Failure, Liveness
from services.monitoring import code_map
from tests.local_workspace.scoring_workbench import ENVIRONMENT, OBEDIENT, Heard, Workbench, eventually

TRIVIAL_RUN = "\n\ndef run(raw_data):\n    return 1\n"
IMPORTS_NOTHING_THERE = f"import nosuchmodule\n\n\ndef init():\n    pass\n{TRIVIAL_RUN}"
INIT_RAISES = f'def init():\n    raise KeyError("no model here")\n{TRIVIAL_RUN}'
INIT_HANGS = f"import time\n\n\ndef init():\n    time.sleep(600)\n{TRIVIAL_RUN}"
WRONG_MODEL = (
    f'from azureml.core.model import Model\n\n\ndef init():\n    Model.get_model_path("no-such-model")\n{TRIVIAL_RUN}'
)
WRONG_FILE = (
    "import os\n\n\ndef init():\n"
    f'    open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "no-such-file.pkl"), "rb")\n{TRIVIAL_RUN}'
)
INIT_WANTS_MEMORY = (
    "import time\n\nheld = None\n\n\ndef init():\n    global held\n    held = bytearray(600 * 1024**2)\n"
    f"    for place in range(0, len(held), 4096):\n        held[place] = 1\n    time.sleep(600)\n{TRIVIAL_RUN}"
)
RUN_WANTS_MEMORY = (
    "import time\n\n\ndef init():\n    pass\n\n\ndef run(raw_data):\n    held = bytearray(b'x') * (600 * 1024**2)\n"
    "    time.sleep(30)\n    return len(held)\n"
)


@dataclass(frozen=True, kw_only=True)
class Failing:
    """How to make a service fail."""

    script: str = OBEDIENT
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the rollout."""
    variables: Mapping[str, str] = field(default_factory=dict)
    pip: tuple[str, ...] = ()
    provoke: Callable[[Workbench, str], list[int]] | None = None
    """Calls it until it has failed; the codes that callers got."""
    codes: frozenset[int] = frozenset()
    """Those codes."""
    seen: tuple[int, str] | None = None
    """The code and the word of the charts that name it where no text does."""
    in_log: str = ""
    """What the container's log says once it has failed."""
    ends: str = "Succeeded"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What anyone could read of a failure."""

    heard: Heard
    error: str
    """The error of the operation or the service, with its details."""
    container_log: str
    codes: list[int]


def orders(*given: Any) -> Callable[[Workbench, str], list[int]]:
    """Calls one after another."""
    return lambda bench, service: [bench.call(service, order).status for order in given]


def crowd(bench: Workbench, service: str) -> list[int]:
    """More calls at once than there are replicas."""
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(bench.call(service, {"sleep": 1.5}).status)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


FAILING: dict[str, Failing] = {
    "missing-package": Failing(script=IMPORTS_NOTHING_THERE, ends="Failed"),
    "init-raised": Failing(script=INIT_RAISES, ends="Failed"),
    "model-path": Failing(script=WRONG_MODEL, ends="Failed"),
    "model-path-file": Failing(script=WRONG_FILE, ends="Failed"),
    "build-failed": Failing(pip=("no-such-package-of-the-desk==7.7",), ends="Failed"),
    "certificate": Failing(settings={"front_end_problem": "the key is not the certificate's"}, ends="Failed"),
    "no-room": Failing(
        settings={"compute_type": "AKS", "cluster": "small", "cpu": 3, "deploy_timeout_seconds": 1.0}, ends="Failed"
    ),
    "timed-out": Failing(
        script=INIT_HANGS, settings={"deploy_timeout_seconds": 1.5, "liveness": Liveness()}, ends="TimedOut"
    ),
    "out-of-memory": Failing(
        script=INIT_WANTS_MEMORY,
        settings={"memory_limit_gb": 0.4, "deploy_timeout_seconds": 8.0},
        in_log="Perhaps out of memory?",
        ends="TimedOut",
    ),
    "out-of-memory-in-run": Failing(
        script=RUN_WANTS_MEMORY,
        settings={"memory_limit_gb": 0.4},
        provoke=orders({}),
        codes=frozenset({502}),
        in_log="Perhaps out of memory?",
    ),
    "worker-timeout": Failing(
        variables={"WORKER_TIMEOUT": "2"},
        provoke=orders({"sleep": 20}),
        codes=frozenset({502}),
        in_log="WORKER TIMEOUT (pid:",
    ),
    "container-timeout": Failing(
        variables={"SCORING_TIMEOUT_MS": "300"},
        provoke=orders({"sleep": 3}),
        codes=frozenset({504}),
        in_log="within the allocated time: 300ms",
    ),
    "scoring-timeout": Failing(
        settings={"access": {"scoring_timeout_ms": 500}},
        provoke=orders({"sleep": 3}),
        codes=frozenset({504}),
        seen=(504, code_map.TOO_SLOW),
    ),
    "run-raised": Failing(
        provoke=orders({"raise": "on purpose"}), codes=frozenset({502}), in_log="ValueError: on purpose"
    ),
    "replica-died": Failing(provoke=orders({"crash": 9}), codes=frozenset({502}), seen=(502, code_map.DIED)),
    "queue-full": Failing(provoke=crowd, codes=frozenset({200, 503}), seen=(503, code_map.NO_ROOM)),
}


def reproduce(bench: Workbench, name: str) -> Evidence:
    """Make a service fail for this reason, and read what there is; the service is left to the caller to remove."""
    failing = FAILING[name]
    settings = dict(failing.settings)
    pip = ["azureml-defaults", *failing.pip] if failing.pip else ENVIRONMENT["python"]["condaDependencies"]
    python = {"condaDependencies": {"dependencies": [{"pip": pip}]}} if failing.pip else ENVIRONMENT["python"]
    environment = {"python": python, "environmentVariables": dict(failing.variables)}
    heard = bench.deploy(name, failing.script, environment=environment, **settings)
    assert heard.end is not None
    assert heard.end[0] == failing.ends, "\n".join(heard.lines)
    codes = failing.provoke(bench, name) if failing.provoke else []

    def log() -> str:
        return bench.runtime.logs(name, tail=2000, init=False)

    eventually(lambda: failing.in_log in log(), within=30)
    return Evidence(heard=heard, error=_said(heard.end[1]), container_log=log(), codes=codes)


def _said(failure: Failure | None) -> str:
    if failure is None:
        return ""
    return "\n".join([f"{failure.code}: {failure.message}", *(f"{code}: {text}" for code, text in failure.details)])
