"""The Deploy screen: what it starts from, what it says of what was typed, and what it never keeps."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from services import code_uploads
from services.access import ANONYMOUS_VIEWER, LOCAL_OPERATOR
from services.errors import Forbidden, Invalid
from services.inventory import Inventory
from services.planning.wanted import CodeRef, Wanted, digest
from services.storage import ledger

if TYPE_CHECKING:
    from azureml.core import Workspace
    from streamlit.testing.v1 import AppTest

    from services.bootstrap import Desk
    from tests.pages.conftest import OpenPage

SCORE = "import os\n\ndef init():\n    os.environ['AZUREML_MODEL_DIR']\n\ndef run(data):\n    return data\n"
KEY = "canary-own-key-0123456789"


def zipped(files: dict[str, str]) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    packed.seek(0)
    return packed


@pytest.fixture(scope="session")
def registered(sdk_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A scikit-learn and a custom model version in the workspace: their ids."""
    from azureml.core import Model

    file: Path = tmp_path_factory.mktemp("models") / "model.pkl"
    file.write_bytes(b"not a pickle, and nobody loads it")
    with pytest.MonkeyPatch.context() as patch:
        # The SDK only takes files from below the current folder.
        patch.chdir(file.parent)
        sklearn = Model.register(
            sdk_workspace, file.name, "deploy-ridge", model_framework="ScikitLearn", model_framework_version="1.5.2"
        )
        custom = Model.register(sdk_workspace, file.name, "deploy-custom")
    return {"sklearn": sklearn.id, "custom": custom.id}


@pytest.fixture
def models(desk: Desk, registered: dict[str, str]) -> dict[str, str]:
    """The same in the desk's lists."""
    inventory = Inventory(
        desk.databases[1],
        desk.gateway.mms,
        environments=desk.gateway.mms.environments,
        model_bytes=lambda model_id: None,
        workspace=desk.workspace,
        clock=desk.clock,
    )
    inventory.sweep_models()
    return registered


