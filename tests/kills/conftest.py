"""One workspace, one worker and one desk for all of these tests; each test makes services of its own in it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.azureml.fields import form_defaults
from tests.kills.desk_stack import DeskStack, is_running


@pytest.fixture(scope="package")
def shared_stack(tmp_path_factory: pytest.TempPathFactory, _sdk_home: Path) -> Iterator[DeskStack]:
    """Made once."""
    made = DeskStack(tmp_path_factory.mktemp("desk"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def stack(shared_stack: DeskStack) -> Iterator[DeskStack]:
    """With a worker that lives and no fault, whatever the test before did."""
    yield shared_stack
    for fault in shared_stack.faults():
        shared_stack.workspace.admin("DELETE", f"/admin/faults/{fault['id']}")
    if not is_running(shared_stack.worker):
        shared_stack.start_worker()


@pytest.fixture(scope="package")
def model_id(shared_stack: DeskStack) -> str:
    """A registered model version for whoever needs one."""
    return shared_stack.registered("shared")


@pytest.fixture(scope="package")
def token_service(shared_stack: DeskStack, model_id: str) -> str:
    """A service on AKS whose callers prove themselves with tokens."""
    wanted = shared_stack.wanted(
        "with-tokens",
        model_id,
        target="AKS",
        compute=shared_stack.cluster("tokens-aks"),
        configuration={
            **dict.fromkeys(form_defaults("ACI")),
            **form_defaults("AKS"),
            "auth_enabled": False,
            "token_auth_enabled": True,
            "autoscale_enabled": False,
            "num_replicas": 1,
            "cpu_cores": 0.5,
            "memory_gb": 1.0,
        },
    )
    shared_stack.wait(shared_stack.launch(wanted))
    return "with-tokens"


_numbers = itertools.count(1)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A name nobody else in this run uses."""
    return lambda stem: f"{stem}-{os.getpid() % 1000}-{next(_numbers)}"
