"""Every kind of operation: who may start it and its steps. What a step does is in the module of its name."""

from __future__ import annotations

from services.operations import bundle, deploy, faults, keys, models, rehearse, remove, update
from services.operations.engine import Kind, StepOfKind


def _step(name: str, label: str, run: object) -> StepOfKind:
    return StepOfKind(name=name, label=label, run=run)  # type: ignore[arg-type]


_ALL = (
    Kind(
        name="service.deploy",
        command="service.deploy",
        subject_kind="service",
        steps=(
            _step("check", "Check that the plan still holds", deploy.check),
            _step("submit", "Send it to Azure", deploy.submit),
            _step("follow", "Build, start and become healthy", deploy.follow_it),
            _step("read_back", "Read back: asked, got", deploy.read_back),
            _step("bundle", "Keep the bundle", deploy.keep_bundle),
        ),
        receipt=deploy.receipt,
    ),
    Kind(
        name="service.update",
        command="service.update",
        subject_kind="service",
        steps=(
            _step("check", "Check that the plan still holds", update.check),
            _step("apply", "Send the change to Azure", update.apply),
            _step("follow", "Apply and become healthy", update.follow_it),
            _step("read_back", "Read back: asked, got", deploy.read_back),
            _step("bundle", "Keep the bundle", deploy.keep_bundle),
        ),
        receipt=update.receipt,
    ),
    Kind(
        name="service.bundle",
        command="service.bundle",
        subject_kind="bundle",
        steps=(
            _step("code", "Fetch the code it runs", bundle.fetch_code_back),
            _step("bundle", "Keep the bundle", bundle.keep_it),
        ),
        receipt=bundle.receipt,
    ),
    Kind(
        name="service.rehearse",
        command="service.rehearse",
        subject_kind="rehearsal",
        steps=(
            _step("start", "Start the rehearsal workspace", rehearse.start),
            _step("models", "Copy the models there", rehearse.copy_models),
            _step("submit", "Deploy it there", rehearse.submit),
            _step("follow", "Build, start and become healthy", rehearse.follow_it),
            _step("ask", "Send it a request", rehearse.ask),
        ),
        receipt=rehearse.receipt,
    ),
    Kind(
        name="service.delete",
        command="service.delete",
        subject_kind="service",
        steps=(
            _step("delete", "Delete it", remove.delete),
            _step("gone", "Wait until it is gone", remove.wait_until_gone),
        ),
        receipt=remove.receipt,
    ),
    Kind(
        name="keys.regenerate",
        command="keys.regenerate",
        subject_kind="service",
        steps=(
            _step("fingerprint", "Look at the key", keys.fingerprint),
            _step("replace", "Regenerate it", keys.regenerate),
            _step("prove", "Score with both keys", keys.prove),
        ),
        receipt=keys.receipt,
    ),
    Kind(
        name="keys.set",
        command="keys.set",
        subject_kind="service",
        steps=(
            _step("fingerprint", "Look at the key", keys.fingerprint),
            _step("replace", "Set the new value", keys.set_own),
            _step("prove", "Score with both keys", keys.prove),
        ),
        receipt=keys.receipt,
    ),
    Kind(
        name="keys.rotate_idle",
        command="keys.rotate",
        subject_kind="service",
        steps=(
            _step("fingerprint", "Look at the idle key", keys.fingerprint),
            _step("replace", "Regenerate the idle key", keys.regenerate),
            _step("prove", "Score with both keys", keys.prove),
            _step("wait", "Hand over to the clients", keys.first_leg_done),
        ),
        receipt=keys.receipt,
    ),
    Kind(
        name="keys.rotate_other",
        command="keys.rotate",
        subject_kind="service",
        steps=(
            _step("fingerprint", "Look at the key the clients left", keys.fingerprint),
            _step("replace", "Regenerate it and see the old one refused", keys.replace_and_prove),
            _step("prove", "Score with both keys", keys.prove),
            _step("done", "End the rotation", keys.second_leg_done),
        ),
        receipt=keys.receipt,
    ),
    Kind(
        name="model.register",
        command="model.register",
        subject_kind="model",
        steps=(_step("register", "Upload the files and register the version", models.register),),
        receipt=models.registered,
    ),
    Kind(
        name="model.edit",
        command="model.edit",
        subject_kind="model",
        steps=(
            _step("edit", "Write tags and description", models.edit),
            _step("read_back", "Read back: asked, got", models.read_back),
        ),
        receipt=models.edited,
    ),
    Kind(
        name="model.delete",
        command="model.delete",
        subject_kind="model",
        steps=(_step("delete", "Delete the version", models.delete),),
        receipt=models.deleted,
    ),
    Kind(
        name="model.download",
        command="model.download",
        subject_kind="model",
        steps=(_step("fetch", "Fetch the files", models.fetch),),
        receipt=models.fetched,
    ),
    Kind(
        name="environment.register",
        command="environment.register",
        subject_kind="environment",
        steps=(_step("register", "Register the environment", models.register_environment),),
        receipt=models.environment_registered,
    ),
    Kind(
        name="compute.create",
        command="compute.create",
        subject_kind="compute",
        steps=(_step("create", "Create the cluster", models.create_compute),),
        receipt=models.compute_created,
    ),
    Kind(
        name="fault.begin",
        command="fault.begin",
        subject_kind="fault",
        steps=(_step("begin", "Begin the fault", faults.begin),),
        receipt=faults.begun,
    ),
    Kind(
        name="fault.end",
        command="fault.end",
        subject_kind="fault",
        steps=(_step("end", "End the fault", faults.end),),
        receipt=faults.ended,
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
