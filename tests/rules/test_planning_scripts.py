"""The script lint, the equal SDK code and the snippets."""

from __future__ import annotations

import ast
import json
import subprocess
import textwrap
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Invalid
from services.planning import environments
from services.planning.lint import lint
from services.planning.plan import plan
from services.planning.sdk_code import code_for, create_code
from services.planning.snippets import app_name, client_request_id, snippets
from services.planning.wanted import SEALED, CodeRef, EnvironmentRef, Wanted, from_service
from tests.rules.sdk_signatures import arguments, create_arguments, update_arguments
from tests.rules.test_planning_plan import ACI, AKS, asked

ENVIRONMENT = environments.from_requirements("azureml-defaults==1.62.0\nscikit-learn==1.9\n", name="e")
GOOD = """
import json
import os

import joblib
import numpy as np
from azureml.contrib.services.aml_response import AMLResponse

import features

model = None


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))


def run(raw_data):
    try:
        data = json.loads(raw_data)["data"]
    except ValueError as error:
        return AMLResponse(str(error), 400)
    return {"predict": model.predict(features.prepare(np.array(data))).tolist()}
"""


def remarks(tmp_path, source, *, entry="score.py", environment=ENVIRONMENT, **more):
    (tmp_path / "score.py").write_text(textwrap.dedent(source))
    (tmp_path / "features.py").write_text("import numpy\n\n\ndef prepare(data):\n    return data\n")
    return lint(tmp_path, entry, environment=environment, **more)


def test_a_good_script_has_no_remarks(tmp_path):
    assert remarks(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("source", "rule", "line", "severity"),
    [
        ("def init(:\n", "syntax", 1, "error"),
        ("def run(data):\n    return 1\n", "contract", 0, "error"),
        ("def init():\n    pass\n", "contract", 0, "error"),
        ("def init(x):\n    pass\ndef run(data):\n    return 1\n", "contract", 1, "error"),
        ("def init():\n    pass\ndef run():\n    return 1\n", "contract", 3, "error"),
        ("def init():\n    pass\ndef run(a, b):\n    return 1\n", "contract", 3, "error"),
        ("def init():\n    pass\nasync def run(data):\n    return 1\n", "contract", 3, "error"),
        (GOOD.replace("import joblib", "import torch"), "import", 5, "warning"),
        (GOOD.replace("AMLResponse(str(error), 400)", "str(error)"), "errors-as-200", 23, "warning"),
        (GOOD.replace(", 400)", ", 200)"), "errors-as-200", 23, "warning"),
        (GOOD.replace('"predict"', '"error"'), "errors-as-200", 24, "warning"),
        (GOOD.replace("AZUREML_MODEL_DIR", "MODELS"), "model-path", 0, "warning"),
        (GOOD + "\npassword = 'correct-horse-battery'\n", "secret", 26, "warning"),
        (GOOD + "\nROOT = '/var/azureml-app/azureml-models'\n", "model-path", 26, "warning"),
    ],
)
def test_what_goes_wrong_in_a_container_is_told_with_its_line(tmp_path, source, rule, line, severity):
    found = [(remark.rule, remark.line, remark.severity) for remark in remarks(tmp_path, source)]

    assert (rule, line, severity) in found


def test_an_import_of_a_local_module_is_followed(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "deep.py").write_text("import torch\n")

    found = remarks(tmp_path, GOOD.replace("import features", "import features\nfrom pkg import deep"))

    assert [(remark.file, remark.rule) for remark in found] == [("pkg/deep.py", "import")]


def test_an_import_the_script_can_miss_is_no_remark(tmp_path):
    source = GOOD.replace(
        "import features", "import features\ntry:\n    import torch\nexcept ImportError:\n    torch = None"
    )

    assert remarks(tmp_path, source) == []


def test_a_script_without_models_need_not_ask_for_them(tmp_path):
    source = "def init():\n    pass\ndef run(data):\n    return data\n"

    assert remarks(tmp_path, source, has_models=False) == []


@pytest.mark.parametrize("entry", ["missing.py", "score.txt", "../score.py"])
def test_an_entry_script_has_to_be_there(tmp_path, entry):
    assert [remark.rule for remark in remarks(tmp_path, GOOD, entry=entry)] == ["entry"]


