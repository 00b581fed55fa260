"""The draft of the Deploy screen: what a person has typed so far, in the session, and what it asks for.

Every widget has a key of this module and `persist_state="session"`, so a draft outlives refreshes and other screens. A
secret is only ever the value of its widget: the draft says that there is one, and forgets it with the screen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
import yaml
from streamlit.errors import StreamlitAPIException

from dashboard import context
from dashboard.ui import filters, operation_words
from services.azureml.fields import FIELDS, Field, Target, find, for_target, form_defaults
from services.errors import Invalid
from services.planning import environments
from services.planning.access_rules import check_own_key
from services.planning.additions import with_packages, with_variables
from services.planning.certificates import check_certificate
from services.planning.problems import Problem
from services.planning.wanted import SEALED, CodeRef, EnvironmentRef, Wanted, is_scaler_field
from services.scrubbing import HIDDEN

STARTS = ("model", "service", "copy")
"""What an address may start a draft from."""

NEEDED = {
    "service": "service",
    "model_ids": "models",
    "code": "upload",
    "environment": "environment",
    "compute": "compute",
}
"""What a launch cannot do without: the field a rule names, and the part of the draft that is empty until then."""

EMPTY: dict[str, Any] = {
    "models": [],
    "code_from": "upload",
    "upload": None,
    "entry": None,
    "earlier": None,
    "code_of": None,
    "environment_from": "registered",
    "environment": None,
    "environment_name": "",
    "environment_text": "",
    "environment_kind": "conda",
    "variables": "",
    "target": "ACI",
    "compute": None,
    "service": "",
    "application": None,
    "stage": None,
    "tags": "",
    "description": "",
    "properties": "",
    "anonymous": False,
    "redeploy": False,
    "changing": None,
    "filled": "",
}


def key(name: str) -> str:
    """The session key of one part of the draft; also its widget's key."""
    return f"deploy-{name}"


def get(name: str) -> Any:
    """One part of the draft."""
    return st.session_state.get(key(name))


def put(name: str, value: Any) -> None:
    """Set one part of the draft; before its widget is drawn, or in a callback."""
    st.session_state[key(name)] = value


def take(**values: Any) -> None:
    """Set parts that the rules have not seen in this run, and draw the screen anew, so that they do."""
    for name, value in values.items():
        put(name, value)
    st.rerun()


def begin() -> None:
    """Have a draft: from the address when it names a new start, else the one there is, else an empty one."""
    asked = next(((name, value) for name in STARTS if (value := filters.wanted(name))), None)
    if asked and asked != get("start"):
        {"model": _from_model, "service": _from_service, "copy": _from_copy}[asked[0]](asked[1])
        put("start", asked)
    for name, value in _empty().items():
        st.session_state.setdefault(key(name), value)
    if not asked and get("start"):
        # Coming back from another screen: the address says again what the draft is about.
        _say_in_address(get("start"))


def prefill(
    service: str,
    *,
    operation: str | None = None,
    packages: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    why: str,
) -> None:
    """Begin with what a service is, or with what an operation on it wanted, and with what a remedy adds; for a callback.

    The environment becomes a file, since what is registered cannot be changed.
    """
    desk = context.services()
    asked = desk.operations.get(operation).arguments.get("wanted") if operation else None
    start = Wanted.from_json(asked) if asked else desk.deployments.wanted_now(service)
    values = of(start)
    if packages or variables:
        document = _document(start, service)
        if document is None:
            raise Invalid(
                "The environment of this service is not known here as a whole, so nothing can be added to it: choose one "
                "on Deploy."
            )
        changed = with_variables(with_packages(document, packages), variables or {})
        name = start.environment.name if start.environment else ""
        values |= _environment_of(EnvironmentRef(name=name, document=changed))
    load({**values, "changing": service if desk.webservices.find(service) else None, "filled": why})
    put("start", ("service", service))


def say_why() -> None:
    """Say what was filled in for somebody, until the draft is another one."""
    if why := get("filled"):
        st.info(f"Filled in, and not launched yet. {operation_words.escaped(why)}", icon=":material/healing:")


def clear() -> None:
    """Start over with an empty draft; for a callback."""
    load(_empty())
    start_from(None)


def start_from(start: tuple[str, str] | None) -> None:
    """Say in the address what the draft started from; nothing there is read again."""
    for name in STARTS:
        st.query_params.pop(name, None)
    if start:
        st.query_params[start[0]] = start[1]
    put("start", start)


