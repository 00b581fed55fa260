"""Lists of services, keys and regeneration: on services that never start, so that no environment is needed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.local_workspace.conftest import aci
from tests.running_workspace import RunningWorkspace

if TYPE_CHECKING:
    from azureml.core import Model, Workspace


def names(services: list[Any], stem: str) -> set[str]:
    """Names beginning so, of SDK or swagger objects."""
    return {service.name for service in services if service.name.startswith(stem)}


def test_the_list_is_paged_and_the_sdk_reads_every_page(
    sdk_workspace: Workspace, local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    from azureml.core import Webservice

    made = {broken_service("paged") for _ in range(27)}

    first = local_workspace.mms("GET", "/services?expand=true").json()
    assert len(first["value"]) == 25
    assert "nextLink" in first
    assert names(Webservice.list(sdk_workspace), "paged") == made
    last = local_workspace.mms("GET", "/services?count=1000").json()
    assert "nextLink" not in last


def test_no_page_misses_a_service_while_others_come_go_and_change(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    made = [broken_service("shifting", kvTags={"shifting": "yes"}) for _ in range(6)]
    query = "/services?tags=shifting&count=2"
    first = local_workspace.mms("GET", query).json()
    seen = [service["name"] for service in first["value"]]
    assert seen == [made[5], made[4]]

    made.append(broken_service("shifting", kvTags={"shifting": "yes"}))
    local_workspace.mms("DELETE", f"/services/{made[5]}").raise_for_status()
    steps = [{"op": "replace", "path": "/description", "value": "changed"}]
    local_workspace.mms("PATCH", f"/services/{made[1]}", json=steps).raise_for_status()
    page = first
    while "nextLink" in page:
        page = local_workspace.call("GET", page["nextLink"].removeprefix(local_workspace.connection["url"])).json()
        seen += [service["name"] for service in page["value"]]

    assert seen == [made[index] for index in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize("order", ["CreatedAtDesc", "CreatedAtAsc", "UpdatedAtDesc", "UpdatedAtAsc"])
def test_each_order_is_kept_over_the_pages(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str], order: str
) -> None:
    made = {broken_service("ordered", kvTags={"ordered": order}) for _ in range(3)}
    query: str | None = f"/services?tags=ordered%3D{order}&count=1&orderby={order}"
    seen = []
    while query is not None:
        page = local_workspace.mms("GET", query).json()
        seen += [service[f"{order[:7].lower()}Time"] for service in page["value"]]
        link = page.get("nextLink")
        query = link and "/services" + link.rpartition("/services")[2]

    assert len(seen) == len(made)
    assert seen == sorted(seen, reverse=order.endswith("Desc"))


def test_every_filter_narrows_the_list(
    sdk_workspace: Workspace, broken_service: Callable[..., str], register: Callable[..., Model]
) -> None:
    from azureml.core import Webservice

    model = register("filtering")
    request = aci("x")["environmentImageRequest"] | {"modelIds": [model.id]}
    red = broken_service("lists", kvTags={"colour": "red", "stage": "dev"}, properties={"origin": "here"})
    blue = broken_service("lists", kvTags={"colour": "blue"}, environmentImageRequest=request)

    def found(**asked: Any) -> set[str]:
        return names(Webservice.list(sdk_workspace, **asked), "lists")

    assert found() == {red, blue}
    assert found(compute_type="ACI") == {red, blue}
    assert found(compute_type="AKS") == set()
    assert found(tags=["colour"]) == {red, blue}
    assert found(tags=[["colour", "red"]]) == {red}
    assert found(tags=[["colour", "red"], "stage"]) == {red}
    assert found(properties=[["origin", "here"]]) == {red}
    assert found(model_name="filtering") == {blue}
    assert found(model_name="filter") == set()
    assert found(model_id=model.id) == {blue}
    assert found(image_digest="sha256:0") == set()


def test_the_swagger_client_parses_lists_keys_and_logs(
    broken_service: Callable[..., str], swagger: Callable[..., Any]
) -> None:
    name = broken_service("swagger")

    page = swagger("services", "list_query", name=name)
    keys = swagger("services", "list_service_keys", name)

    assert [service.name for service in page.value] == [name]
    assert page.value[0].deployment_type.value == "HttpRealtimeEndpoint"
    assert len(keys.primary_key) == len(keys.secondary_key) == 32
    assert keys.primary_key != keys.secondary_key
    assert isinstance(swagger("services", "get_logs", name).content, str)


def test_keys_given_at_create_are_the_keys_and_stay_over_an_overwrite(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    name = broken_service("own-keys", keys={"primaryKey": "my-own-primary", "secondaryKey": "my-own-secondary"})
    own = {"primaryKey": "my-own-primary", "secondaryKey": "my-own-secondary"}
    assert local_workspace.mms("POST", f"/services/{name}/listkeys").json() == own

    again = local_workspace.mms("POST", "/services", json=aci(name, overwrite=True, description="again"))

    local_workspace.wait_for_operation(again.headers["Operation-Location"].rpartition("/")[2])
    assert local_workspace.mms("POST", f"/services/{name}/listkeys").json() == own
    assert local_workspace.mms("GET", f"/services/{name}").json()["description"] == "again"
    assert b"my-own-primary" not in (local_workspace.data / "state.sqlite3").read_bytes()


def test_one_key_is_regenerated_at_a_time_and_may_be_set(
    local_workspace: RunningWorkspace, broken_service: Callable[..., str]
) -> None:
    name = broken_service("rotating")

    def keys() -> tuple[str, str]:
        listed = local_workspace.mms("POST", f"/services/{name}/listkeys").json()
        return listed["primaryKey"], listed["secondaryKey"]

    def regenerate(body: dict[str, Any]) -> int:
        return local_workspace.mms("POST", f"/services/{name}/regenerateKeys", json=body).status_code

    primary, secondary = keys()
    assert regenerate({"keyType": "Secondary", "keyValue": None}) == 202
    assert keys()[0] == primary
    assert keys()[1] != secondary
    assert regenerate({"keyType": "Primary", "keyValue": "a-key-of-my-own"}) == 202
    assert keys()[0] == "a-key-of-my-own"
    assert regenerate({"keyType": "Third"}) == 400
    assert regenerate({"keyType": "Primary", "keyValue": "a b"}) == 400
    rows = local_workspace.ledger(name=name, kind="regenerate")
    assert [(row["resource"], row["version"]) for row in rows] == [("key", "secondary"), ("key", "primary")]


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_ten_equal_creates_at_once_one_is_accepted(
    local_workspace: RunningWorkspace, unique: Callable[[str], str], overwrite: bool
) -> None:
    name = unique("race")
    request = aci(name, overwrite=overwrite, kvTags={"desk-operation": "op-1"})

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: local_workspace.mms("POST", "/services", json=request), range(10)))

    accepted = [answer for answer in answers if answer.status_code == 202]
    rows = local_workspace.ledger(resource="service", name=name, kind="create")
    assert len(rows) == len(accepted)
    assert {row["desk_operation"] for row in rows} == {"op-1"}
    assert {answer.status_code for answer in answers} <= {202, 409}
    if not overwrite:
        assert len(accepted) == 1
