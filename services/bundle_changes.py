"""What differs between two bundles, field by field: any two, not only the newest and what runs."""

from __future__ import annotations

from typing import Any

from services.azureml.fields import defaults, for_target
from services.planning.environments import difference
from services.planning.plan import Change, same
from services.planning.wanted import Wanted


def differences(before: Wanted, after: Wanted) -> tuple[Change, ...]:
    """Every field in which the two differ; a field left unset counts as Azure's default."""
    changes: list[Change] = []

    def note(field: str, label: str, one: Any, other: Any) -> None:
        if not same(one, other):
            changes.append(Change(field=field, label=label, before=one, after=other, effect="restart"))

    note("target", "Target", before.target, after.target)
    note("compute", "Cluster", before.compute, after.compute)
    note("model_ids", "Models", sorted(before.model_ids), sorted(after.model_ids))
    note("code", "Code", _code(before), _code(after))
    _note_environment(changes, before, after)
    fields = {field.name: field for target in (before.target, after.target) for field in for_target(target)}
    for field in fields.values():
        if not field.secret:
            note(field.name, field.label, _value(before, field.name), _value(after, field.name))
    note("tags", "Tags", dict(before.tags), dict(after.tags))
    note("description", "Description", before.description, after.description)
    note("properties", "Properties", dict(before.properties), dict(after.properties))
    return tuple(changes)


def _note_environment(changes: list[Change], before: Wanted, after: Wanted) -> None:
    one, other = before.environment, after.environment
    words = (one.words if one else None, other.words if other else None)
    if words[0] != words[1]:
        changes.append(
            Change(field="environment", label="Environment", before=words[0], after=words[1], effect="restart")
        )
    if one and other and one.document is not None and other.document is not None:
        changes += [
            Change(
                field=f"environment.{entry.name}",
                label=f"Environment: {entry.name}",
                before=entry.before,
                after=entry.after,
                effect="restart",
            )
            for entry in difference(one.document, other.document)
        ]


def _value(wanted: Wanted, name: str) -> Any:
    return wanted.asked.get(name, defaults(wanted.target).get(name))


def _code(wanted: Wanted) -> str:
    return wanted.code.words if wanted.code else "none: Azure makes the entry script"
