"""Rules about who may call a service and how it is reached: keys, tokens, TLS, encryption, network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.azureml.fields import Target, defaults
from services.azureml.types import Service
from services.planning.names import check_dns_label, check_namespace
from services.planning.problems import Problem

TLS = ("ssl_cert_pem_file", "ssl_key_pem_file", "ssl_cname")
CUSTOMER_KEY = ("cmk_vault_base_url", "cmk_key_name", "cmk_key_version")
LABELS = {
    "ssl_cert_pem_file": "the certificate",
    "ssl_key_pem_file": "its key",
    "ssl_cname": "the host name",
    "cmk_vault_base_url": "the key vault's address",
    "cmk_key_name": "the key's name",
    "cmk_key_version": "the key's version",
}


def check(
    asked: Mapping[str, Any], *, target: Target, live: Service | None, anonymous_confirmed: bool
) -> list[Problem]:
    """Return what is wrong between fields of access, TLS and network."""
    return [
        *_authentication(asked, target=target, live=live, anonymous_confirmed=anonymous_confirmed),
        *_keys(asked, live),
        *_tls(asked, live),
        *_encryption(asked),
        *_network(asked),
    ]


def is_anonymous(configuration: Mapping[str, Any], *, target: Target) -> bool:
    """Whether anyone who knows the address may call, with Azure's defaults for what is unset."""
    usual = defaults(target)
    key = configuration.get("auth_enabled")
    token = configuration.get("token_auth_enabled")
    return not (usual.get("auth_enabled") if key is None else key) and not token


def check_own_key(value: str, *, field: str = "primary_key") -> list[Problem]:
    """Check a key somebody typed, before it is sealed: it must fit into a header and be worth something."""
    if not value:
        return []
    if not value.isascii() or not value.isprintable() or " " in value:
        sentence = "A key goes into a header: use printable ASCII characters without spaces."
        return [Problem(field=field, sentence=sentence)]
    if len(value) < 16:
        return [Problem(field=field, sentence="A key of fewer than 16 characters can be guessed: make it longer.")]
    return []


def _authentication(
    asked: Mapping[str, Any], *, target: Target, live: Service | None, anonymous_confirmed: bool
) -> list[Problem]:
    token = asked.get("token_auth_enabled")
    if token and asked.get("auth_enabled"):
        sentence = "A service takes keys or tokens, not both: turn one of them off."
        return [Problem(field="token_auth_enabled", sentence=sentence)]
    if token and "auth_enabled" not in asked:
        sentence = "Tokens need key authentication turned off explicitly, because AKS turns it on by default."
        return [Problem(field="auth_enabled", sentence=sentence)]
    if not is_anonymous(asked, target=target):
        return []
    where = "auth_enabled"
    if live and live.auth == "none":
        sentence = "Anyone who knows the address can call this service, as now: turn authentication on to secure it."
        return [Problem(field=where, sentence=sentence, severity="warning")]
    if anonymous_confirmed:
        sentence = "Anyone who knows the address will be able to call this service."
        return [Problem(field=where, sentence=sentence, severity="warning")]
    sentence = (
        "Without authentication anyone who knows the address can call this service: "
        "turn it on, or confirm in the second step that it shall be open."
    )
    return [Problem(field=where, sentence=sentence)]


def _keys(asked: Mapping[str, Any], live: Service | None) -> list[Problem]:
    own = [name for name in ("primary_key", "secondary_key") if name in asked]
    problems = []
    if live:
        for name in own:
            sentence = "A running service keeps its keys: set a key of your own under Access, one slot at a time."
            problems.append(Problem(field=name, sentence=sentence))
    elif own == ["secondary_key"]:
        sentence = "A secondary key is only sent together with a primary one: give both, or neither."
        problems.append(Problem(field="secondary_key", sentence=sentence))
    elif own and not asked.get("auth_enabled", True):
        sentence = "Keys of your own mean nothing while key authentication is off: turn it on, or clear them."
        problems.append(Problem(field="primary_key", sentence=sentence, severity="warning"))
    return problems


def _tls(asked: Mapping[str, Any], live: Service | None) -> list[Problem]:
    given = [name for name in TLS if name in asked]
    if asked.get("ssl_enabled"):
        # A running service with TLS has its certificate already, and the wire never shows it to us.
        has_already = bool(live and live.configuration.get("ssl_enabled"))
        if has_already and given in ([], ["ssl_cname"]):
            return []
        return _all_or_none(TLS, given, "TLS needs", required=True)
    if given:
        sentence = "A certificate and a host name are not sent while TLS is off: turn it on, or clear them."
        return [Problem(field="ssl_enabled", sentence=sentence)]
    return []


def _encryption(asked: Mapping[str, Any]) -> list[Problem]:
    given = [name for name in CUSTOMER_KEY if name in asked]
    problems = _all_or_none(CUSTOMER_KEY, given, "Encryption with a key of your own needs", required=False)
    address = str(asked.get("cmk_vault_base_url", ""))
    if address and not address.startswith("https://"):
        sentence = "The key vault's address starts with https://, for example https://my-vault.vault.azure.net/."
        problems.append(Problem(field="cmk_vault_base_url", sentence=sentence))
    return problems


def _all_or_none(names: Sequence[str], given: Sequence[str], opening: str, *, required: bool) -> list[Problem]:
    missing = [name for name in names if name not in given]
    if not missing or (not given and not required):
        return []
    everything = ", ".join(LABELS[name] for name in names[:-1]) + " and " + LABELS[names[-1]]
    return [
        Problem(field=name, sentence=f"{opening} {everything}, all three: add {LABELS[name]}, or clear the others.")
        for name in missing
    ]


def _network(asked: Mapping[str, Any]) -> list[Problem]:
    problems = []
    if "vnet_name" in asked or "subnet_name" in asked:
        sentence = "Azure does not support a container instance in a virtual network here: use AKS for that."
        problems.append(Problem(field="vnet_name", sentence=sentence))
    if "namespace" in asked:
        problems += check_namespace(asked["namespace"])
    if "dns_name_label" in asked:
        problems += check_dns_label(asked["dns_name_label"])
    return problems
