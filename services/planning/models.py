"""Whether a model version can be deployed here, and whether it can be without code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.azureml.types import ModelVersion
from services.planning.problems import Problem

GB = 1024**3
ACI_MODEL_BYTES = GB
"""A model on ACI must be smaller."""
NO_CODE_FRAMEWORKS = ("ScikitLearn", "Onnx", "TensorFlow", "Multi")
"""What the SDK lets through without an entry script."""
RUN_HERE = ("ScikitLearn", "Onnx")
"""Of those, what the desk offers: the local workspace runs these two."""


@dataclass(frozen=True, kw_only=True)
class Deployability:
    """What can be done with a model version."""

    model_id: str
    aci: bool
    aks: bool
    no_code: bool
    remarks: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The short answer shown beside the version."""
        if not (self.aci or self.aks):
            return "not deployable"
        targets = "ACI and AKS" if self.aci and self.aks else ("AKS only" if self.aks else "ACI only")
        return f"deployable to {targets}{', also without code' if self.no_code else ''}"


def deployability(model: ModelVersion) -> Deployability:
    """Judge one version: the registry is shared with v2, but only what v1 registered can become a v1 service."""
    remarks: list[str] = []
    from_v1 = is_v1(model)
    if not from_v1:
        remarks.append(
            "This version was not registered the v1 way, so a v1 web service cannot use it: register its files again."
        )
    small = not model.bytes or model.bytes < ACI_MODEL_BYTES
    if not small:
        remarks.append(f"With {(model.bytes or 0) / GB:.1f} GB it is too large for ACI, which takes models below 1 GB.")
    sentence = no_code_problem(model)
    if sentence:
        remarks.append(sentence)
    return Deployability(
        model_id=model.id, aci=from_v1 and small, aks=from_v1, no_code=from_v1 and not sentence, remarks=tuple(remarks)
    )


def is_v1(model: ModelVersion) -> bool:
    """Whether its files are an asset of the v1 registry; an unknown address gets the benefit of the doubt."""
    return not model.url or model.url.startswith("aml://asset/")


def no_code_problem(model: ModelVersion) -> str:
    """Return why this version needs an entry script, or nothing."""
    framework = model.framework or "Custom"
    if framework not in NO_CODE_FRAMEWORKS:
        return f"{model.id} has the framework {framework}: without code only scikit-learn and ONNX models run."
    if framework not in RUN_HERE:
        return f"{model.id} has the framework {framework}: Azure may run it without code, the desk offers it with code only."
    return ""


def check_models(models: Sequence[ModelVersion], *, target: str) -> list[Problem]:
    """Return which of the chosen versions cannot go to this target."""
    problems = []
    for model in models:
        judged = deployability(model)
        if not (judged.aci if target == "ACI" else judged.aks):
            problems.append(Problem(field="model_ids", sentence=f"{model.id}: {judged.remarks[0]}"))
    return problems
