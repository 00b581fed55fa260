"""What a workspace also has and this one has none of: images, pipelines, data sets and data stores."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from local_workspace.state import now
from local_workspace.wire import Call, Refused, route

DATA_TYPES = (
    "AnyFile",
    "AnyDirectory",
    "AzureBlobReference",
    "AzureDataLakeReference",
    "AzureFilesReference",
    "AzureSqlDatabaseReference",
    "AzurePostgresDatabaseReference",
    "AzureDataLakeGen2Reference",
    "AzureMLDataset",
    "AzureMySqlDatabaseReference",
    "DBFSReference",
)


def routes(resource_id: str) -> list[Route]:
    """Empty lists, each in the shape its client parses."""
    images = f"/modelmanagement/v1.0{resource_id}/images"
    pipelines = f"/pipelines/v1.0{resource_id}"
    datasets = f"/dataset/v1.0{resource_id}/datasets"
    datastores = f"/datastore/v1.0{resource_id}/datastores"
    return [
        route(images, _first_page),
        route(f"{images}/{{id}}", _missing),
        route(f"{pipelines}/DataTypes", _data_types),
        route(f"{pipelines}/Pipelines", _bare_list),
        route(f"{pipelines}/Pipelines/{{id}}", _missing),
        route(f"{pipelines}/PipelineEndpoints", _bare_list),
        route(datasets, _page),
        route(f"{datasets}/query/{{id}}", _missing),
        route(f"{datasets}/{{id}}", _missing),
        route(datastores, _page),
        route(f"{datastores}/{{id}}", _missing),
    ]


def _data_types(call: Call) -> list[Any]:
    return [
        {
            "Id": name,
            "Name": name,
            "Description": name,
            "IsDirectory": name == "AnyDirectory",
            "ParentDataTypeIds": [],
            "Etag": "0",
            "CreatedDate": now(),
            "LastModifiedDate": now(),
            "EntityStatus": "0",
        }
        for name in DATA_TYPES
    ]


def _first_page(call: Call) -> dict[str, Any]:
    # The SDK follows a link to the next page even when it is null.
    return {"value": []}


def _bare_list(call: Call) -> list[Any]:
    return []


def _page(call: Call) -> dict[str, Any]:
    return {"value": [], "continuationToken": None, "nextLink": None}


def _missing(call: Call) -> dict[str, Any]:
    raise Refused(404, "NotFound", f"There is no {call.path['id']} in this workspace.")
