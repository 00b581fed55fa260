"""What is known of how services fail, as data: what each failure looks like, its cause, its remedy, and what helps.

The texts are those of Azure's troubleshooting guide and of the inference server's own log; the codes are those the
caller sees. `classifier.py` matches them. The more particular stand before the more general, which they hide.
Words in braces are filled in: named groups of a pattern, or a fact that the classifier works out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from services.monitoring.code_map import DIED, RAN_OUT, SCRIPT_RAISED, SOFT

Source = Literal["azure", "container"]
"""Who wrote a text: Azure (the error of a service or operation, its log), or the container (its log, its init's)."""

Remedy = Literal[
    "raise replicas",
    "raise timeout",
    "raise container timeout",
    "raise worker timeout",
    "raise memory",
    "ask for less",
    "add package",
    "mend environment",
    "mend certificate",
    "roll back",
    "renew keys",
    "wait",
    "see failures",
    "see model files",
    "none",
]
"""What the button of a cause does; `none` has words alone."""

ANYWHERE: frozenset[Source] = frozenset({"azure", "container"})
AZURE: frozenset[Source] = frozenset({"azure"})
CONTAINER: frozenset[Source] = frozenset({"container"})


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One known failure."""

    id: str
    title: str
    cause: str
    remedy: str
    does: Remedy
    label: str = ""
    """What stands on the button."""
    texts: tuple[re.Pattern[str], ...] = ()
    """Any of them in a text of one of `sources` is enough."""
    sources: frozenset[Source] = ANYWHERE
    codes: tuple[int, ...] = ()
    """Answers that callers saw; or in the words of `failures` where a code alone does not tell."""
    failures: tuple[str, ...] = ()
    at_least: int = 1
    """How many such answers make it more than noise; of our own probes and tests one is enough."""
    fact: str = ""
    """Something else that shows it; the classifier knows how to look for it."""
    hides: frozenset[str] = frozenset()
    """What is only another sight of the same failure."""


def _texts(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)


SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="missing-package",
        title="A package is missing: {module}",
        cause="The script imports {module}, and nothing in its environment brings it. The container ends before it can "
        "answer.",
        remedy="Add the package {package} to the environment and deploy again. If {module} is a file of your own, upload "
        "it beside the entry script instead.",
        does="add package",
        label="Add {package} and deploy",
        # A traceback's last line, or Azure's quotation of it; not a sentence in which somebody mentions it.
        texts=_texts(
            r"^(?:\d{4}-\d\d-\d\d[^\n]{0,80}?)?ModuleNotFoundError: No module named '(?P<module>[\w.]+)'",
            r"Error in entry script, ModuleNotFoundError: No module named '(?P<module>[\w.]+)'",
        ),
        hides=frozenset({"init-raised", "out-of-memory", "timed-out", "run-raised", "no-replica"}),
    ),
    Signature(
        id="model-path",
        title="The model is not where the script looks for it",
        cause="The script asks for a model by a name or path that is not in this deployment: {said}",
        remedy="Compare the path with the tree of AZUREML_MODEL_DIR, which the init container's log and the model's own "
        "page show, and with the name the model is registered under. Then correct the script or the model.",
        does="see model files",
        label="See the model's files",
        texts=_texts(
            r"(?P<said>Model \S+ not found in cache at \S+ or in current working directory [^\s,]+)",
            r"(?P<said>Expected model path does not exist: [^\n]{1,300})",
            r"(?P<said>Model/Version \S+ not found in workspace)",
            r"(?P<said>FileNotFoundError: \[Errno 2\] No such file or directory: '[^'\n]*azureml-models[^'\n]*')",
        ),
        hides=frozenset({"init-raised", "out-of-memory", "timed-out", "run-raised", "no-replica"}),
    ),
    Signature(
        id="build-killed",
        title="The build of the environment ran out of memory",
        cause="A process of the image's build was ended with SIGKILL: the machine that builds has too little memory for "
        "these packages.",
        remedy="Build on a larger machine (the workspace's image build compute), or ask for fewer or smaller packages.",
        does="mend environment",
        label="Change the environment",
        texts=_texts(r"\bdied with <Signals\.SIGKILL: 9>"),
        sources=AZURE,
        hides=frozenset({"build-failed", "out-of-memory"}),
    ),
    Signature(
        id="build-failed",
        title="The environment could not be built{about_package}",
        cause="The package list cannot be installed as it is written: {said}",
        remedy="Correct the package list and deploy again; what runs now is not touched by a build.",
        does="mend environment",
        label="Correct the packages",
        texts=_texts(
            r"(?P<said>No matching distribution found for (?P<wrong>[\w.\-\[\]]+)[^\n]{0,120})",
            r"The environment could not be built because of the package '(?P<wrong>[^'\n]+)': (?P<said>[^\n]{1,240})",
            r"(?P<said>Failed building the Environment\. [^\n]{1,240})",
            r"(?P<said>ResolvePackageNotFound[^\n]{0,120})",
        ),
        sources=AZURE,
    ),
    Signature(
        id="certificate",
        title="The certificate does not fit",
        cause="The container in front of the service, azureml-fe-aci, ends at its start: as a rule the TLS certificate and "
        "its key do not belong together, or are not whole PEM files.",
        remedy="Give the certificate (with its chain) and its key anew, both as PEM, and deploy again.",
        does="mend certificate",
        label="Give them anew",
        texts=_texts(
            r"azureml-fe-aci\b[^\n]{0,200}(?:CrashLoopBackOff|[Cc]rash|[Tt]erminated|exit(?:ed)? (?:with )?code)",
            r"(?:CrashLoopBackOff|[Cc]rash|[Tt]erminated)[^\n]{0,120}\bazureml-fe-aci\b",
        ),
        hides=frozenset({"init-raised", "timed-out", "no-replica"}),
    ),
    Signature(
        id="no-room",
        title="The cluster has no room",
        cause="No node has what a replica asks for{lacking}. Azure goes on trying for as long as the service exists.",
        remedy="Add nodes, choose larger ones, or ask for less: {proposal}",
        does="ask for less",
        label="Ask for less",
        texts=_texts(
            r"Couldn't Schedule because the kubernetes cluster didn't have available resources",
            r"\b\d+/\d+ nodes are available: [^\n]*\bInsufficient (?P<lack>cpu|memory|nvidia\.com/gpu)",
        ),
        sources=AZURE,
        fact="unschedulable",
        hides=frozenset({"timed-out", "queue-full", "no-replica", "init-raised"}),
    ),
    Signature(
        id="storage-driver",
        title="The cluster's storage driver changed",
        cause="The models cannot be mounted: after an upgrade of the cluster the blobfuse driver that this service was "
        "deployed with is not there any more.",
        remedy="Deploy it again as it is: the new deployment takes the driver the cluster has now.",
        does="roll back",
        label="Deploy it again",
        texts=_texts(
            r"MountVolume\.\w+ failed for volume [^\n]*\bblobfuse",
            r"\bblobfuse\b[^\n]{0,120}(?:driver (?:not found|name [^\n]{0,60}not found)|executable (?:file )?not found)",
        ),
        hides=frozenset({"init-raised", "timed-out", "no-replica"}),
    ),
    Signature(
        id="two-scalers",
        title="Kubernetes scales it too",
        cause="A HorizontalPodAutoscaler acts on this deployment. Two scalers fight: azureml-fe adds replicas, the other "
        "one takes them away.",
        remedy="Remove the HorizontalPodAutoscaler (kubectl delete hpa …): azureml-fe alone scales models.",
        does="none",
        texts=_texts(
            r"\bhorizontal-pod-autoscaler\b[^\n]{0,160}\b(?:New size|rescaled|ScalingReplicaSet)",
            r"\bSuccessfulRescale\b",
        ),
    ),
    Signature(
        id="attached-twice",
        title="The cluster is attached twice",
        cause="The same AKS cluster is attached as {computes}. The second attachment breaks the first one's front end.",
        remedy="Detach one of them, then attach the cluster once, and deploy the services again.",
        does="none",
        fact="attached twice",
    ),
    Signature(
        id="worker-timeout",
        title="A call took longer than the server allows",
        cause="gunicorn ended a worker that was at one call for longer than WORKER_TIMEOUT, {worker_timeout} s here. The "
        "caller got no answer.",
        remedy="Make run() faster, or give it longer with the environment variable WORKER_TIMEOUT.",
        does="raise worker timeout",
        label="Set WORKER_TIMEOUT to {worker_timeout_proposed}",
        texts=_texts(r"\bWORKER TIMEOUT \(pid:\s*\d+\)"),
        sources=CONTAINER,
        hides=frozenset({"out-of-memory", "replica-died"}),
    ),
    Signature(
        id="container-timeout",
        title="run() ran out of time in the container",
        cause="The container itself ended calls that took longer than SCORING_TIMEOUT_MS{container_timeout}. The caller "
        "sees 504, telemetry a 500 of the container.",
        remedy="Look for an endless loop first. If the calls need the time, raise the limit: {proposal}",
        does="raise container timeout",
        label="Raise the limit",
        texts=_texts(r"\bScoring timeout after (?P<limit>\d+) ms\b", r"^[\w.]*UserScriptTimeout\b"),
        failures=(RAN_OUT,),
        hides=frozenset({"scoring-timeout", "out-of-memory"}),
    ),
    Signature(
        id="scoring-timeout",
        title="Calls take longer than the scoring timeout",
        cause="The front end gave up on {count} after scoring_timeout_ms, {scoring_timeout} ms here, and answered 504. The "
        "script may be slow, or hang.",
        remedy="Look for an endless loop or a slow dependency first. If the calls need the time, raise the timeout: "
        "{proposal}",
        does="raise timeout",
        label="Raise the timeout",
        codes=(504,),
        hides=frozenset({"out-of-memory"}),
    ),
    Signature(
        id="out-of-memory",
        title="The container has too little memory",
        cause="Its workers are killed and started again: as a rule they want more than the {memory} GB they may have.",
        remedy="Raise memory_gb: {proposal}",
        does="raise memory",
        label="Raise the memory",
        texts=_texts(
            r"Worker \(pid:\s*\d+\) was sent SIGKILL! Perhaps out of memory\?",
            r"\bOOMKilled\b",
        ),
        fact="workers begin again and again",
        hides=frozenset({"replica-died", "init-raised", "no-replica"}),
    ),
    Signature(
        id="init-raised",
        title="The container ends before it can answer",
        cause="The entry script cannot be imported, or its init() raises{said}. The container is started again and again.",
        remedy="Read the container's log, rehearse the deployment locally, and mend the script. Until then go back to what "
        "worked.",
        does="roll back",
        texts=_texts(
            r"Error in entry script, (?P<error>[^\n]{1,300}?)(?:, please run print|$)",
            r"Your container application crashed\. This may be caused by errors in your scoring file's init\(\)",
            r"(?:AciDeploymentFailed|KubernetesDeploymentFailed)\b[^\n]*(?:\n[^\n]*){0,6}\bCrashLoopBackOff\b",
        ),
        sources=AZURE,
        hides=frozenset({"no-replica"}),
    ),
    Signature(
        id="timed-out",
        title="Azure stopped waiting, not trying",
        cause="The operation ran out of time while the service was still starting: a slow image build, a slow pull, or a "
        "slow init(). The service is {state} now and may still become healthy.",
        remedy="Keep watching: nothing has to be sent again. If it happens often, make the image smaller or the container "
        "registry's tier higher.",
        does="wait",
        label="Watch it",
        texts=_texts(r"\bDeploymentTimedOut\b", r"The deployment operation polling has TimedOut"),
        sources=AZURE,
    ),
    Signature(
        id="operation-running",
        title="Another operation is in the way",
        cause="Azure ML runs one operation on a service at a time and answers 409 to the next{whose}.",
        remedy="Wait until it has ended: what waits behind it goes on by itself.",
        does="wait",
        label="See what runs",
        texts=_texts(
            r"another operation on it is still running in Azure ML",
            r"\b(?:409|Conflict)\b[^\n]{0,120}\boperation (?:is |was )?(?:already |currently )?(?:in progress|running)",
        ),
        sources=AZURE,
    ),
    Signature(
        id="run-raised",
        title="The script raises in run()",
        cause="{count} ended in an exception of run(): the container answered 500, the caller saw 502 with the header "
        "x-ms-run-function-failed.{exception}",
        remedy="Open the exception to see where and since which deployment, reproduce it locally, or go back to what ran "
        "before.",
        does="see failures",
        label="See the failures",
        # As the server logs it; an init() that raises ends in the same class, but not in handle_score.
        texts=_texts(r"in handle_score\n(?:[^\n]*\n){1,8}?[\w.]*UserScriptException: Caught an unhandled exception"),
        sources=CONTAINER,
        failures=(SCRIPT_RAISED,),
    ),
    Signature(
        id="replica-died",
        title="A replica ends while it works",
        cause="{count} got 502 without an answer of the script: the container ended or could not be reached.",
        remedy="The container's log says why it ended. If nothing is written there, it was killed: look at its memory.",
        does="raise memory",
        label="Raise the memory",
        failures=(DIED,),
    ),
    Signature(
        id="queue-full",
        title="Bursts find no free replica",
        cause="{count} waited longer than max_request_wait_time ({queue_wait} ms) for a free replica and got 503. The "
        "scaler follows gradual change only: it adds replicas within a second, but they start slowly.",
        remedy="{proposal}",
        does="raise replicas",
        label="Raise the replicas",
        codes=(503,),
        at_least=3,
    ),
    Signature(
        id="no-replica",
        title="No replica answers",
        cause="The service is {state} and no replica of it answers; callers get 503.",
        remedy="Find out why it does not start, in the container's log or in Azure's own words; until then go back to what "
        "worked.",
        does="roll back",
        texts=_texts(r"No replica answers its liveness probe"),
        sources=AZURE,
        fact="503 without a replica",
    ),
    Signature(
        id="key-refused",
        title="Callers use a key or token that does not hold",
        cause="{count} got 401: a key that was renewed or mistyped, or a token that has expired.",
        remedy="See on Access which slot the callers use, and hand them the present key; the wizard renews keys without an "
        "interruption.",
        does="renew keys",
        label="Open the keys",
        codes=(401,),
        at_least=5,
    ),
    Signature(
        id="too-large",
        title="Calls are larger than the front end takes",
        cause="{count} had a body above 100 MB and got 413.",
        remedy="Send the data in several smaller calls, or hand over an address from which the script reads it.",
        does="none",
        codes=(413,),
    ),
    Signature(
        id="says-error",
        title="Successes whose body is an error",
        cause="{count} were answered with 200, yet their body speaks of an error: run() catches its own exceptions and "
        "returns them.",
        remedy="See what the bodies say. Let run() raise, or answer with a code of its own, so that callers notice.",
        does="see failures",
        label="See the failures",
        failures=(SOFT,),
        at_least=5,
    ),
)
