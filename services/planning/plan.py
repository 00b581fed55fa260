"""The plan: what a change will do, field by field, before it is done; and afterwards, whether it did.

The plan knows what `update()` cannot do (a redeploy is offered then), what the SDK would swallow (0 and empty values are
never sent), and which fields have to be sent together. `calls` are the arguments to send, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from services.azureml.fields import Effect, defaults, find, for_target
from services.azureml.types import Service, visible_tags
from services.errors import Invalid
from services.planning.environments import difference
from services.planning.update import update_calls
from services.planning.wanted import SEALED, Wanted, digest, is_scaler_field, scales

Action = Literal["create", "update", "redeploy", "none"]

SERVER_DECIDES = frozenset({"location", "dns_name_label", "namespace", "ssl_cname", "num_replicas"})
"""Left unset, Azure fills these in itself: then any value it shows is as asked."""
LIMITS = frozenset({"cpu_cores_limit", "memory_gb_limit"})
"""An update can change these, but never take them away."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of the plan."""

    field: str
    label: str
    before: Any
    after: Any
    effect: Effect

    def to_json(self) -> dict[str, Any]:
        """A dictionary that survives JSON."""
        return {
            "field": self.field,
            "label": self.label,
            "before": self.before,
            "after": self.after,
            "effect": self.effect,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The change `to_json` was called on."""
        return cls(**{name: document[name] for name in ("field", "label", "before", "after", "effect")})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will happen to one service."""

    service: str
    target: str
    action: Action
    changes: tuple[Change, ...]
    downtime: str
    keys_resent: bool
    """A redeploy sends the present keys along, so that clients keep working."""
    warnings: tuple[str, ...]
    based_on: str
    """Hash of the live service planned against: another one now means the plan is out of date."""
    calls: tuple[dict[str, Any], ...] = ()
    """Arguments of `update()`, call by call; empty for create and redeploy."""
    new_rollout: bool = False
    """Models, code or environment change: the last call also carries models and, with code, an InferenceConfig."""

    @property
    def words(self) -> str:
        """The plan in one line."""
        count = f"{len(self.changes)} change{'s' if len(self.changes) != 1 else ''}"
        if self.action == "none":
            return f"{self.service} is already as asked"
        if self.action == "create":
            return f"Create {self.service} on {self.target}"
        if self.action == "redeploy":
            why = ", ".join(change.label for change in self.changes if change.effect == "redeploy")
            return f"{count} to {self.service} ({self.target}: {why} needs a redeploy)"
        return f"{count} to {self.service}"

    def to_json(self) -> dict[str, Any]:
        """A dictionary that survives JSON."""
        return {
            "service": self.service,
            "target": self.target,
            "action": self.action,
            "changes": [change.to_json() for change in self.changes],
            "downtime": self.downtime,
            "keys_resent": self.keys_resent,
            "warnings": list(self.warnings),
            "based_on": self.based_on,
            "calls": [dict(call) for call in self.calls],
            "new_rollout": self.new_rollout,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The plan `to_json` was called on."""
        return cls(
            service=document["service"],
            target=document["target"],
            action=document["action"],
            changes=tuple(Change.from_json(change) for change in document["changes"]),
            downtime=document["downtime"],
            keys_resent=document["keys_resent"],
            warnings=tuple(document["warnings"]),
            based_on=document["based_on"],
            calls=tuple(dict(call) for call in document.get("calls", ())),
            new_rollout=bool(document.get("new_rollout", False)),
        )


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """What was asked and what is there, where the two differ."""

    field: str
    label: str
    asked: Any
    got: Any

    @property
    def sentence(self) -> str:
        """For the receipt."""
        return f"{self.label}: asked {show(self.asked)}, got {show(self.got)}"


def plan(live: Service | None, wanted: Wanted, *, live_code: str | None = None, redeploy: bool = False) -> Plan:
    """Return what has to be done to make `live` what is wanted.

    `live_code` is the hash of the code it runs, where we know it; `redeploy` asks for one although an update would do.
    """
    if live and live.broken:
        raise Invalid(f"The description of {live.name} cannot be read, so no change can be planned: {live.broken}")
    if live and live.compute_type != wanted.target:
        sentence = f"{live.name} runs on {live.compute_type} and cannot move to {wanted.target}: choose another name."
        raise Invalid(sentence, field="target")
    based_on = configuration_hash(live)
    if live is None:
        return Plan(
            service=wanted.service,
            target=wanted.target,
            action="create",
            changes=_as_new(wanted),
            downtime="None: nothing runs under this name yet.",
            keys_resent=False,
            warnings=(),
            based_on=based_on,
        )
    contents = _contents(live, wanted, live_code)
    settings, warnings = _settings(live, wanted)
    words, more = _words(live, wanted)
    changes = contents + settings + words
    warnings += more
    if redeploy or any(change.effect == "redeploy" for change in changes):
        return Plan(
            service=wanted.service,
            target=wanted.target,
            action="redeploy",
            changes=tuple(changes + _taken_away(live, wanted)),
            downtime="Down about 1 min: the service is replaced as a whole, under the same name and address.",
            keys_resent=live.auth == "key",
            # What an update could not take away goes with the old service, so there is nothing to warn of.
            warnings=(),
            based_on=based_on,
        )
    if not changes:
        return Plan(
            service=wanted.service,
            target=wanted.target,
            action="none",
            changes=(),
            downtime="None: nothing changes.",
            keys_resent=False,
            warnings=tuple(warnings),
            based_on=based_on,
        )
    calls = update_calls(live, wanted, {change.field for change in settings + words})
    if len(calls) > 1:
        warnings.append("This takes two updates, one after the other: the SDK compares each with what is there now.")
    return Plan(
        service=wanted.service,
        target=wanted.target,
        action="update",
        changes=tuple(changes),
        downtime=_downtime(changes, wanted, live),
        keys_resent=False,
        warnings=tuple(warnings),
        based_on=based_on,
        calls=calls,
        new_rollout=bool(contents),
    )


def configuration_hash(live: Service | None) -> str:
    """Return the SHA-256 of what a plan depends on; state, times and replica counts of the scaler are not in it."""
    if live is None:
        return digest(None)
    configuration = dict(live.configuration)
    if live.compute_type == "AKS" and scales(configuration):
        configuration.pop("num_replicas", None)
    return digest(
        {
            "name": live.name,
            "compute_type": live.compute_type,
            "compute": live.compute,
            "configuration": configuration,
            "models": sorted(live.model_ids),
            "entry_script": live.entry_script,
            "environment": [live.environment_name, live.environment_version, live.environment],
            "code": sorted(str(asset.get("id", "")) for asset in live.code),
            "image": live.image_id,
            "tags": visible_tags(live.tags),
            "properties": visible_tags(live.properties),
            "description": live.description or "",
            "created_at": live.created_at.isoformat() if live.created_at else None,
        }
    )


def compare(asked: Wanted, got: Service) -> tuple[Mismatch, ...]:
    """Return where a service is not what was asked, reading it back; secrets and what was left unset are not judged."""
    found = []
    for name, value in asked.asked.items():
        field = find(name, target=asked.target)
        if field is None or field.secret or (name == "num_replicas" and scales(asked.asked)):
            continue
        there = got.configuration.get(name, field.default)
        if not same(value, there):
            found.append(Mismatch(field=name, label=field.label, asked=value, got=there))
    if set(asked.model_ids) != set(got.model_ids):
        found.append(Mismatch(field="model_ids", label="Models", asked=list(asked.model_ids), got=list(got.model_ids)))
    if asked.environment and asked.environment.version:
        there = f"{got.environment_name}:{got.environment_version}"
        if asked.environment.words != there:
            found.append(Mismatch(field="environment", label="Environment", asked=asked.environment.words, got=there))
    if asked.compute and got.compute and asked.compute != got.compute:
        found.append(Mismatch(field="compute", label="Cluster", asked=asked.compute, got=got.compute))
    if dict(asked.tags) != visible_tags(got.tags):
        found.append(Mismatch(field="tags", label="Tags", asked=dict(asked.tags), got=visible_tags(got.tags)))
    if asked.description and asked.description != (got.description or ""):
        found.append(Mismatch(field="description", label="Description", asked=asked.description, got=got.description))
    missing = {key: value for key, value in asked.properties.items() if got.properties.get(key) != value}
    if missing:
        there_too = {key: got.properties.get(key) for key in missing}
        found.append(Mismatch(field="properties", label="Properties", asked=missing, got=there_too))
    return tuple(found)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same setting: 1 and 1.0 are, 1 and True are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) < 1e-9
    return bool(one == other)


def show(value: Any) -> str:
    """Return a value as the plan and the receipt show it."""
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={show(item)}" for key, item in sorted(value.items())) or "none"
    return str(value)


def _as_new(wanted: Wanted) -> tuple[Change, ...]:
    """Everything a new service is made with, as changes from nothing."""
    changes = [
        _change("model_ids", "Models", None, list(wanted.model_ids)),
        _change("code", "Code", None, wanted.code.words if wanted.code else "none: Azure makes the entry script"),
    ]
    if wanted.environment:
        changes.append(_change("environment", "Environment", None, wanted.environment.words))
    if wanted.compute:
        changes.append(_change("compute", "Cluster", None, wanted.compute))
    for field in for_target(wanted.target):
        value = wanted.asked.get(field.name)
        if value is not None:
            changes.append(_change(field.name, field.label, None, value))
    for name, label, value in (
        ("tags", "Tags", dict(wanted.tags)),
        ("description", "Description", wanted.description),
        ("properties", "Properties", dict(wanted.properties)),
    ):
        if value:
            changes.append(_change(name, label, None, value))
    return tuple(changes)


def _change(name: str, label: str, before: Any, after: Any, effect: Effect = "restart") -> Change:
    return Change(field=name, label=label, before=before, after=after, effect=effect)


def _contents(live: Service, wanted: Wanted, live_code: str | None) -> list[Change]:
    """Changes that need a new rollout: models, code, environment, cluster."""
    changes = []
    if set(live.model_ids) != set(wanted.model_ids):
        changes.append(_change("model_ids", "Models", list(live.model_ids), list(wanted.model_ids)))
    code = wanted.code
    if code is None and live.entry_script:
        changes.append(_change("code", "Code", live.entry_script, "none: Azure makes the entry script"))
    elif code and code.source == "upload" and code.sha256 != live_code:
        runs = live_code[:12] if live_code else (live.entry_script or "none")
        changes.append(_change("code", "Code", runs, code.words))
    elif code and code.source == "service" and code.service != live.name:
        changes.append(_change("code", "Code", live.entry_script or "none", code.words))
    environment = wanted.environment
    # An environment made of a file has a name and no version.
    parts = [part for part in (live.environment_name, live.environment_version) if part]
    before = ":".join(parts) or None
    if environment is not None:
        changed = environment.words != before
        if changed and environment.document is not None and live.environment is not None:
            changed = bool(difference(live.environment, environment.document))
        if changed:
            changes.append(_change("environment", "Environment", before, environment.words))
    if live.image_id and not live.environment_name:
        # A service built from an image cannot be updated with an environment, and the other way round.
        changes = [replace(change, effect="redeploy") for change in changes]
    if wanted.compute and live.compute and wanted.compute != live.compute:
        changes.append(_change("compute", "Cluster", live.compute, wanted.compute, "redeploy"))
    return changes


def _settings(live: Service, wanted: Wanted) -> tuple[list[Change], list[str]]:
    """Changes of the configuration, and what cannot be changed although it was asked."""
    changes: list[Change] = []
    warnings: list[str] = []
    usual = defaults(wanted.target)
    scaled = scales(wanted.asked)
    for field in for_target(wanted.target):
        name = field.name
        after = wanted.asked.get(name)
        if field.secret:
            # The wire never shows a secret: a new one is always a change. Keys of a running service are set elsewhere.
            if after == SEALED and not field.create_only:
                changes.append(_change(name, field.label, "(not shown)", "(new)", field.effect(wanted.target)))
            continue
        if wanted.target == "AKS" and _beside_the_point(name, scaled=scaled):
            continue
        before = live.configuration.get(name, usual.get(name))
        if name == "autoscale_enabled":
            after = scaled
        elif after is None:
            if name in SERVER_DECIDES:
                continue
            after = usual.get(name)
        if same(before, after):
            continue
        if after is None and name in LIMITS:
            warnings.append(
                f"{field.label} stays at {show(before)}: an update cannot take a limit away. Ask for a redeploy to do it."
            )
            continue
        effect = field.effect(wanted.target)
        if name == "gpu_cores" and not after:
            # `update()` drops a 0 without a word.
            effect = "redeploy"
        changes.append(_change(name, field.label, before, after, effect))
    return changes, warnings


def _beside_the_point(name: str, *, scaled: bool) -> bool:
    return name == "num_replicas" if scaled else is_scaler_field(name)


def _words(live: Service, wanted: Wanted) -> tuple[list[Change], list[str]]:
    """Changes of tags, description and properties: none of them touches what runs."""
    changes: list[Change] = []
    warnings: list[str] = []
    tags = visible_tags(live.tags)
    if tags != dict(wanted.tags):
        changes.append(_change("tags", "Tags", tags, dict(wanted.tags), "live"))
    if wanted.description != (live.description or ""):
        if wanted.description:
            changes.append(_change("description", "Description", live.description, wanted.description, "live"))
        else:
            warnings.append("The description stays as it is: an update cannot empty it.")
    properties = visible_tags(live.properties)
    added = {key: value for key, value in wanted.properties.items() if key not in properties}
    if added:
        changes.append(_change("properties", "Properties", {}, added, "live"))
    return changes, warnings


def _taken_away(live: Service, wanted: Wanted) -> list[Change]:
    """What only goes away because the service is replaced: limits, a description, properties."""
    changes = []
    for field in for_target(wanted.target):
        before = live.configuration.get(field.name)
        if field.name in LIMITS and before is not None and wanted.asked.get(field.name) is None:
            changes.append(_change(field.name, field.label, before, None, "redeploy"))
    if live.description and not wanted.description:
        changes.append(_change("description", "Description", live.description, "", "redeploy"))
    gone = {key: value for key, value in visible_tags(live.properties).items() if key not in wanted.properties}
    if gone:
        changes.append(_change("properties", "Properties", gone, {}, "redeploy"))
    return changes


def _downtime(changes: list[Change], wanted: Wanted, live: Service) -> str:
    if all(change.effect == "live" for change in changes):
        return "None: this takes effect while the service runs."
    if wanted.target == "ACI":
        return "Maybe a minute: the one container starts anew, and answers again when init() is through."
    if live.deployment_status and live.deployment_status.desired > 1:
        return "None expected: replicas are replaced one after another."
    return "None expected, with less headroom: the only replica answers until its successor is ready."
