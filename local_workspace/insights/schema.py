"""The tables: Azure's App* and ContainerLogV2 columns exactly as documented, and the normalised `Requests` that every
chart reads.

KQL types on the left, DuckDB on the right of `DUCKDB_TYPES`. Kusto has no null strings, so every string column is
`NOT NULL DEFAULT ''`: otherwise `== ''` and `dcount` would answer differently than on Azure.
"""

from __future__ import annotations

from typing import Final, Literal

import pyarrow as pa

KqlType = Literal["string", "real", "int", "long", "bool", "datetime", "dynamic"]
Columns = dict[str, KqlType]

DUCKDB_TYPES: Final[dict[KqlType, str]] = {
    "string": "VARCHAR NOT NULL DEFAULT ''",
    "real": "DOUBLE",
    "int": "INTEGER",
    "long": "BIGINT",
    "bool": "BOOLEAN",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
}

ARROW_TYPES: Final[dict[KqlType, pa.DataType]] = {
    "string": pa.string(),
    "real": pa.float64(),
    "int": pa.int32(),
    "long": pa.int64(),
    "bool": pa.bool_(),
    "datetime": pa.timestamp("us"),
    "dynamic": pa.string(),
}

_SHARED_STRINGS = (
    "AppRoleInstance AppRoleName AppVersion ClientBrowser ClientCity ClientCountryOrRegion ClientIP ClientModel "
    "ClientOS ClientStateOrProvince ClientType IKey _IsBillable OperationId OperationName ParentId ResourceGUID "
    "_ResourceId SDKVersion SessionId SourceSystem _SubscriptionId SyntheticSource TenantId Type UserAccountId "
    "UserAuthenticatedId UserId"
)

_CONTAINER_LOG_STRINGS = (
    "Computer ContainerId ContainerName _IsBillable LogLevel LogSource PodName PodNamespace _ResourceId SourceSystem "
    "_SubscriptionId TenantId Type"
)


def _app_table(strings: str, **others: KqlType) -> Columns:
    """The columns every App* table has, and this one's own."""
    columns: Columns = {"TimeGenerated": "datetime", "ItemCount": "int", "_BilledSize": "real", "Properties": "dynamic"}
    columns.update(others)
    columns.update(dict.fromkeys(_SHARED_STRINGS.split() + strings.split(), "string"))
    return columns


TABLES: Final[dict[str, Columns]] = {
    "AppRequests": _app_table(
        "Id Name ReferencedItemId ReferencedType ResultCode Source Url",
        DurationMs="real",
        Success="bool",
        Measurements="dynamic",
    ),
    "AppDependencies": _app_table(
        "Data DependencyType Id Name ReferencedItemId ReferencedType ResultCode Target",
        DurationMs="real",
        Success="bool",
        Measurements="dynamic",
    ),
    "AppExceptions": _app_table(
        "Assembly ExceptionType HandledAt InnermostAssembly InnermostMessage InnermostMethod InnermostType Message "
        "Method OuterAssembly OuterMessage OuterMethod OuterType ProblemId",
        SeverityLevel="int",
        Details="dynamic",
        Measurements="dynamic",
    ),
    "AppTraces": _app_table("Message ReferencedItemId ReferencedType", SeverityLevel="int", Measurements="dynamic"),
    "AppMetrics": _app_table("Name", Sum="real", Min="real", Max="real"),
    "ContainerLogV2": {
        "TimeGenerated": "datetime",
        "_BilledSize": "real",
        "KubernetesMetadata": "dynamic",
        "LogMessage": "dynamic",
        **dict.fromkeys(_CONTAINER_LOG_STRINGS.split(), "string"),
    },
    "Requests": {
        "TimeGenerated": "datetime",
        "Service": "string",
        "RequestId": "string",
        "ClientRequestId": "string",
        "Replica": "string",
        "Path": "string",
        "ContainerCode": "int",
        "DurationMs": "real",
        "IsSoftFailure": "bool",
        "IsOurs": "bool",
        "ItemCount": "int",
    },
}


def ddl(table: str) -> str:
    """The statement that makes the table when it is not there."""
    columns = ", ".join(f'"{name}" {DUCKDB_TYPES[kind]}' for name, kind in TABLES[table].items())
    return f'CREATE TABLE IF NOT EXISTS "{table}" ({columns})'
