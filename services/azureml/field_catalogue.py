"""The catalogue behind `fields`: each deployment field with its wire name, default, effect of a change, and help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Target = Literal["ACI", "AKS"]
Kind = Literal["bool", "int", "float", "text", "choice", "secret"]
Effect = Literal["live", "restart", "redeploy"]
Group = Literal["resources", "scaling", "access", "insights", "limits", "probes", "network", "tls"]

TARGETS: tuple[Target, ...] = ("ACI", "AKS")
GROUPS: tuple[Group, ...] = ("resources", "scaling", "access", "insights", "limits", "probes", "network", "tls")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One argument of `deploy_configuration`, and what a person should know before setting it."""

    name: str
    """The SDK's argument."""
    wire: str
    """Dotted path in the service object; with slashes it is the JSON-Patch path."""
    label: str
    kind: Kind
    group: Group
    update: Mapping[Target, Effect]
    """What a change of it does to a running service, per target that has the field."""
    help: str
    """What it does, and when to change it."""
    default: Any = None
    """What Azure does when it is left unset; None = nothing, or made up by Azure."""
    ours: Any = None
    """What our form starts with; None = left unset."""
    unit: str = ""
    choices: tuple[str, ...] = ()
    create_only: bool = False
    """Sent when a service is created and never again (own keys)."""
    negated: bool = False
    """The wire says the opposite of the SDK argument."""
    hidden: bool = False
    """Not offered on the form; read and compared all the same."""

    @property
    def targets(self) -> frozenset[Target]:
        """Where the field exists."""
        return frozenset(self.update)

    @property
    def patch_path(self) -> str:
        """The JSON-Patch path of the field."""
        return "/" + self.wire.replace(".", "/")

    @property
    def secret(self) -> bool:
        """Whether its value must never be stored, shown, logged or planned with."""
        return self.kind == "secret"

    def effect(self, target: Target) -> Effect:
        """What changing it does on this target."""
        return self.update[target]


def _on(*, aci: Effect | None = None, aks: Effect | None = None) -> Mapping[Target, Effect]:
    effects: dict[Target, Effect] = {}
    if aci:
        effects["ACI"] = aci
    if aks:
        effects["AKS"] = aks
    return MappingProxyType(effects)


