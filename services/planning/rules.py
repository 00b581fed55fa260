"""Every rule of a deployment configuration, more than the SDK has, each with a sentence that says what to do.

`check` looks at the configuration alone and is quick enough for every keystroke; `check_wanted` looks at the whole.
The rules of one topic lie together in `resource_rules` (size, replicas, probes) and `access_rules` (keys, TLS, network).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from services.azureml.fields import TARGETS, Field, Target, find, for_target
from services.azureml.types import ModelVersion, Service, visible_tags
from services.planning import access_rules, resource_rules
from services.planning.models import check_models, no_code_problem
from services.planning.names import check_compute_name, check_name, check_properties, check_tags
from services.planning.problems import Problem
from services.planning.resource_rules import Capacity, Observed
from services.planning.wanted import SEALED, Wanted

__all__ = ["MAX_MODELS", "Capacity", "Observed", "check", "check_field", "check_wanted"]

MAX_MODELS = 1000
"""Models one service may have."""


def check(
    configuration: Mapping[str, Any],
    *,
    target: Target,
    live: Service | None = None,
    capacity: Capacity | None = None,
    observed: Observed | None = None,
    models: Sequence[ModelVersion] = (),
    variables: Mapping[str, str] | None = None,
    anonymous_confirmed: bool = False,
) -> list[Problem]:
    """Return what is wrong with a configuration, errors first; an empty list means it can be launched.

    `live` is the service it would change, `capacity` what the target offers, `observed` what the charts say of it,
    `variables` the environment variables it will run with.
    """
    asked = {name: value for name, value in configuration.items() if value is not None and value != ""}
    problems = [problem for name, value in asked.items() for problem in check_field(name, value, target=target)]
    # Rules between fields work on values that are of the right type and in range; the others were told already.
    wrong = {problem.field for problem in problems if problem.severity == "error"}
    sound = {name: value for name, value in asked.items() if name not in wrong}
    problems += resource_rules.check(
        sound,
        target=target,
        live=live,
        capacity=capacity or Capacity(),
        observed=observed or Observed(),
        models=models,
        variables=variables or {},
    )
    problems += check_models(models, target=target)
    problems += access_rules.check(sound, target=target, live=live, anonymous_confirmed=anonymous_confirmed)
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.severity != "error")


def check_field(name: str, value: Any, *, target: Target) -> list[Problem]:
    """Check one field by itself, as on leaving it."""
    field = find(name, target=target)
    if field is None:
        return [Problem(field=name, sentence=_unknown(name, target))]
    if value is None or value == "":
        return []
    sentence = _wrong_type(field, value) or _out_of_range(field, value)
    return [Problem(field=name, sentence=sentence)] if sentence else []


def check_wanted(
    wanted: Wanted,
    *,
    live: Service | None = None,
    capacity: Capacity | None = None,
    observed: Observed | None = None,
    models: Sequence[ModelVersion] = (),
) -> list[Problem]:
    """Return what is wrong with a whole service: name, models, code, environment, configuration, tags."""
    # A service that is there was named by its maker; only a new name can still be chosen.
    problems = [] if live else check_name(wanted.service)
    problems += _place(wanted, live)
    problems += _contents(wanted, models)
    problems += check_tags(wanted.tags)
    problems += check_properties(wanted.properties, live=visible_tags(live.properties) if live else None)
    if live and live.description and not wanted.description.strip():
        sentence = "An update cannot empty the description: it stays as it is. Write another one to replace it."
        problems.append(Problem(field="description", sentence=sentence, severity="warning"))
    document = wanted.environment.document if wanted.environment else None
    variables = (document or (live.environment if live else None) or {}).get("environmentVariables") or {}
    problems += check(
        wanted.configuration,
        target=wanted.target,
        live=live,
        capacity=capacity,
        observed=observed,
        models=models,
        variables=variables,
        anonymous_confirmed=wanted.anonymous_confirmed,
    )
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.severity != "error")


def _unknown(name: str, target: Target) -> str:
    """The sentence for a name this target does not have: another target's, the wire's, or nobody's."""
    if name == "token_auth_enabled":
        return "Token authentication exists only on AKS: use keys on ACI."
    others = [other for other in TARGETS if other != target and find(name, target=other)]
    if others:
        return f"{name} exists only on {others[0]}: leave it out here."
    for field in for_target(target):
        last = field.wire.rpartition(".")[2]
        if name in (last, _snake(last)):
            return f"{name} is the name on the wire; the SDK's argument is {field.name}."
    return f"{name} is not a setting of a service on {target}: check the spelling, or leave it out."