def load(values: Mapping[str, Any]) -> None:
    """Replace the draft."""
    for name, value in {**_empty(), **values}.items():
        put(name, value)
    for name in secret_names():
        st.session_state.pop(key(name), None)


def of(wanted: Wanted) -> dict[str, Any]:
    """The draft that asks for this."""
    tags = dict(wanted.tags)
    values: dict[str, Any] = {
        "models": list(wanted.model_ids),
        "target": wanted.target,
        "compute": wanted.compute,
        "service": wanted.service,
        "application": tags.pop("application", "") or None,
        "stage": tags.pop("stage", "") or None,
        "tags": _lines(tags),
        "description": wanted.description,
        "properties": _lines(wanted.properties),
        "anonymous": wanted.anonymous_confirmed,
        **_code_of(wanted.code),
        **_environment_of(wanted.environment),
    }
    for field in for_target(wanted.target):
        if not field.secret:
            values[field.name] = _shown(field, wanted.configuration.get(field.name))
    return values


def wanted() -> tuple[Wanted, list[Problem]]:
    """What the draft asks for, and what of it cannot be read."""
    problems: list[Problem] = []
    tags = _pairs("tags", problems)
    for name in ("stage", "application"):
        if get(name):
            tags = {name: str(get(name)).strip(), **tags}
    target: Target = get("target")
    for name in ("primary_key", "secondary_key"):
        problems += check_own_key(get(name) or "", field=name)
    if target == "ACI":
        certificate, certificate_key = get("ssl_cert_pem_file") or "", get("ssl_key_pem_file") or ""
        host = (get("ssl_cname") or "").strip()
        problems += check_certificate(certificate, certificate_key, host, now=context.now())
    asked = Wanted(
        service=(get("service") or "").strip(),
        target=target,
        compute=get("compute") if target == "AKS" else None,
        model_ids=tuple(get("models")),
        code=_chosen_code(problems),
        environment=_environment(problems),
        configuration=configuration(target),
        tags=tags,
        description=(get("description") or "").strip(),
        properties=_pairs("properties", problems),
        anonymous_confirmed=bool(get("anonymous")),
    )
    return asked, problems


def configuration(target: Target) -> dict[str, Any]:
    """The settings of the draft: what is unset, and what another setting rules out, is not in it."""
    scaled = bool(get("autoscale_enabled"))
    usual = form_defaults(target)
    found: dict[str, Any] = {}
    for field in for_target(target):
        value = get(field.name)
        if field.secret:
            value = SEALED if value else None
        elif (field.name == "num_replicas" and scaled) or (is_scaler_field(field.name) and not scaled):
            continue
        elif field.kind == "text":
            value = (value or "").strip()
        elif field.kind == "bool" and value == field.default and field.name not in usual:
            continue
        if value is not None and value != "":
            found[field.name] = value
    return found


def secrets() -> dict[str, str]:
    """What was typed as a secret, for the one call that seals it."""
    target: Target = get("target")
    return {
        name: st.session_state[key(name)]
        for name in secret_names()
        if st.session_state.get(key(name)) and find(name, target=target)
    }


def forget_secrets() -> None:
    """Empty the fields of secrets, after they were sealed; for a callback."""
    for name in secret_names():
        if key(name) in st.session_state:
            st.session_state[key(name)] = ""


def secret_names() -> list[str]:
    """The fields whose values are never kept."""
    return [field.name for field in FIELDS if field.secret]


def code() -> CodeRef | None:
    """The code of the draft."""
    source = get("code_from")
    if source == "running":
        return CodeRef(source="service", entry_script=get("entry") or "", service=get("code_of") or "")
    if source == "upload" and get("upload"):
        upload = get("upload")
        return CodeRef(source="upload", entry_script=get("entry") or "", sha256=upload["sha256"], name=upload["name"])
    if source == "earlier":
        found = (bundle.wanted.code for _, bundle in context.services().deployments.earlier_code())
        return next((code for code in found if code and code.sha256 == get("earlier")), None)
    return None


def _chosen_code(problems: list[Problem]) -> CodeRef | None:
    """The code, or a place for it while it is still to be chosen: that is not the same as none."""
    chosen = code()
    if chosen is None and get("code_from") != "none":
        sentence = "Upload the folder of the entry script, or choose code that was deployed before."
        problems.append(Problem(field="code", sentence=sentence))
        return CodeRef(source="upload", entry_script="score.py")
    return chosen


