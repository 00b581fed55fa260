"""Error bodies and states of deployments that go wrong, in Azure's words as far as they are known."""

from __future__ import annotations

from .interface import ComputeType, Failure

LOGS_HINT = "please run print(service.get_logs()) to get details."
NO_CAPACITY = (
    "Couldn't Schedule because the kubernetes cluster didn't have available resources after trying for 00:05:00"
)
NO_NODES = "0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory."


def build_failed(sentence: str, *, package: str) -> Failure:
    """The environment could not be built."""
    return Failure(
        code="EnvironmentBuildFailed",
        status_code=400,
        message=f"Failed building the Environment. {sentence}",
        details=((package or "EnvironmentBuildFailed", sentence),),
    )


def crashed(compute_type: ComputeType, *, cause: str) -> Failure:
    """The container ends each time it is started."""
    if cause:
        why = f"Error in entry script, {cause}, {LOGS_HINT}"
    else:
        why = (
            "Your container application crashed. This may be caused by errors in your scoring file's init() function. "
            + LOGS_HINT[0].upper()
            + LOGS_HINT[1:]
        )
    return Failure(
        code="AciDeploymentFailed" if compute_type == "ACI" else "KubernetesDeploymentFailed",
        status_code=400,
        message=f"{'Aci' if compute_type == 'ACI' else 'Kubernetes'} Deployment failed with exception: {why}",
        details=(("CrashLoopBackOff", why),),
    )


def front_end_crashed(*, reason: str) -> Failure:
    """The container that answers TLS in front of an ACI service ends each time it is started."""
    why = f"Container azureml-fe-aci crashed: the provided SSL certificate or key is invalid: {reason}."
    return Failure(
        code="AciDeploymentFailed",
        status_code=400,
        message=f"Aci Deployment failed with exception: {why}",
        details=(("CrashLoopBackOff", why),),
    )


def timed_out(*, seconds: float) -> Failure:
    """The operation ran out of time; the service goes on trying."""
    return Failure(
        code="DeploymentTimedOut",
        status_code=504,
        message=(
            "The deployment operation polling has TimedOut. The service creation is taking longer than our normal time. "
            "We are still trying to achieve the desired state for the web service. Please check the webservice state "
            "for the current webservice health. You can run print(service.state) from the python SDK to retrieve the "
            "current state of the webservice."
        ),
        details=(("DeploymentTimedOut", f"No healthy replica set within {seconds:.0f} s."),),
    )


def unschedulable(compute_type: ComputeType, *, lack: str) -> Failure:
    """There is no room for a replica."""
    return Failure(
        code="AciDeploymentFailed" if compute_type == "ACI" else "KubernetesDeploymentFailed",
        status_code=400,
        message=NO_CAPACITY,
        details=(("Unschedulable", lack or NO_NODES),),
    )


def unhealthy(*, cause: str) -> Failure:
    """No replica answers any more."""
    why = f"Error in entry script, {cause}, {LOGS_HINT}" if cause else "No replica answers its liveness probe."
    return Failure(code="ReplicasNotAvailable", status_code=503, message=why, details=(("CrashLoopBackOff", why),))