FIELDS: tuple[Field, ...] = (
    # Resources
    Field(
        name="cpu_cores",
        wire="containerResourceRequirements.cpu",
        label="CPU cores",
        kind="float",
        unit="cores",
        group="resources",
        default=0.1,
        ours=0.5,
        update=_on(aci="redeploy", aks="restart"),
        help="CPU each replica asks for. The default of 0.1 is too little for most models: raise it when scoring is slow.",
    ),
    Field(
        name="cpu_cores_limit",
        wire="containerResourceRequirements.cpuLimit",
        label="CPU limit",
        kind="float",
        unit="cores",
        group="resources",
        update=_on(aks="restart"),
        help="The most CPU a replica may take. Set it at or above the request when neighbours on a node suffer.",
    ),
    Field(
        name="memory_gb",
        wire="containerResourceRequirements.memoryInGB",
        label="Memory",
        kind="float",
        unit="GB",
        group="resources",
        default=0.5,
        ours=1.0,
        update=_on(aci="redeploy", aks="restart"),
        help="Memory each replica asks for: at least 1.5 times the model. Raise it when workers boot again and again.",
    ),
    Field(
        name="memory_gb_limit",
        wire="containerResourceRequirements.memoryInGBLimit",
        label="Memory limit",
        kind="float",
        unit="GB",
        group="resources",
        update=_on(aks="restart"),
        help="A replica that takes more is killed. Leave room above the request for the largest input.",
    ),
    Field(
        name="gpu_cores",
        wire="containerResourceRequirements.gpu",
        label="GPUs",
        kind="int",
        unit="GPUs",
        group="resources",
        default=0,
        update=_on(aks="restart"),
        help="GPUs per replica; needs GPU nodes. Once set, an update cannot put it back to 0: that takes a redeploy.",
    ),
    # Scaling
    Field(
        name="autoscale_enabled",
        wire="autoScaler.autoscaleEnabled",
        label="Scale automatically",
        kind="bool",
        group="scaling",
        default=True,
        ours=True,
        update=_on(aks="live"),
        help="The router adds and removes replicas by how busy they are. Turn it off to keep a fixed number.",
    ),
    Field(
        name="autoscale_min_replicas",
        wire="autoScaler.minReplicas",
        label="Fewest replicas",
        kind="int",
        unit="replicas",
        group="scaling",
        default=1,
        update=_on(aks="live"),
        help="Replicas kept at all times. Raise it when bursts are answered with 503: new replicas start too slowly.",
    ),
    Field(
        name="autoscale_max_replicas",
        wire="autoScaler.maxReplicas",
        label="Most replicas",
        kind="int",
        unit="replicas",
        group="scaling",
        default=10,
        update=_on(aks="live"),
        help="The scaler never goes beyond. Raise it when the service sits at this number and still answers 503.",
    ),
    Field(
        name="autoscale_target_utilization",
        wire="autoScaler.targetUtilization",
        label="Target utilisation",
        kind="int",
        unit="%",
        group="scaling",
        default=70,
        update=_on(aks="live"),
        help="Share of busy replicas the scaler aims at. Lower it for more headroom against bursts.",
    ),
    Field(
        name="autoscale_refresh_seconds",
        wire="autoScaler.refreshPeriodInSeconds",
        label="Scaling interval",
        kind="int",
        unit="s",
        group="scaling",
        default=1,
        update=_on(aks="live"),
        help="How often the scaler looks. Leave it at 1 unless replicas come and go too nervously.",
    ),
    Field(
        name="num_replicas",
        wire="numReplicas",
        label="Replicas",
        kind="int",
        unit="replicas",
        group="scaling",
        update=_on(aks="live"),
        help="A fixed number of replicas, instead of automatic scaling. Raise it when calls are answered with 503.",
    ),
    # Access
    Field(
        name="auth_enabled",
        wire="authEnabled",
        label="Key authentication",
        kind="bool",
        group="access",
        default=False,
        ours=True,
        # The router of a container instance is a container of the same group: it starts anew with the group.
        update=_on(aci="restart"),
        help="Callers need one of two keys. Without it anyone who knows the address can call the service.",
    ),
    Field(
        name="auth_enabled",
        wire="authEnabled",
        label="Key authentication",
        kind="bool",
        group="access",
        default=True,
        ours=True,
        update=_on(aks="live"),
        help="Callers need one of two keys. Without it and without tokens anyone who knows the address can call.",
    ),
    Field(
        name="token_auth_enabled",
        wire="aadAuthEnabled",
        label="Token authentication",
        kind="bool",
        group="access",
        default=False,
        ours=False,
        update=_on(aks="live"),
        help="Callers fetch a token that expires, as themselves. Turn it on when no key shall be handed around; keys go off.",
    ),
    Field(
        name="primary_key",
        wire="keys.primaryKey",
        label="Primary key",
        kind="secret",
        group="access",
        update=_on(aci="redeploy", aks="redeploy"),
        create_only=True,
        help="A key of your own, for a key vault that leads. Left empty, Azure makes one; later it is regenerated, not set.",
    ),
    Field(
        name="secondary_key",
        wire="keys.secondaryKey",
        label="Secondary key",
        kind="secret",
        group="access",
        update=_on(aci="redeploy", aks="redeploy"),
        create_only=True,
        help="A second key of your own, for clients that change keys in turn. It is sent only together with a primary key.",
    ),
    # Insights
    Field(
        name="enable_app_insights",
        wire="appInsightsEnabled",
        label="Application Insights",
        kind="bool",
        group="insights",
        default=False,
        ours=True,
        update=_on(aci="restart", aks="restart"),
        help="Requests, traces and exceptions are recorded. Turn it off only where nothing may be: there are no charts then.",
    ),
    Field(
        name="collect_model_data",
        wire="dataCollection.storageEnabled",
        label="Collect model data",
        kind="bool",
        group="insights",
        default=False,
        update=_on(aci="redeploy", aks="restart"),
        help="What the script collects of inputs and predictions is stored. Turn it on to study drift; mind personal data.",
    ),
    # Limits
    Field(
        name="scoring_timeout_ms",
        wire="scoringTimeoutMs",
        label="Scoring timeout",
        kind="int",
        unit="ms",
        group="limits",
        default=60_000,
        update=_on(aks="live"),
        help="A call that takes longer is answered with 504. Above 300000 it helps only with WORKER_TIMEOUT raised too.",
    ),
    Field(
        name="max_request_wait_time",
        wire="maxQueueWaitMs",
        label="Longest wait in the queue",
        kind="int",
        unit="ms",
        group="limits",
        default=500,
        update=_on(aks="live"),
        help="A call that waits longer for a free replica is answered with 503. Raise it to ride out short bursts.",
    ),
    Field(
        name="replica_max_concurrent_requests",
        wire="maxConcurrentRequestsPerContainer",
        label="Concurrent requests per replica",
        kind="int",
        unit="requests",
        group="limits",
        default=1,
        update=_on(aks="restart"),
        help="Calls a replica gets at once. Leave it at 1 unless WORKER_COUNT in the environment is at least as high.",
    ),
    # Probes
    Field(
        name="initial_delay_seconds",
        wire="livenessProbeRequirements.initialDelaySeconds",
        label="First probe after",
        kind="int",
        unit="s",
        group="probes",
        default=310,
        update=_on(aks="restart"),
        help="How long a replica may take to start before it is probed. Raise it when init() takes longer.",
    ),
    Field(
        name="period_seconds",
        wire="livenessProbeRequirements.periodSeconds",
        label="Probe every",
        kind="int",
        unit="s",
        group="probes",
        default=10,
        update=_on(aks="restart"),
        help="How often a replica is probed. Lower it to notice a hung one sooner, raise it when probes disturb long calls.",
    ),
    Field(
        name="timeout_seconds",
        wire="livenessProbeRequirements.timeoutSeconds",
        label="Probe timeout",
        kind="int",
        unit="s",
        group="probes",
        default=2,
        update=_on(aks="restart"),
        help="How long a probe waits. A single busy worker cannot answer it: raise it when run() takes long.",
    ),
    Field(
        name="success_threshold",
        wire="livenessProbeRequirements.successThreshold",
        label="Probes to count as alive",
        kind="int",
        unit="probes",
        group="probes",
        default=1,
        update=_on(aks="restart"),
        help="Probes in a row that must succeed. Kubernetes accepts only 1 for liveness.",
    ),
    Field(
        name="failure_threshold",
        wire="livenessProbeRequirements.failureThreshold",
        label="Probes to count as dead",
        kind="int",
        unit="probes",
        group="probes",
        default=3,
        update=_on(aks="restart"),
        help="Probes in a row that must fail before a replica is restarted. Raise it for models with rare long calls.",
    ),
    # Network
    Field(
        name="location",
        wire="location",
        label="Region",
        kind="text",
        group="network",
        update=_on(aci="redeploy"),
        help="The Azure region of the container; unset = the workspace's. Set it when that one has no room left.",
    ),
    Field(
        name="dns_name_label",
        wire="dnsNameLabel",
        label="DNS name label",
        kind="text",
        group="network",
        update=_on(aci="redeploy"),
        help="First part of the address; unset = a generated one. Set it when the address must survive a new service.",
    ),
    Field(
        name="namespace",
        wire="namespace",
        label="Kubernetes namespace",
        kind="text",
        group="network",
        default="default",
        update=_on(aks="restart"),
        help="The namespace the replicas run in; unset = the cluster's. It must exist. Set it where teams share a cluster.",
    ),
    Field(
        name="blobfuse_enabled",
        wire="storageInitEnabled",
        label="Mount models with blobfuse",
        kind="bool",
        group="network",
        default=True,
        negated=True,
        update=_on(aks="redeploy"),
        help="Models are mounted from storage; off, an init container copies them. Turn it off where drivers are refused.",
    ),
    Field(
        name="vnet_name",
        wire="vnetConfiguration.vnetName",
        label="Virtual network",
        kind="text",
        group="network",
        update=_on(aci="redeploy"),
        hidden=True,
        help="Azure does not support container instances of Azure Machine Learning in a virtual network.",
    ),
    Field(
        name="subnet_name",
        wire="vnetConfiguration.subnetName",
        label="Subnet",
        kind="text",
        group="network",
        update=_on(aci="redeploy"),
        hidden=True,
        help="Azure does not support container instances of Azure Machine Learning in a virtual network.",
    ),
    # TLS and encryption
    Field(
        name="ssl_enabled",
        wire="sslEnabled",
        label="TLS",
        kind="bool",
        group="tls",
        default=False,
        update=_on(aci="restart"),
        help="Serve over https with your own certificate. Turn it on before anyone calls from outside a trusted network.",
    ),
    Field(
        name="ssl_cname",
        wire="cname",
        label="Host name",
        kind="text",
        group="tls",
        update=_on(aci="restart"),
        help="The host name the certificate is for; your DNS must point it at the service.",
    ),
    Field(
        name="ssl_cert_pem_file",
        wire="sslCertificate",
        label="Certificate",
        kind="secret",
        unit="PEM",
        group="tls",
        update=_on(aci="restart"),
        help="The certificate with its chain. A bad one stops the router of the service.",
    ),
    Field(
        name="ssl_key_pem_file",
        wire="sslKey",
        label="Certificate key",
        kind="secret",
        unit="PEM",
        group="tls",
        update=_on(aci="restart"),
        help="The private key of the certificate, without a password. Renew it together with the certificate.",
    ),
    Field(
        name="cmk_vault_base_url",
        wire="encryptionProperties.vaultBaseUrl",
        label="Key vault address",
        kind="text",
        group="tls",
        update=_on(aci="redeploy"),
        help="Encrypt the container's disk with a key of your own: the vault's address, the key and its version, all three.",
    ),
    Field(
        name="cmk_key_name",
        wire="encryptionProperties.keyName",
        label="Key vault key",
        kind="text",
        group="tls",
        update=_on(aci="redeploy"),
        help="Name of the encryption key in the vault.",
    ),
    Field(
        name="cmk_key_version",
        wire="encryptionProperties.keyVersion",
        label="Key vault key version",
        kind="text",
        group="tls",
        update=_on(aci="redeploy"),
        help="Version of the encryption key.",
    ),
)