def texts(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(str(part.value) for part in (*page.markdown, *page.info, *page.caption))


def ready(open_page: OpenPage, models: dict[str, str], *, identity: str = "operator") -> AppTest:
    page = open_page("deploy", identity=identity, model=models["sklearn"])
    return page.text_input(key="deploy-service").set_value("ridge-dev").run()


def test_an_empty_workspace_is_told_where_models_come_from(open_page: OpenPage) -> None:
    page = open_page("deploy", identity="operator")

    assert "register one first" in texts(page)
    assert "what is missing is filled in" in page.info[0].value
    assert "deploy-launch" not in {button.key for button in page.button}


def test_an_address_with_a_model_chooses_it_and_needs_no_code_for_scikit_learn(
    open_page: OpenPage, models: dict[str, str]
) -> None:
    page = open_page("deploy", identity="operator", model=models["sklearn"])

    assert page.multiselect(key="deploy-models").value == [models["sklearn"]]
    assert "also without code" in texts(page).replace("\\", "")
    assert page.session_state["deploy-code_from"] == "none"
    assert page.toggle(key="deploy-auth_enabled").value
    assert page.toggle(key="deploy-enable_app_insights").value


@pytest.mark.parametrize(("start", "value"), [("model", "gone:7"), ("service", "gone"), ("copy", "gone")])
def test_what_an_address_names_and_is_gone_is_said(open_page: OpenPage, start: str, value: str) -> None:
    page = open_page("deploy", identity="operator", **{start: value})

    assert "may have been deleted meanwhile" in page.warning[0].value


def test_an_operation_that_is_not_there_is_said(open_page: OpenPage) -> None:
    page = open_page("deploy", identity="operator", operation="0" * 32)

    assert "no operation" in page.warning[0].value


def test_a_broken_rule_is_said_beside_its_field(open_page: OpenPage, models: dict[str, str]) -> None:
    page = open_page("deploy", identity="operator", model=models["sklearn"])

    page.text_input(key="deploy-service").set_value("Ridge_Dev").run()
    page.number_input(key="deploy-cpu_cores").set_value(9.0).run()

    said = texts(page)
    assert said.count("A service name starts with a small letter") == 2
    assert "at most 4 cores" in said


def test_the_plan_and_the_same_in_code_come_when_nothing_is_missing(
    open_page: OpenPage, models: dict[str, str]
) -> None:
    page = ready(open_page, models)

    assert "Create ridge\\-dev on ACI" in texts(page)
    rows = page.dataframe[0].value
    assert dict(zip(rows["what"], rows["after"], strict=True))["Key authentication"] == "on"
    assert "AciWebservice.deploy_configuration(" in page.code[0].value
    assert not page.button(key="deploy-launch").disabled


def test_a_viewer_sees_the_plan_and_may_not_launch(open_page: OpenPage, models: dict[str, str]) -> None:
    page = ready(open_page, models, identity="viewer")

    assert page.button(key="deploy-launch").disabled
    assert "role operator" in page.button(key="deploy-launch").help


def test_a_launch_without_a_worker_is_refused_in_words_and_keeps_the_form(
    open_page: OpenPage, models: dict[str, str]
) -> None:
    page = ready(open_page, models)

    page.button(key="deploy-launch").click().run()

    assert any("worker" in error.value and "start it" in error.value for error in page.error)
    assert page.text_input(key="deploy-service").value == "ridge-dev"


def test_an_endpoint_without_authentication_takes_a_second_step(open_page: OpenPage, models: dict[str, str]) -> None:
    page = ready(open_page, models)

    page.toggle(key="deploy-auth_enabled").set_value(False).run()

    assert "confirm in the second step" in texts(page)
    assert "deploy-launch" not in {button.key for button in page.button}

    page.checkbox(key="deploy-anonymous").check().run()

    assert "will be able to call this service" in texts(page)
    assert not page.button(key="deploy-launch").disabled

    page.toggle(key="deploy-auth_enabled").set_value(True).run()
    page.toggle(key="deploy-auth_enabled").set_value(False).run()

    assert not page.checkbox(key="deploy-anonymous").value


def test_the_fields_are_those_of_the_target(open_page: OpenPage, models: dict[str, str]) -> None:
    page = ready(open_page, models)
    assert "deploy-autoscale_min_replicas" not in {field.key for field in page.number_input}

    page.session_state["deploy-target"] = "AKS"
    page.run()

    assert "deploy-autoscale_min_replicas" in {field.key for field in page.number_input}
    assert "No AKS cluster is attached" in texts(page)
    assert "wire `autoScaler.minReplicas`" in page.number_input(key="deploy-autoscale_min_replicas").help

    page.toggle(key="deploy-autoscale_enabled").set_value(False).run()

    assert "deploy-num_replicas" in {field.key for field in page.number_input}
    assert "the number of replicas must be said" in texts(page)


def test_a_draft_outlives_a_refresh_and_another_screen(open_page: OpenPage, models: dict[str, str]) -> None:
    page = ready(open_page, models)
    page.number_input(key="deploy-memory_gb").set_value(3.0).run()
    page.text_area(key="deploy-tags").set_value("team=forecasting").run()

    page.run()
    page.switch_page("../pages/models.py").run()
    page.switch_page("../pages/deploy.py").run()

    assert page.text_input(key="deploy-service").value == "ridge-dev"
    assert page.number_input(key="deploy-memory_gb").value == 3.0
    assert page.text_area(key="deploy-tags").value == "team=forecasting"
    # The screen in between has a filter of the name `model`, which lets go of it after one more run.
    assert page.run().query_params["model"] == models["sklearn"]


def test_starting_over_empties_the_form(open_page: OpenPage, models: dict[str, str]) -> None:
    page = ready(open_page, models)

    page.button(key="deploy-clear").click().run()

    assert page.text_input(key="deploy-service").value == ""
    assert page.multiselect(key="deploy-models").value == []
    assert "model" not in page.query_params


def test_a_key_of_ones_own_is_in_no_plan_and_gone_with_the_screen(open_page: OpenPage, models: dict[str, str]) -> None:
    page = ready(open_page, models)

    page.text_input(key="deploy-primary_key").set_value(KEY).run()

    assert 'primary_key=os.environ["PRIMARY_KEY"]' in page.code[0].value
    assert KEY not in texts(page) + page.code[0].value

    page.switch_page("../pages/models.py").run()

    assert "deploy-primary_key" not in page.session_state


def test_a_key_too_short_is_refused_beside_its_field(open_page: OpenPage, models: dict[str, str]) -> None:
    page = ready(open_page, models)

    page.text_input(key="deploy-primary_key").set_value("short").run()

    assert "can be guessed" in texts(page)
    assert "deploy-launch" not in {button.key for button in page.button}


def test_code_with_a_file_environment_is_linted(open_page: OpenPage, desk: Desk, models: dict[str, str]) -> None:
    upload = code_uploads.keep(
        desk.files, zipped({"score.py": "import pandas\n" + SCORE}), name="code.zip", by=LOCAL_OPERATOR
    )
    page = open_page("deploy", identity="operator", model=models["custom"])
    page.session_state["deploy-upload"] = {"sha256": upload.sha256, "name": upload.name}
    page.session_state["deploy-environment_from"] = "file"
    page.session_state["deploy-environment_kind"] = "pip"
    page.run()
    page.text_area(key="deploy-environment_text").set_value("scikit-learn==1.5.2").run()

    said = texts(page).replace("\\", "")
    assert page.selectbox(key="deploy-entry").value == "score.py"
    assert "azureml-defaults is missing" in said
    assert "the environment does not name pandas" in said

    page.text_area(key="deploy-environment_text").set_value("-r other.txt").run()

    assert "points to another file" in texts(page).replace("\\", "")


def test_equal_code_is_one_file_however_it_was_packed(desk: Desk) -> None:
    plain = code_uploads.keep(desk.files, zipped({"score.py": SCORE}), name="a.zip", by=LOCAL_OPERATOR)
    folded = code_uploads.keep(desk.files, zipped({"project/score.py": SCORE}), name="b.zip", by=LOCAL_OPERATOR)

    assert plain.sha256 == folded.sha256
    assert plain.scripts == folded.scripts == ("score.py",)


def test_a_folder_within_the_source_folder_stays_one(desk: Desk) -> None:
    kept = code_uploads.keep(desk.files, zipped({"project/src/score.py": SCORE}), name="a.zip", by=LOCAL_OPERATOR)

    assert kept.scripts == ("src/score.py",)
    assert code_uploads.look(desk.files, kept.sha256, name="a.zip").scripts == ("src/score.py",)


def test_code_that_is_no_archive_or_from_a_viewer_is_refused(desk: Desk) -> None:
    with pytest.raises(Invalid, match="neither a zip nor a tar"):
        code_uploads.keep(desk.files, io.BytesIO(b"hello"), name="a.zip", by=LOCAL_OPERATOR)
    with pytest.raises(Forbidden):
        code_uploads.keep(desk.files, zipped({"score.py": SCORE}), name="a.zip", by=ANONYMOUS_VIEWER)


def test_code_of_an_earlier_deployment_stays_chosen_as_time_goes_by(
    open_page: OpenPage, desk: Desk, models: dict[str, str]
) -> None:
    upload = code_uploads.keep(desk.files, zipped({"score.py": SCORE}), name="earlier.zip", by=LOCAL_OPERATOR)
    code = CodeRef(source="upload", entry_script="score.py", sha256=upload.sha256, name=upload.name)
    deployed = Wanted(service="earlier-dev", target="ACI", model_ids=(models["custom"],), code=code)
    with desk.databases[0].writing() as work:
        work.execute(
            sa.insert(ledger.bundles).values(
                workspace=desk.workspace,
                operation="an-earlier-deployment",
                service=deployed.service,
                sha256=digest(deployed.to_json()),
                content=deployed.to_json(),
                created_at=desk.clock.now() - timedelta(minutes=5),
            )
        )
    page = open_page("deploy", identity="operator", model=models["custom"])
    page.session_state["deploy-code_from"] = "earlier"
    page.run()

    offered = page.selectbox(key="deploy-earlier")
    assert offered.value == upload.sha256
    assert "Upload the folder of the entry script" not in texts(page)
    assert "ago" not in offered.options[0]
    assert offered.options[0].startswith("earlier.zip · score.py · earlier-dev, ")
