"""The rules of names, tags and properties: what Azure takes, and what would break a list later."""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.planning.problems import Problem

SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
MODEL_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
COMPUTE_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{1,22}[a-zA-Z0-9]")
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_name(name: str) -> list[Problem]:
    """Check the name of a service."""
    if not name:
        return [Problem(field="service", sentence="A service needs a name.")]
    if not 3 <= len(name) <= 32:
        sentence = f"A service name has 3 to 32 characters; this one has {len(name)}."
        return [Problem(field="service", sentence=sentence)]
    if not SERVICE_NAME.fullmatch(name):
        sentence = (
            "A service name starts with a small letter, goes on with small letters, digits and hyphens, "
            "and does not end with a hyphen."
        )
        return [Problem(field="service", sentence=sentence)]
    return []


def check_model_name(name: str) -> list[Problem]:
    """Check the name a model is registered under."""
    if not name:
        return [Problem(field="name", sentence="A model needs a name.")]
    if len(name) > 255:
        return [Problem(field="name", sentence=f"A model name has at most 255 characters; this one has {len(name)}.")]
    if not MODEL_NAME.fullmatch(name):
        sentence = "A model name starts with a letter or digit and goes on with letters, digits, hyphens, dots and underscores."
        return [Problem(field="name", sentence=sentence)]
    return []


def check_compute_name(name: str) -> list[Problem]:
    """Check the name of an AKS compute target."""
    if COMPUTE_NAME.fullmatch(name):
        return []
    sentence = (
        "A compute name has 3 to 24 letters, digits and hyphens, starting with a letter; choose one from the list."
    )
    return [Problem(field="compute", sentence=sentence)]


def check_namespace(namespace: str) -> list[Problem]:
    """Check a Kubernetes namespace."""
    if NAMESPACE.fullmatch(namespace):
        return []
    sentence = "A Kubernetes namespace has at most 63 small letters, digits and hyphens, with no hyphen at either end."
    return [Problem(field="namespace", sentence=sentence)]


def check_dns_label(label: str) -> list[Problem]:
    """Check the first part of a container instance's address."""
    if not DNS_LABEL.fullmatch(label):
        sentence = "A DNS name label has at most 63 small letters, digits and hyphens, with no hyphen at either end."
        return [Problem(field="dns_name_label", sentence=sentence)]
    if len(label) < 5:
        sentence = "Azure may refuse a DNS name label of fewer than 5 characters, and short ones are mostly taken."
        return [Problem(field="dns_name_label", sentence=sentence, severity="warning")]
    return []


def check_tags(tags: Mapping[str, str], *, field: str = "tags") -> list[Problem]:
    """Check tags: what holds a comma or an equals sign can be stored, but never be filtered by."""
    problems = []
    for key, value in tags.items():
        if not key.strip():
            problems.append(
                Problem(field=field, sentence=f"The tag with the value {value!r} has no name: give it one.")
            )
        elif key.startswith("desk-"):
            sentence = f"The tag {key} is the desk's own: names that start with desk- are kept for it."
            problems.append(Problem(field=field, sentence=sentence))
        elif any(mark in part for part in (key, str(value)) for mark in ",="):
            sentence = (
                f"The tag {key} holds a comma or an equals sign, so lists cannot be filtered by it: write it without."
            )
            problems.append(Problem(field=field, sentence=sentence, severity="warning"))
    return problems


def check_properties(
    properties: Mapping[str, str], *, live: Mapping[str, str] | None = None, field: str = "properties"
) -> list[Problem]:
    """Check properties: they can be added but not changed, and their names go unescaped into a patch path."""
    problems = []
    for key, value in properties.items():
        if live and live.get(key) == value:
            continue
        if not key.strip():
            problems.append(Problem(field=field, sentence=f"The property with the value {value!r} has no name."))
        elif "/" in key or "~" in key:
            sentence = f"The property {key} holds / or ~, which the SDK cannot send: choose another name."
            problems.append(Problem(field=field, sentence=sentence))
        elif live and key in live and live[key] != value:
            sentence = (
                f"The property {key} is already {live[key]!r} and cannot be changed: "
                "add one under another name, or use a tag."
            )
            problems.append(Problem(field=field, sentence=sentence))
    for key in sorted(set(live or {}) - set(properties)):
        sentence = f"The property {key} cannot be taken away by an update: it stays."
        problems.append(Problem(field=field, sentence=sentence, severity="warning"))
    return problems
