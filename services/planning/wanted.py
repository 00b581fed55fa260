"""What a person asks for: one service, complete, as plain data that survives JSON and holds no secret.

The configuration is complete: a field that is not in it is left to Azure's default. A secret that was typed into the
form travels in a sealed envelope; here only `SEALED` stands in its place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from services.azureml.fields import TARGETS, Target, find
from services.azureml.types import Service, visible_tags
from services.errors import Invalid

SEALED = "(sealed)"
"""Stands for a secret that lies in a sealed envelope."""

SERVER_VARIABLES = frozenset({"AZUREML_SOURCE_DIRECTORY", "AZUREML_ENTRY_SCRIPT"})
"""What the SDK itself adds to an environment; never part of what was asked."""


@dataclass(frozen=True, kw_only=True)
class CodeRef:
    """Which code runs: an upload by its hash, or the code a service runs now."""

    source: Literal["upload", "service"]
    entry_script: str
    """Relative to the source folder, for example `score.py`."""
    sha256: str = ""
    """Hash of the packed upload, its name in the file store."""
    name: str = ""
    """What the upload was called, for people."""
    service: str = ""
    """The service whose present code is meant."""

    def to_json(self) -> dict[str, Any]:
        """A dictionary that survives JSON."""
        return {
            "source": self.source,
            "entry_script": self.entry_script,
            "sha256": self.sha256,
            "name": self.name,
            "service": self.service,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The reference `to_json` was called on."""
        return cls(
            source=document["source"],
            entry_script=document["entry_script"],
            sha256=document.get("sha256", ""),
            name=document.get("name", ""),
            service=document.get("service", ""),
        )

    @property
    def words(self) -> str:
        """How it is named on screen."""
        if self.source == "service":
            return f"{self.entry_script} as {self.service} runs it"
        return f"{self.name or self.entry_script} ({self.sha256[:12]})"


@dataclass(frozen=True, kw_only=True)
class EnvironmentRef:
    """Which environment it runs in: a registered version, or a document made of an uploaded file."""

    name: str
    version: str | None = None
    document: Mapping[str, Any] | None = None
    """The whole document when it is not registered yet."""

    def to_json(self) -> dict[str, Any]:
        """A dictionary that survives JSON."""
        document = None if self.document is None else dict(self.document)
        return {"name": self.name, "version": self.version, "document": document}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The reference `to_json` was called on."""
        return cls(name=document["name"], version=document.get("version"), document=document.get("document"))

    @property
    def words(self) -> str:
        """How it is named on screen."""
        if self.version:
            return f"{self.name}:{self.version}"
        return f"{self.name} (from a file)" if self.document is not None else self.name


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One service as it shall be."""

    service: str
    target: Target
    compute: str | None = None
    """The AKS cluster; None on ACI."""
    model_ids: tuple[str, ...] = ()
    code: CodeRef | None = None
    """None = no code: Azure makes the entry script of a scikit-learn or ONNX model."""
    environment: EnvironmentRef | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    """As people see them, without the desk's own marks."""
    description: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    anonymous_confirmed: bool = False
    """The second, explicit step: anyone who knows the address may call."""

    def __post_init__(self) -> None:
        """Refuse what must never be stored: a secret in the open."""
        if self.target not in TARGETS:
            raise Invalid(f"The target must be ACI or AKS, not {self.target}.", field="target")
        for name, value in self.configuration.items():
            known = find(name, target=self.target)
            if known and known.secret and value is not None and value != SEALED:
                raise Invalid(f"{known.label} must be sealed before it is passed on.", field=name)

    @property
    def asked(self) -> dict[str, Any]:
        """The configuration without what is left unset."""
        return {name: value for name, value in self.configuration.items() if value is not None and value != ""}

    @property
    def sealed(self) -> tuple[str, ...]:
        """The fields whose values lie in a sealed envelope."""
        return tuple(name for name, value in self.configuration.items() if value == SEALED)

    @property
    def no_code(self) -> bool:
        """Whether Azure itself makes entry script and environment."""
        return self.code is None

    def to_json(self) -> dict[str, Any]:
        """A dictionary that survives JSON."""
        return {
            "service": self.service,
            "target": self.target,
            "compute": self.compute,
            "model_ids": list(self.model_ids),
            "code": self.code.to_json() if self.code else None,
            "environment": self.environment.to_json() if self.environment else None,
            "configuration": dict(self.configuration),
            "tags": dict(self.tags),
            "description": self.description,
            "properties": dict(self.properties),
            "anonymous_confirmed": self.anonymous_confirmed,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The value `to_json` was called on."""
        code, environment = document.get("code"), document.get("environment")
        return cls(
            service=document["service"],
            target=document["target"],
            compute=document.get("compute"),
            model_ids=tuple(document.get("model_ids", ())),
            code=CodeRef.from_json(code) if code else None,
            environment=EnvironmentRef.from_json(environment) if environment else None,
            configuration=dict(document.get("configuration", {})),
            tags=dict(document.get("tags", {})),
            description=document.get("description") or "",
            properties=dict(document.get("properties", {})),
            anonymous_confirmed=bool(document.get("anonymous_confirmed", False)),
        )


def from_service(live: Service) -> Wanted:
    """Return what a running service is, as something to ask for again: the start of every edit."""
    if live.broken:
        raise Invalid(f"The description of {live.name} cannot be read: {live.broken}")
    if live.compute_type not in TARGETS:
        raise Invalid(f"{live.name} is a service of type {live.compute_type}, which can only be looked at here.")
    target: Target = "AKS" if live.compute_type == "AKS" else "ACI"
    code = None
    if live.entry_script:
        # On the wire the entry script is `folder/score.py`; the folder is only the name of the archive's root.
        _, _, inside = live.entry_script.partition("/")
        code = CodeRef(source="service", entry_script=inside or live.entry_script, service=live.name)
    environment = None
    if code and live.environment_name:
        environment = EnvironmentRef(name=live.environment_name, version=live.environment_version)
    return Wanted(
        service=live.name,
        target=target,
        compute=live.compute,
        model_ids=live.model_ids,
        code=code,
        environment=environment,
        configuration=settled(live.configuration, target=target),
        tags=visible_tags(live.tags),
        description=live.description or "",
        properties=visible_tags(live.properties),
        anonymous_confirmed=live.auth == "none",
    )


def settled(configuration: Mapping[str, Any], *, target: Target) -> dict[str, Any]:
    """Return a configuration without what another field rules out: replicas are either counted or scaled."""
    known = {name: value for name, value in configuration.items() if find(name, target=target) and value is not None}
    if target == "AKS":
        if scales(known):
            known.pop("num_replicas", None)
        else:
            known = {name: value for name, value in known.items() if not is_scaler_field(name)}
            known["autoscale_enabled"] = False
    return known


def scales(configuration: Mapping[str, Any]) -> bool:
    """Whether replicas are scaled automatically: as said, else Azure scales when no number is given."""
    said = configuration.get("autoscale_enabled")
    return bool(said) if said is not None else not configuration.get("num_replicas")


def is_scaler_field(name: str) -> bool:
    """Whether a field only means something while replicas are scaled automatically."""
    return name.startswith("autoscale_") and name != "autoscale_enabled"


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