def _snake(camel: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)


def _wrong_type(field: Field, value: Any) -> str:
    if field.secret:
        return "" if value == SEALED else f"{field.label} must be sealed before it is passed on."
    if field.kind == "bool":
        return "" if isinstance(value, bool) else f"{field.label} is either on or off."
    if field.kind == "int":
        # bool is an int in Python, and 3.0 is what a form may hand over for 3.
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if whole else f"{field.label} must be a whole number."
    if field.kind == "float":
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return "" if number else f"{field.label} must be a number."
    return "" if isinstance(value, str) else f"{field.label} must be text."


def _out_of_range(field: Field, value: Any) -> str:
    if field.secret or field.kind not in ("int", "float"):
        return ""
    if field.name == "gpu_cores":
        return "" if value >= 0 else "GPUs cannot be negative: write 0 for none."
    if value <= 0:
        return f"{field.label} must be greater than zero; leave it empty for the default."
    if field.name == "autoscale_target_utilization" and value > 100:
        return "Target utilisation is a percentage from 1 to 100; the SDK would send more, and the scaler never act."
    return ""


def _place(wanted: Wanted, live: Service | None) -> list[Problem]:
    """Where it runs."""
    problems = []
    if wanted.target == "AKS":
        if not wanted.compute:
            problems.append(Problem(field="compute", sentence="Choose the AKS cluster the service shall run on."))
        elif not live or live.compute != wanted.compute:
            problems += check_compute_name(wanted.compute)
    elif wanted.compute:
        sentence = "A container instance runs on no cluster: leave the compute empty, or choose AKS."
        problems.append(Problem(field="compute", sentence=sentence))
    if live and live.compute_type != wanted.target:
        sentence = (
            f"{live.name} runs on {live.compute_type} and cannot move to {wanted.target}: "
            "launch it under another name, or delete it first."
        )
        problems.append(Problem(field="target", sentence=sentence))
    return problems


def _contents(wanted: Wanted, models: Sequence[ModelVersion]) -> list[Problem]:
    """What runs: models, code, environment."""
    problems = []
    if len(wanted.model_ids) > MAX_MODELS:
        sentence = f"A service takes at most {MAX_MODELS} models; these are {len(wanted.model_ids)}."
        problems.append(Problem(field="model_ids", sentence=sentence))
    doubled = sorted({model for model in wanted.model_ids if wanted.model_ids.count(model) > 1})
    if doubled:
        problems.append(Problem(field="model_ids", sentence=f"{doubled[0]} is chosen twice: take one away."))
    for model_id in wanted.model_ids:
        name, _, version = model_id.rpartition(":")
        if not name or not version.isdigit():
            sentence = f"{model_id} is not a model version: choose name and version from the list."
            problems.append(Problem(field="model_ids", sentence=sentence))
    if wanted.code is None:
        problems += _without_code(wanted, models)
    else:
        if not wanted.code.entry_script.endswith(".py"):
            sentence = f"The entry script must be a Python file; {wanted.code.entry_script or 'it'} is not."
            problems.append(Problem(field="entry_script", sentence=sentence))
        if wanted.environment is None:
            sentence = "Code needs an environment: choose a registered one, or upload a conda or requirements file."
            problems.append(Problem(field="environment", sentence=sentence))
        if not wanted.model_ids:
            sentence = "No model is chosen: the script has to bring along everything it needs."
            problems.append(Problem(field="model_ids", sentence=sentence, severity="warning"))
    return problems


def _without_code(wanted: Wanted, models: Sequence[ModelVersion]) -> list[Problem]:
    if wanted.environment is not None:
        sentence = "Without code Azure makes the environment too: leave it out, or add an entry script."
        return [Problem(field="environment", sentence=sentence)]
    if len(wanted.model_ids) != 1:
        sentence = f"Without code a service has exactly one model, not {len(wanted.model_ids)}: add an entry script."
        return [Problem(field="model_ids", sentence=sentence)]
    chosen = next((model for model in models if model.id == wanted.model_ids[0]), None)
    sentence = no_code_problem(chosen) if chosen else ""
    return [Problem(field="code", sentence=sentence)] if sentence else []