def _say_in_address(start: tuple[str, str]) -> None:
    try:
        st.query_params[start[0]] = start[1]
    except StreamlitAPIException:
        # A filter of the screen just left has this name until the end of this run: the next one says it.
        return


def _empty() -> dict[str, Any]:
    values = dict(EMPTY)
    for field in FIELDS:
        if not field.secret:
            values[field.name] = _shown(field, field.ours)
    return values


def _shown(field: Field, value: Any) -> Any:
    """A setting as its widget holds it: unset is an empty field, and a switch stands as Azure's default has it."""
    if field.kind == "bool":
        return bool(field.default if value is None else value)
    if field.kind == "float" and value is not None:
        return float(value)
    return "" if field.kind == "text" and value is None else value


def _from_model(model_id: str) -> None:
    chosen = context.services().registry.get(model_id)
    values = {"models": [model_id]}
    if chosen.model.framework in ("ScikitLearn", "Onnx"):
        values["code_from"] = "none"  # type: ignore[assignment]
    load(values)


def _from_service(name: str) -> None:
    load({**of(context.services().deployments.wanted_now(name)), "changing": name})


def _from_copy(name: str) -> None:
    load(of(context.services().deployments.copy_of(name)))


def _code_of(code: CodeRef | None) -> dict[str, Any]:
    if code is None:
        return {"code_from": "none"}
    if code.source == "service":
        return {"code_from": "running", "code_of": code.service, "entry": code.entry_script}
    return {
        "code_from": "upload",
        "upload": {"sha256": code.sha256, "name": code.name},
        "entry": code.entry_script,
    }


def _environment_of(environment: EnvironmentRef | None) -> dict[str, Any]:
    if environment is None:
        return {}
    if environment.document is None:
        return {"environment_from": "registered", "environment": environment.words}
    conda = (environment.document.get("python") or {}).get("condaDependencies") or {}
    return {
        "environment_from": "file",
        "environment_name": environment.name,
        "environment_kind": "conda",
        "environment_text": yaml.safe_dump(dict(conda), sort_keys=False),
        "variables": _lines(environment.document.get("environmentVariables") or {}),
    }


def _document(wanted: Wanted, service: str) -> Mapping[str, Any] | None:
    """The whole document of an environment, from where it can be deployed again; None when nobody has all of it."""
    chosen, desk = wanted.environment, context.services()
    if chosen is None or chosen.document is not None:
        return chosen.document if chosen else None
    for listed in desk.webservices.environments():
        if (listed.name, listed.version) == (chosen.name, chosen.version):
            return listed.document
    bundle, live = desk.deployments.bundle(service), desk.webservices.find(service)
    kept = bundle.wanted.environment if bundle else None
    documents = (
        kept.document if kept and kept.name == chosen.name else None,
        live.service.environment if live and live.service.environment_name == chosen.name else None,
    )
    # What was scrubbed can be read and compared, and not deployed from.
    return next((found for found in documents if found and HIDDEN not in json.dumps(found)), None)


def _environment(problems: list[Problem]) -> EnvironmentRef | None:
    if get("code_from") == "none":
        return None
    if get("environment_from") == "registered":
        name, _, version = (get("environment") or "").rpartition(":")
        chosen = get("environment")
        if not chosen:
            return None
        return EnvironmentRef(name=name, version=version) if name else EnvironmentRef(name=chosen)
    text = (get("environment_text") or "").strip()
    if not text:
        return None
    make = environments.from_conda if get("environment_kind") == "conda" else environments.from_requirements
    name = (get("environment_name") or "").strip() or f"{(get('service') or 'service').strip()}-env"
    try:
        return EnvironmentRef(name=name, document=make(text, name=name, variables=_pairs("variables", problems)))
    except Invalid as error:
        problems.append(Problem(field="environment", sentence=error.sentence))
        return None


def _pairs(name: str, problems: list[Problem]) -> dict[str, str]:
    """What stands as `name=value`, one a line."""
    found: dict[str, str] = {}
    for line in (get(name) or "").splitlines():
        if not line.strip():
            continue
        part, mark, value = line.partition("=")
        if not mark or not part.strip():
            sentence = f"Write one name=value a line; {line.strip()[:40]!r} is not."
            problems.append(Problem(field=name, sentence=sentence))
        elif part.strip() in found:
            problems.append(Problem(field=name, sentence=f"{part.strip()} stands here twice: keep one."))
        else:
            found[part.strip()] = value.strip()
    return found


def _lines(pairs: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in pairs.items())
