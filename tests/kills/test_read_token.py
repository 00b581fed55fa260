"""The whole desk on a credential that may only read: every look works, every change is refused by the workspace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import get_args

import pytest

from services.azureml.sdk import Deployment
from services.errors import Forbidden
from services.monitoring import ChartName, Span
from tests.kills.desk_stack import OPERATOR, VIEWER, DeskStack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(shared_stack: DeskStack, model_id: str) -> str:
    """A service to look at."""
    return shared_stack.deployed("looked-at", model_id)


def test_the_desk_uses_the_read_token_unless_told_otherwise(stack: DeskStack) -> None:
    assert stack.desk.azure.read_only
    assert stack.desk.azure.token() == stack.workspace.connection["read_token"]


def test_every_read_works_on_the_read_token(stack: DeskStack, service: str, token_service: str, model_id: str) -> None:
    desk = stack.desk
    mms = desk.gateway.mms

    assert service in desk.webservices.names()
    assert desk.webservices.get(service).word == "Healthy"
    assert [compute.name for compute in desk.webservices.computes()] != []
    assert desk.registry.get(model_id).model.id == model_id
    assert model_id in [listed.model.id for listed in desk.registry.page(limit=200).rows]
    assert desk.deployments.wanted_now(service).service == service
    assert isinstance(desk.attention.matters(), list)
    assert [part.sentence for part in desk.health.heartbeats() if part.name == "worker"] == [""]

    assert service in [found.name for found in mms.services()]
    assert mms.service(service).name == service
    assert model_id in [version.id for page in mms.model_pages() for version in page]
    assert mms.model(model_id).id == model_id
    assert mms.computes() != []
    azure_operation = mms.service(service).operation_id
    assert azure_operation is not None
    assert mms.operation(azure_operation).is_final
    assert isinstance(mms.operation_log(azure_operation), str)
    assert desk.container_logs.read(VIEWER, service).lines != []
    assert desk.container_logs.read(VIEWER, service, init=True).lines is not None

    handle = desk.keys.reveal(OPERATOR, service)
    shown = desk.keys.shown(handle)
    assert shown is not None
    assert shown.value == mms.keys(service)
    desk.keys.hide(handle)
    assert desk.keys.shown(handle) is None
    token = desk.keys.shown(desk.keys.token(OPERATOR, token_service))
    assert token is not None
    assert token.value.expires_at > desk.clock.now()
    assert desk.testing.sample(OPERATOR, service)
    assert desk.testing.send(OPERATOR, service, '{"n": 1}').status == 200
    assert desk.testing.send(OPERATOR, token_service, '{"n": 1}').status == 200


@pytest.mark.parametrize("chart", get_args(ChartName))
def test_every_chart_is_drawn_on_the_read_token(stack: DeskStack, service: str, chart: ChartName) -> None:
    now = stack.desk.clock.now().replace(second=0, microsecond=0)
    span = Span(start=now - timedelta(hours=1), end=now + timedelta(minutes=1), step=timedelta(minutes=1))

    assert stack.desk.monitoring.chart(chart, span, services=[service]).query


CHANGES: dict[str, Callable[[DeskStack, str, str], object]] = {
    "regenerate": lambda stack, service, _: stack.desk.gateway.mms.regenerate_key(service, "primary"),
    "patch": lambda stack, service, _: stack.desk.gateway.mms.patch_service(
        service, [{"op": "replace", "path": "/description", "value": "x"}]
    ),
    "delete": lambda stack, service, _: stack.desk.gateway.mms.delete_service(service),
    "asset": lambda stack, *_: stack.desk.gateway.mms.create_asset("x", prefix="LocalUpload/x/y"),
    "model": lambda stack, *_: stack.desk.gateway.mms.create_model({"name": "x", "url": "aml://asset/x"}),
    "edit": lambda stack, _, model_id: stack.desk.gateway.registry.edit_model(model_id, tags={"a": "b"}),
    "delete model": lambda stack, _, model_id: stack.desk.gateway.mms.delete_model(model_id),
    "environment": lambda stack, *_: stack.desk.gateway.registry.register_environment("x", pip="azureml-defaults"),
    "deploy": lambda stack, service, model_id: stack.desk.gateway.sdk.submit_deployment(
        _deployment_like(stack, service, model_id), mark="never"
    ),
    "update": lambda stack, service, _: stack.desk.gateway.sdk.update_service(
        service, mark="never", description="never"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_by_the_desk_itself_is_forbidden(
    stack: DeskStack, service: str, model_id: str, change: str
) -> None:
    before = len(stack.workspace.ledger())

    with pytest.raises(Forbidden):
        CHANGES[change](stack, service, model_id)
    assert len(stack.workspace.ledger()) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/services/x"),
        ("POST", "/services"),
        ("POST", "/services/x/regenerateKeys"),
        ("PATCH", "/models/x:1"),
        ("DELETE", "/services/x"),
    ],
)
def test_the_workspace_answers_403_to_any_other_way_of_changing(stack: DeskStack, method: str, path: str) -> None:
    assert stack.workspace.mms(method, path, token="read_token", json={}).status_code == 403


def test_the_keys_of_a_compute_are_not_read_by_the_desk(stack: DeskStack) -> None:
    path = f"{stack.workspace.resource_id}/computes/any/listKeys?api-version=2020-02-02"
    assert stack.workspace.call("POST", path, token="read_token").status_code == 403


def _deployment_like(stack: DeskStack, service: str, model_id: str) -> Deployment:
    request = stack.desk.gateway.mms.service_document(service)["environmentImageRequest"]
    sizes = {"cpu_cores": 0.5, "memory_gb": 1.0}
    return Deployment(name="never", compute_type="ACI", model_ids=[model_id], configuration=sizes, request=request)
