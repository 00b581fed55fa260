"""One model version: what is known of it, where it runs, its other versions."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard import navigation, reads_models
from dashboard.ui import headings, models_list, tables, times
from dashboard.ui.operation_words import escaped
from services.azureml.types import ModelVersion, visible_tags
from services.planning.models import deployability
from services.registry import ListedModel

UNKNOWN = "not known"


def badges(found: ListedModel) -> None:
    """Show in one line what decides whether one wants this version."""
    judged = deployability(found.model)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if found.is_latest:
            st.badge("latest", icon=":material/new_releases:", color="blue", help="The newest version of its name.")
        st.badge(models_list.framework(found), icon=":material/category:", color="gray", help="Framework and version.")
        st.badge(
            judged.words,
            icon=":material/rocket_launch:" if judged.aci or judged.aks else ":material/block:",
            color="green" if judged.aci or judged.aks else "orange",
            help=" ".join(judged.remarks) or "Nothing speaks against it.",
        )
        count = len(found.deployed_in)
        st.badge(
            f"runs in {count} service{'s' if count != 1 else ''}" if count else "not deployed",
            icon=":material/dns:",
            color="gray",
        )


def facts(found: ListedModel) -> None:
    """Show all that is known of it."""
    model = found.model
    asker = reads_models.askers([model]).get(model.id)
    by = f"{asker}, through the desk" if asker else (model.created_by or UNKNOWN)
    if model.description:
        st.markdown(escaped(model.description))
    rows = {
        "Created": times.both(model.created_at),
        "By": by,
        "Changed": times.both(model.modified_at) if model.modified_at else UNKNOWN,
        "Size": size(found.size),
        "Run id": model.run_id or "none: it was registered outside a run",
        "Experiment": model.experiment or "none",
        "Resources wanted": _wants(model),
        "Datasets": ", ".join(str(dataset.get("id", dataset)) for dataset in model.datasets) or "none",
        "Files": model.url or UNKNOWN,
    }
    st.markdown(_lines(rows))
    _chips("Tags", model.tags, none="It has no tags.")
    _chips("Properties", model.properties, none="It has no properties.")
    for remark in deployability(model).remarks:
        st.caption(f":material/info: {escaped(remark)}")


def where(found: ListedModel) -> None:
    """Show the services that run it."""
    headings.section("Deployed in")
    if not found.deployed_in:
        st.caption("No service runs this version.")
    for service in found.deployed_in:
        navigation.link("service", service, icon=":material/dns:", name=service)


def versions(found: ListedModel) -> None:
    """Show the other versions of its name; one that is chosen is opened."""
    headings.section("Versions")
    listed = reads_models.versions(found.model.name)
    if len(listed) == 1:
        st.caption(f"This is the only version of {escaped(found.model.name)}.")
        return
    chosen = tables.choose(
        [
            {
                "version": row.model.version,
                "this": "this one" if row.model.id == found.model.id else "",
                "framework": models_list.framework(row),
                "deployed": list(row.deployed_in),
                "tags": models_list.pairs(row.model.tags),
                "created": row.model.created_at,
                "size": models_list.kilobytes(row.size),
            }
            for row in listed
        ],
        key=f"versions-{found.model.id}",
        alt=f"Versions of {found.model.name}, newest first",
        columns={
            "version": st.column_config.NumberColumn("Version", format="%d", width="small"),
            "this": tables.text("Shown", help="Which one this screen is about."),
            "framework": tables.text("Framework"),
            "deployed": tables.tags("Deployed in"),
            "tags": tables.tags(),
            "created": times.column("Created"),
            "size": tables.number("Size", unit="kB", decimals=1, help=models_list.SIZE_HELP),
        },
    )
    if chosen is not None and listed[chosen].model.id != found.model.id:
        navigation.go("model", id=listed[chosen].model.id)


def size(number: int | None) -> str:
    """A size in words: `1.2 MB`."""
    if number is None:
        return UNKNOWN
    amount, unit = float(number), "bytes"
    for larger in ("kB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{number:,} bytes" if unit == "bytes" else f"{amount:,.1f} {unit}"


def _wants(model: ModelVersion) -> str:
    parts = [
        f"{model.cpu:g} CPU" if model.cpu else "",
        f"{model.memory_gb:g} GB memory" if model.memory_gb else "",
        f"{model.gpu} GPU" if model.gpu else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing in particular"


def _lines(rows: Mapping[str, str]) -> str:
    """A fact a line; lines, not a table, because a long run id breaks in a line and makes a table wider than a phone."""
    return "  \n".join(f":gray[{name}:] {escaped(value)}" for name, value in rows.items())


def _chips(label: str, values: Mapping[str, str], *, none: str) -> None:
    shown = [f":gray-badge[{escaped(f'{key}={value}')}]" for key, value in sorted(visible_tags(values).items())]
    st.markdown(f"**{label}** " + (" ".join(shown) or f":gray[{none}]"))
