"""Bundles: what ran before is found whatever happened since, and a plan takes the service back to exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from services import bootstrap
from services.azureml.types import MARK, Service
from services.errors import Conflict, NotFound
from services.planning.wanted import SEALED, CodeRef, EnvironmentRef, Wanted
from services.settings import Settings
from tests.kept_bundles import BORN, asked, ran, seen
from tests.running_workspace import RunningWorkspace

NAME = "wine-prod"
FIRST, SECOND = "a" * 64, "b" * 64
WANTED = Wanted(
    service=NAME,
    target="ACI",
    model_ids=("wine:1",),
    code=CodeRef(source="upload", entry_script="score.py", sha256=FIRST, name="first.zip"),
    environment=EnvironmentRef(name="wine-env", version="3"),
    configuration={"auth_enabled": True, "cpu_cores": 0.5, "memory_gb": 1.0, "primary_key": SEALED},
)
LIVE = Service(
    name=NAME,
    compute_type="ACI",
    state="Healthy",
    created_at=BORN,
    model_ids=("wine:1",),
    configuration={"auth_enabled": True, "cpu_cores": 0.5, "memory_gb": 1.0},
    entry_script="source/score.py",
    environment_name="wine-env",
    environment_version="3",
    code=({"id": "first.tar.gz", "url": "aml://artifact/LocalUpload/1/first.tar.gz"},),
)


@pytest.fixture
def desk(settings: Settings, local_workspace: RunningWorkspace) -> Iterator[bootstrap.Desk]:
    """The services on empty databases."""
    opened = bootstrap.desk(settings.model_copy(update={"workspace_connection": local_workspace.connection_file}))
    yield opened
    opened.close()


def test_what_ran_before_is_the_newest_bundle_with_which_something_else_would_run(desk: bootstrap.Desk) -> None:
    newer = replace(WANTED, model_ids=("wine:2",))
    ran(desk, "first", WANTED, minute=0)
    ran(desk, "second", newer, minute=1)
    ran(desk, "third", replace(newer, tags={"stage": "prod"}), minute=2)
    seen(desk, replace(LIVE, model_ids=("wine:2",), tags={"stage": "prod", MARK: "third"}))

    before = desk.deployments.bundle_before(NAME)

    assert before is not None
    assert before.operation == "first"
    plan = desk.deployments.redeploy_plan(NAME, "first")
    assert plan.action == "update"
    assert {change.field: change.after for change in plan.changes} == {"model_ids": ["wine:1"], "tags": {}}


def test_nothing_ran_before_a_service_that_is_as_it_always_was(desk: bootstrap.Desk) -> None:
    assert desk.deployments.bundle_before(NAME) is None
    ran(desk, "first", WANTED, minute=0)
    seen(desk, LIVE)

    assert desk.deployments.bundle_before(NAME) is None


def test_a_failed_deployment_of_other_code_is_taken_back_although_it_left_no_bundle(desk: bootstrap.Desk) -> None:
    ran(desk, "first", WANTED, minute=0, assets=("aml://artifact/LocalUpload/1/first.tar.gz",))
    other = replace(WANTED.code, sha256=SECOND, name="second.zip") if WANTED.code else None
    asked(desk, "second", replace(WANTED, code=other), minute=1)
    broken = ({"id": "second.tar.gz", "url": "aml://artifact/LocalUpload/2/second.tar.gz"},)
    seen(desk, replace(LIVE, state="Failed", code=broken, tags={MARK: "second"}))

    before = desk.deployments.bundle_before(NAME)

    assert before is not None
    assert before.operation == "first"
    plan = desk.deployments.redeploy_plan(NAME, "first")
    assert [change.field for change in plan.changes] == ["code"]
    assert plan.changes[0].before == SECOND[:12]


def test_the_code_that_runs_is_known_by_azures_name_for_it_after_others_changed_the_service(
    desk: bootstrap.Desk,
) -> None:
    second = replace(WANTED.code, sha256=SECOND) if WANTED.code else None
    ran(desk, "first", WANTED, minute=0, assets=("aml://artifact/LocalUpload/1/first.tar.gz",))
    ran(desk, "second", replace(WANTED, code=second), minute=1, assets=("aml://artifact/LocalUpload/2/second.tar.gz",))
    seen(desk, replace(LIVE, tags={MARK: "second"}))

    assert desk.deployments.redeploy_plan(NAME, "first").action == "none"
    assert [change.field for change in desk.deployments.redeploy_plan(NAME, "second").changes] == ["code"]


def test_typed_keys_are_no_part_of_going_back_and_a_typed_certificate_has_to_be_typed_again(
    desk: bootstrap.Desk,
) -> None:
    with_tls = replace(
        WANTED,
        configuration={**WANTED.configuration, "ssl_enabled": True, "ssl_cert_pem_file": SEALED, "dns_name_label": "a"},
    )
    ran(desk, "keyed", WANTED, minute=0)
    ran(desk, "secure", with_tls, minute=1)
    seen(desk, replace(LIVE, model_ids=("wine:2",)))

    assert "primary_key" not in {change.field for change in desk.deployments.redeploy_plan(NAME, "keyed").changes}
    seen(desk, replace(LIVE, configuration={**LIVE.configuration, "dns_name_label": "b"}))
    with pytest.raises(Conflict, match="Certificate again"):
        desk.deployments.redeploy_plan(NAME, "secure")


def test_a_bundle_without_its_code_goes_back_only_while_that_code_still_runs(desk: bootstrap.Desk) -> None:
    unread = CodeRef(source="service", entry_script="score.py", service=NAME)
    ran(
        desk,
        "seen",
        replace(WANTED, code=unread, model_ids=("wine:2",)),
        minute=0,
        assets=("aml://artifact/LocalUpload/1/first.tar.gz",),
    )
    seen(desk, LIVE)
    assert desk.deployments.redeploy_plan(NAME, "seen").action == "update"

    seen(desk, replace(LIVE, code=({"id": "x", "url": "aml://artifact/LocalUpload/9/x.tar.gz"},)))

    with pytest.raises(Conflict, match="is not here"):
        desk.deployments.redeploy_plan(NAME, "seen")


def test_a_bundle_of_another_service_is_not_found(desk: bootstrap.Desk) -> None:
    ran(desk, "first", WANTED, minute=0)

    with pytest.raises(NotFound, match="no such bundle of iris-dev"):
        desk.deployments.redeploy_plan("iris-dev", "first")
