"""The equal SDK code is what it says: run as it stands, with the unmodified SDK, it makes the service that was planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from services.azureml.computes import create_aks
from services.azureml.credentials import for_worker
from services.azureml.fields import form_defaults
from services.azureml.gateway import Gateway, open_gateway
from services.planning.environments import from_conda
from services.planning.plan import compare, plan
from services.planning.sdk_code import code_for
from services.planning.wanted import SEALED, CodeRef, EnvironmentRef, Wanted, from_service
from services.settings import Settings
from tests.running_workspace import RunningWorkspace, wait_for

if TYPE_CHECKING:
    from azureml.core import Workspace

pytestmark = pytest.mark.slow

CONDA = "dependencies:\n- python=3.11\n- pip:\n  - azureml-defaults\n"
SCORE = "import os\n\ndef init():\n    pass\n\ndef run(data):\n    return {'hour': os.environ['HOUR']}\n"
KEYS = {"PRIMARY_KEY": "canary-primary-key-of-the-code", "SECONDARY_KEY": "canary-secondary-key-of-the-code"}

RunCode = Callable[[Wanted], Any]


@pytest.fixture(scope="module")
def gateway(local_workspace: RunningWorkspace, _sdk_home: Path) -> Iterator[Gateway]:
    """The way to the workspace, to read back what the code did."""
    settings = Settings(_env_file=None, workspace_connection=local_workspace.connection_file)  # type: ignore[call-arg]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", local_workspace.connection["ca_bundle"])
        opened = open_gateway(for_worker(settings))
        yield opened
        opened.close()


@pytest.fixture
def run_code(
    gateway: Gateway, sdk_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunCode]:
    """Plan, write the code, run it beside a folder `source`, and return the plan; its services are gone afterwards."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "score.py").write_text(SCORE)
    monkeypatch.chdir(tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    made = set()

    def run(wanted: Wanted, *, redeploy: bool = False) -> str:
        made.add(wanted.service)
        planned = plan(gateway.mms.find_service(wanted.service), wanted, redeploy=redeploy)
        # How the workspace is found is the one line that differs from machine to machine.
        source = code_for(wanted, planned).replace("Workspace.from_config()", "present")
        assert "present" in source
        exec(compile(source, "equal.py", "exec"), {"present": sdk_workspace})
        return planned.action

    yield run
    for name in made:
        gateway.mms.delete_service(name)


def test_code_on_aci_creates_updates_and_replaces_what_was_planned(gateway: Gateway, run_code: Any) -> None:
    document = from_conda(CONDA, name="hours", variables={"HOUR": "three"})
    wanted = Wanted(
        service="equal-aci",
        target="ACI",
        code=CodeRef(source="upload", entry_script="score.py", sha256="0" * 64),
        environment=EnvironmentRef(name="hours", document=document),
        configuration={**form_defaults("ACI"), "primary_key": SEALED, "secondary_key": SEALED},
        tags={"stage": "dev", "quoted": 'it\'s "so"'},
        description="Made by its own code",
        properties={"ticket": "1234"},
    )
    assert run_code(wanted) == "create"
    got = gateway.mms.service("equal-aci")
    assert (got.state, compare(wanted, got)) == ("Healthy", ())
    for key in KEYS.values():
        answer = requests.post(str(got.scoring_uri), data="{}", headers={"Authorization": f"Bearer {key}"}, timeout=20)
        assert answer.json() == {"hour": "three"}

    changed = replace(
        from_service(got), configuration={**got.configuration, "enable_app_insights": False}, tags={"stage": "test"}
    )
    assert run_code(changed) == "update"
    assert compare(changed, gateway.mms.service("equal-aci")) == ()

    bigger = replace(wanted, configuration={**form_defaults("ACI"), "memory_gb": 1.5}, tags={})
    assert run_code(bigger) == "redeploy"
    assert compare(bigger, gateway.mms.service("equal-aci")) == ()


def test_code_on_a_cluster_says_every_field_and_changes_those_that_go_together(gateway: Gateway, run_code: Any) -> None:
    create_aks(gateway.access, "equal", nodes=1, vm_size="Standard_D3_v2", purpose="DevTest")
    wait_for(lambda: any(found.name == "equal" for found in gateway.mms.computes()), "the cluster", 30)
    registered = gateway.registry.register_environment(
        "equal-hours", conda=CONDA, variables={"HOUR": "four", "WORKER_COUNT": "2"}
    )
    wanted = Wanted(
        service="equal-aks",
        target="AKS",
        compute="equal",
        code=CodeRef(source="upload", entry_script="score.py", sha256="0" * 64),
        environment=EnvironmentRef(name=registered.name, version=registered.version),
        configuration={
            **form_defaults("AKS"),
            "cpu_cores": 0.2,
            "cpu_cores_limit": 0.4,
            "memory_gb_limit": 2.0,
            "autoscale_min_replicas": 1,
            "autoscale_max_replicas": 2,
            "autoscale_target_utilization": 60,
            "autoscale_refresh_seconds": 2,
            "scoring_timeout_ms": 30_000,
            "max_request_wait_time": 700,
            "replica_max_concurrent_requests": 2,
            "initial_delay_seconds": 100,
            "period_seconds": 11,
            "timeout_seconds": 3,
            "success_threshold": 1,
            "failure_threshold": 4,
            "collect_model_data": True,
        },
    )
    assert run_code(wanted) == "create"
    got = gateway.mms.service("equal-aks")
    assert (got.state, compare(wanted, got)) == ("Healthy", ())

    configuration = {name: value for name, value in got.configuration.items() if not name.startswith("autoscale_")} | {
        "autoscale_enabled": False,
        "num_replicas": 2,
        "cpu_cores": 0.5,
        "cpu_cores_limit": 0.6,
    }
    changed = replace(
        from_service(got),
        configuration=configuration | {"auth_enabled": False, "token_auth_enabled": True},
    )
    assert run_code(changed) == "update"
    assert compare(changed, gateway.mms.service("equal-aks")) == ()