def test_nothing_of_an_upload_is_run(tmp_path):
    remarks(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n" + GOOD)

    assert not (tmp_path / "ran").exists()


@given(source=st.text(max_size=200))
def test_any_text_can_be_linted(tmp_path_factory, source):
    folder = tmp_path_factory.mktemp("code")
    (folder / "score.py").write_bytes(source.encode("utf-8", "surrogatepass"))

    assert all(remark.file == "score.py" for remark in lint(folder, "score.py", environment=ENVIRONMENT))


def calls(source):
    """Function name → keywords of every call in a piece of code."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found.setdefault(name, []).append({keyword.arg: keyword.value for keyword in node.keywords})
    return found


@pytest.mark.parametrize("live", [ACI, AKS])
def test_the_code_of_a_new_service_calls_the_sdk_by_its_own_names(live):
    wanted = replace(from_service(live), environment=EnvironmentRef(name="e", document=ENVIRONMENT))

    made = calls(create_code(wanted, overwrite=True))

    assert set(made["deploy_configuration"][0]) <= create_arguments(live.compute_type)
    assert set(made["deploy"][0]) <= arguments("core.model", "Model", "deploy")
    assert set(made["InferenceConfig"][0]) <= arguments("core.model", "InferenceConfig", "__init__")
    assert made["Model"] == [{"id": made["Model"][0]["id"]}]


def test_the_code_of_an_update_sends_what_the_plan_sends():
    wanted = asked(AKS, cpu_cores=2.0, cpu_cores_limit=3.0)

    made = calls(code_for(wanted, plan(AKS, wanted)))

    assert [set(call) for call in made["update"]] == [{"cpu_cores_limit"}, {"cpu_cores"}]
    assert set().union(*made["update"]) <= update_arguments("AKS")


def test_a_rollout_without_code_needs_no_inference_config():
    wanted = Wanted(service="iris-dev", target="ACI", model_ids=("iris:1",), configuration={"auth_enabled": True})

    source = create_code(wanted)

    assert "InferenceConfig" not in source
    assert "Environment" not in source
    ast.parse(source)


def test_no_secret_is_written_into_code():
    sealed = {"primary_key": SEALED, "secondary_key": SEALED, "auth_enabled": True}
    wanted = Wanted(service="iris-dev", target="ACI", model_ids=("iris:1",), configuration=sealed)

    source = create_code(wanted)

    assert SEALED not in source
    assert 'os.environ["PRIMARY_KEY"]' in source
    assert source.startswith("import os")


@given(
    text=st.text(max_size=30),
    tags=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3),
)
def test_whatever_a_person_types_is_a_literal_in_the_code(text, tags):
    wanted = Wanted(
        service="iris-dev",
        target="ACI",
        model_ids=(f"iris{text}:1",),
        code=CodeRef(source="upload", entry_script=f"{text}.py", sha256="0"),
        environment=EnvironmentRef(name=text, version="1"),
        tags=tags,
        description=text,
    )

    (configuration,) = calls(create_code(wanted))["deploy_configuration"]

    assert ast.literal_eval(configuration["tags"]) == tags if tags else "tags" not in configuration
    assert ast.literal_eval(configuration["description"]) == text if text else "description" not in configuration


@pytest.mark.parametrize(
    ("auth", "expected"),
    [("key", "SCORING_KEY"), ("token", "SCORING_TOKEN"), ("none", None), ("unknown", "SCORING_KEY")],
)
def test_snippets_name_the_secret_and_never_hold_it(auth, expected):
    made = snippets("http://127.0.0.1:6789/api/v1/service/wine/score", auth=auth, slot="secondary", app="shop")

    for text in (made.curl, made.python, made.csharp):
        assert ("Bearer" in text) is (expected is not None)
        assert (expected or "http") in text
        assert "shop_s_" in text
        assert "x-ms-client-request-id" in text
    ast.parse(made.python)


def test_the_curl_snippet_survives_a_shell_with_any_sample():
    sample = {"data": 'it\'s "quoted" $(false) `false`'}
    made = snippets("http://localhost:1/score", auth="none", sample=sample)

    script = 'curl() { for last; do :; done; printf %s "$last"; }\n' + made.curl
    out = subprocess.run(["bash", "-c", script], capture_output=True, check=True, text=True, timeout=20)

    assert json.loads(out.stdout) == sample


@pytest.mark.parametrize("address", ["", "ftp://x", "http://x/$(id)", "http://x/'\"", "http://x y"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(Invalid):
        snippets(address, auth="key")


def test_request_ids_say_who_called_with_which_key():
    made = client_request_id("shop", slot="secondary")

    assert len(made) <= 40
    assert made.startswith("shop_s_")
    assert len(client_request_id("a" * 25)) <= 40
    with pytest.raises(Invalid):
        client_request_id("a_b")


def test_a_caller_has_a_name_to_begin_with():
    assert app_name("diabetes-regression-production-eu") == "diabetes-regression-produ"
    assert client_request_id(app_name("wine"))
