"""The tables a query may read, with what each is for and its columns: what the console shows beside itself.

The columns are Azure's as documented; of those every App* table has, the ones that say nothing here are left out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """One table."""

    name: str
    purpose: str
    columns: tuple[tuple[str, str], ...]
    """Name and KQL type."""


def _columns(text: str) -> tuple[tuple[str, str], ...]:
    """`name:type` by blanks; a name without a type is a string."""
    return tuple((name, kind or "string") for name, _, kind in (entry.partition(":") for entry in text.split()))


_SHARED = (
    "TimeGenerated:datetime AppRoleName AppRoleInstance OperationId OperationName Properties:dynamic ItemCount:int"
)

SCHEMAS: tuple[TableSchema, ...] = (
    TableSchema(
        name="Requests",
        purpose="Every scoring call the containers answered, normalised: true codes and durations.",
        columns=_columns(
            "TimeGenerated:datetime Service RequestId ClientRequestId Replica Path ContainerCode:int DurationMs:real "
            "IsSoftFailure:bool IsOurs:bool ItemCount:int"
        ),
    ),
    TableSchema(
        name="FrontEnd",
        purpose="What the front end of a cluster with Container Insights logged: refusals too, with the caller's code.",
        columns=_columns(
            "TimeGenerated:datetime Service RequestId ClientRequestId Replica Code:int DurationMs:real RunMs:real Reason "
            "IsOurs:bool"
        ),
    ),
    TableSchema(
        name="Scale",
        purpose="How many replicas a front end had and how many were busy, every few seconds.",
        columns=_columns(
            "TimeGenerated:datetime Service Replicas:real Desired:real Busy:real Waiting:real MaxReplicas:real "
            "TargetUtilization:real"
        ),
    ),
    TableSchema(
        name="AppRequests",
        purpose="Scoring calls as the inference server sent them: its standard columns say success for every failure.",
        columns=_columns(f"{_SHARED} Id Name Url ResultCode Success:bool DurationMs:real"),
    ),
    TableSchema(
        name="AppExceptions",
        purpose="What run() raised; the caller's ids are in Properties.custom_dimensions, the stack in Details.",
        columns=_columns(
            f"{_SHARED} ProblemId ExceptionType OuterType OuterMessage InnermostType InnermostMessage SeverityLevel:int "
            "Details:dynamic"
        ),
    ),
    TableSchema(
        name="AppTraces",
        purpose="What scripts print and log; a print carries no request id.",
        columns=_columns(f"{_SHARED} Message SeverityLevel:int"),
    ),
    TableSchema(
        name="AppDependencies",
        purpose="Calls a script made to others, where it traces them itself.",
        columns=_columns(f"{_SHARED} Id Name Data DependencyType Target ResultCode Success:bool DurationMs:real"),
    ),
    TableSchema(
        name="AppMetrics",
        purpose="Metrics a script sends itself.",
        columns=_columns(
            "TimeGenerated:datetime AppRoleName Name Sum:real Min:real Max:real ItemCount:int Properties:dynamic"
        ),
    ),
    TableSchema(
        name="ContainerLogV2",
        purpose="Containers' output on clusters with Container Insights; the front end's log is read from it.",
        columns=_columns(
            "TimeGenerated:datetime Computer ContainerId ContainerName PodName PodNamespace LogMessage:dynamic LogSource "
            "LogLevel KubernetesMetadata:dynamic"
        ),
    ),
)
