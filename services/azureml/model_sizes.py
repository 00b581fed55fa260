"""How large a model version's files are, when it was registered elsewhere: Azure ML's own list does not say."""

from __future__ import annotations

from urllib.parse import quote

import httpx2

from services.azureml.gateway import Gateway
from services.azureml.types import ModelVersion
from services.errors import DeskError

ASSET = "aml://asset/"
HEAD_SECONDS = 5.0
MOST_FILES = 200


def model_bytes(gateway: Gateway, model: ModelVersion) -> int | None:
    """The sum of the version's files in bytes; None when the storage does not say."""
    if not (model.url or "").startswith(ASSET):
        return None
    doing, wire = f"read the size of {model.id}", gateway.mms.wire
    try:
        asset_id = quote((model.url or "").removeprefix(ASSET), safe="")
        asset = wire.read(wire.mms(f"assets/{asset_id}"), doing=doing).json()
        addresses = [
            address for artifact in asset.get("artifacts") or () for address in _addresses(gateway, artifact, doing)
        ]
    except DeskError:
        return None
    if not addresses or len(addresses) > MOST_FILES:
        return None
    sizes = [_size(address) for address in addresses]
    return None if any(size is None for size in sizes) else sum(size for size in sizes if size is not None)


def _addresses(gateway: Gateway, artifact: dict[str, str], doing: str) -> list[str]:
    one, prefix = artifact.get("id"), artifact.get("prefix")
    path = f"contentinfo/{one}" if one else f"prefix/contentinfo/{prefix}"
    wire = gateway.mms.wire
    url = f"{wire.base('history')}/artifact/v2.0{gateway.access.coordinates().path}/artifacts/{path}"
    document = wire.read(url, doing=doing).json()
    return [entry["contentUri"] for entry in document.get("value", [document]) if entry.get("contentUri")]


def _size(address: str) -> int | None:
    """The address carries its own signature: a token of ours beside it would be refused."""
    try:
        answer = httpx2.head(address, timeout=HEAD_SECONDS, follow_redirects=True)
    except httpx2.HTTPError:
        return None
    length = answer.headers.get("content-length")
    return int(length) if answer.status_code == 200 and length else None
