"""The equal SDK code: what a person would run in a notebook to get the same service, with placeholders for secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.azureml.fields import find
from services.planning.plan import Plan
from services.planning.update import create_arguments
from services.planning.wanted import SEALED, Wanted

_PLACEHOLDERS = {
    "primary_key": 'os.environ["PRIMARY_KEY"]',
    "secondary_key": 'os.environ["SECONDARY_KEY"]',
    "ssl_cert_pem_file": '"path/to/certificate.pem"',
    "ssl_key_pem_file": '"path/to/certificate-key.pem"',
}


def create_code(wanted: Wanted, *, overwrite: bool = False) -> str:
    """Return Python that creates the service, or replaces it with `overwrite`."""
    webservice = "AksWebservice" if wanted.target == "AKS" else "AciWebservice"
    imports = ["from azureml.core import Environment, Model, Workspace"]
    if wanted.code:
        imports.append("from azureml.core.model import InferenceConfig")
    else:
        imports = ["from azureml.core import Model, Workspace"]
    if wanted.compute:
        imports.append("from azureml.core.compute import AksCompute")
    imports.append(f"from azureml.core.webservice import {webservice}")
    lines = [*_opening(wanted, imports), *_models(wanted)]
    if wanted.code:
        lines += ["", *_inference_config(wanted)]
    lines += ["", f"deployment_config = {webservice}.deploy_configuration("]
    lines += _arguments(_configuration(wanted), wanted)
    lines += [")", "service = Model.deploy(", "    workspace,", f"    {wanted.service!r},", "    models,"]
    if wanted.code:
        lines.append("    inference_config=inference_config,")
    lines.append("    deployment_config=deployment_config,")
    if wanted.compute:
        lines.append(f"    deployment_target=AksCompute(workspace, {wanted.compute!r}),")
    if overwrite:
        lines.append("    overwrite=True,  # replaces the running service: it is down meanwhile")
    lines += [")", "service.wait_for_deployment(show_output=True)"]
    return "\n".join(lines) + "\n"


def update_code(wanted: Wanted, plan: Plan) -> str:
    """Return Python that makes the changes of an update plan."""
    webservice = "AksWebservice" if wanted.target == "AKS" else "AciWebservice"
    with_code = plan.new_rollout and wanted.code is not None
    names = ["Workspace"]
    if plan.new_rollout:
        names = ["Environment", "Model", "Workspace"] if with_code else ["Model", "Workspace"]
    imports = [f"from azureml.core import {', '.join(names)}"]
    if with_code:
        imports.append("from azureml.core.model import InferenceConfig")
    imports.append(f"from azureml.core.webservice import {webservice}")
    lines = _opening(wanted, imports, secrets=any(SEALED in call.values() for call in plan.calls))
    if plan.new_rollout:
        lines += [*_models(wanted)]
        if with_code:
            lines += ["", *_inference_config(wanted)]
    lines += ["", f"service = {webservice}(workspace, {wanted.service!r})"]
    for number, call in enumerate(plan.calls, start=1):
        last = number == len(plan.calls)
        lines.append("service.update(")
        lines += _arguments(call, wanted)
        if last and plan.new_rollout:
            lines.append("    models=models,")
            if with_code:
                lines.append("    inference_config=inference_config,")
        lines += [")", "service.wait_for_deployment(show_output=True)"]
    return "\n".join(lines) + "\n"


def code_for(wanted: Wanted, plan: Plan) -> str:
    """Return the code that does what a plan does; nothing to do is a comment."""
    if plan.action == "none":
        return f"# {wanted.service} is already as asked.\n"
    if plan.action == "update":
        return update_code(wanted, plan)
    return create_code(wanted, overwrite=plan.action == "redeploy")


def _opening(wanted: Wanted, imports: Iterable[str], *, secrets: bool | None = None) -> list[str]:
    needs_os = any(name.endswith("_key") for name in wanted.sealed) if secrets is None else False
    return [
        *(["import os", ""] if needs_os else []),
        *imports,
        "",
        "workspace = Workspace.from_config()  # config.json of the workspace, beside this script or in .azureml/",
    ]


def _models(wanted: Wanted) -> list[str]:
    return ["models = [", *(f"    Model(workspace, id={model_id!r})," for model_id in wanted.model_ids), "]"]


def _inference_config(wanted: Wanted) -> list[str]:
    lines = []
    environment = wanted.environment
    if environment and environment.version:
        lines.append(f"environment = Environment.get(workspace, {environment.name!r}, version={environment.version!r})")
    elif environment and environment.document is not None:
        lines += _inline_environment(environment.name, environment.document)
    elif environment:
        lines.append(f"environment = Environment.get(workspace, {environment.name!r})")
    script = wanted.code.entry_script if wanted.code else "score.py"
    lines += [
        "inference_config = InferenceConfig(",
        f"    entry_script={script!r},",
        '    source_directory="source",  # the folder with the code',
        "    environment=environment,",
        ")",
    ]
    return lines


def _inline_environment(name: str, document: Mapping[str, Any]) -> list[str]:
    conda = (document.get("python") or {}).get("condaDependencies") or {}
    plain = [entry for entry in conda.get("dependencies") or () if isinstance(entry, str)]
    pip = [
        line for entry in conda.get("dependencies") or () if isinstance(entry, Mapping) for line in entry.get("pip", ())
    ]
    lines = [f"environment = Environment({name!r})"]
    lines.append("for package in (")
    lines += [f"    {entry!r}," for entry in plain]
    lines += ["):", "    environment.python.conda_dependencies.add_conda_package(package)"]
    lines.append("for package in (")
    lines += [f"    {entry!r}," for entry in pip]
    lines += ["):", "    environment.python.conda_dependencies.add_pip_package(package)"]
    variables = document.get("environmentVariables") or {}
    if variables:
        lines.append(f"environment.environment_variables = {_literal(dict(variables))}")
    return lines


def _configuration(wanted: Wanted) -> dict[str, Any]:
    """What `deploy_configuration` gets: the settings, and what describes the service."""
    arguments = create_arguments(wanted)
    for name, value in (
        ("description", wanted.description),
        ("tags", dict(wanted.tags)),
        ("properties", dict(wanted.properties)),
    ):
        if value:
            arguments[name] = value
    return arguments


def _arguments(arguments: Mapping[str, Any], wanted: Wanted) -> list[str]:
    lines = []
    for name, value in arguments.items():
        field = find(name, target=wanted.target)
        text = _PLACEHOLDERS[name] if value == SEALED and name in _PLACEHOLDERS else _literal(value)
        unit = f"  # {field.unit}" if field and field.unit and not field.secret and field.unit not in name else ""
        lines.append(f"    {name}={text},{unit}")
    return lines


def _literal(value: Any) -> str:
    """Return a Python literal of plain data; `repr` is exact for all of it, whatever a person typed."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return repr(str(value))
