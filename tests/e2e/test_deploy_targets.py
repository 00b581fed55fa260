"""Deploying in a real browser, to every target: without code, on a cluster, open to anyone, with secrets of one's own."""

from __future__ import annotations

import io
import json
import re
import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import pytest
import sklearn
import uv
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from playwright.sync_api import expect
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from services.azureml.computes import create_aks
from services.azureml.credentials import for_worker
from services.azureml.fields import form_defaults
from services.azureml.gateway import open_gateway
from services.files import CODE_LIMIT, MODEL_LIMIT
from services.planning.environments import from_requirements
from services.planning.wanted import CodeRef, EnvironmentRef, Wanted
from tests.e2e.browsing import visiting
from tests.e2e.service_maker import OPERATOR, make_service, open_desk
from tests.e2e.stack import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from services.bootstrap import Desk
    from tests.e2e.browsing import Visit
    from tests.e2e.conftest import OpenVisit
    from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

CLUSTER = "targets"
ENDS = 240_000
HOST = "codes.example.org"
PRIMARY, SECONDARY = "canary-own-primary-of-targets", "canary-own-secondary-of-targets"
ADDS = "import json\n\ndef init():\n    pass\n\ndef run(data):\n    return {'sum': sum(json.loads(data)['data'])}\n"
RAISES = ADDS.replace("    pass", "    raise RuntimeError('the weights are of another year')")
LACKS = "import nowhere_to_be_found\n" + ADDS


@pytest.fixture(scope="module")
def desk(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The services beside the screens, with a cluster of one node and a model version of each kind."""
    folder = tmp_path_factory.mktemp("models")
    rows, labels = load_iris(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(rows, labels), folder / "petals.joblib")
    with open_desk(stack) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        gateway = open_gateway(for_worker(opened.settings))
        create_aks(gateway.access, CLUSTER, nodes=1, vm_size="Standard_D3_v2", purpose="DevTest")
        gateway.close()
        register(opened, "petals", folder / "petals.joblib", framework="ScikitLearn", version=sklearn.__version__)
        register(opened, "flowers", shipped_onnx(folder), framework="Onnx", version="")
        (folder / "plain.bin").write_bytes(b"weights")
        register(opened, "plain", folder / "plain.bin", framework="Custom", version="")
        until(lambda: opened.registry.page(name="plain").total, what="the model versions are listed", seconds=60)
        until(
            lambda: [found for found in opened.webservices.computes() if found.name == CLUSTER and found.nodes == 1],
            what="the cluster is listed",
            seconds=60,
        )
        yield opened


def shipped_onnx(folder: Path) -> Path:
    """The model that the onnxruntime package ships; the package itself does not run here."""
    target = folder / "packages"
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--target", str(target), "onnxruntime"]
    subprocess.run(command, check=True, timeout=300)
    return target / "onnxruntime" / "datasets" / "logreg_iris.onnx"


def register(desk: Desk, name: str, path: Path, *, framework: str, version: str) -> None:
    kept = desk.files.keep(
        io.BytesIO(path.read_bytes()), name=path.name, purpose="model", by=OPERATOR, limit=MODEL_LIMIT
    )
    operation = desk.registry.register(OPERATOR, name=name, upload=kept, framework=framework, framework_version=version)
    until(lambda: desk.operations.get(operation).state == "succeeded", what=f"{name} is registered", seconds=60)


def zipped(folder: Path, script: str, *, name: str = "code.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("score.py", script)
    return path


def pair(*, host: str = HOST, days: int = 365) -> tuple[str, str]:
    """A certificate of one's own and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), private.decode()


def fill(window: Visit, label: str, text: str) -> None:
    """Type into a field and leave it."""
    field = window.page.get_by_role("textbox", name=label, exact=True)
    field.fill(text)
    field.press("Tab")
    window.settle()


def choose(window: Visit, label: str) -> None:
    window.page.get_by_role("radio", name=label).click()
    window.settle()


def switch(window: Visit, label: str) -> None:
    window.page.get_by_test_id("stCheckbox").filter(has_text=label).locator("label").first.click()
    window.settle()


def launch(window: Visit) -> str:
    """Launch, and return the address of the operation."""
    button = window.page.get_by_test_id("stBaseButton-primary")
    expect(button).to_be_enabled()
    button.click()
    window.page.wait_for_url("**operation=**")
    window.settle()
    return window.page.url.removeprefix(window.url)


def ask(desk: Desk, name: str, body: Any, *, secret: str = "") -> tuple[int, Any]:
    """One raw request, as a client sends it: status and answer."""
    uri = str(until(lambda: desk.webservices.find(name), what=f"{name} is listed").service.scoring_uri)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    try:
        with urllib.request.urlopen(
            urllib.request.Request(uri, data=json.dumps(body).encode(), headers=headers), timeout=20
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, None


def succeeded(window: Visit, desk: Desk, name: str) -> None:
    """Wait until the screen says so, and until the lists know."""
    expect(window.page.get_by_text("succeeded").first).to_be_visible(timeout=ENDS)
    expect(window.page.get_by_text("Azure has everything as it was asked")).to_be_visible()
    until(lambda: desk.webservices.find(name), what=f"{name} is listed")


def test_scikit_learn_without_code_runs_on_a_cluster_and_takes_tokens(visit: OpenVisit, desk: Desk) -> None:
    window = visit("/deploy?model=petals:1", identity="operator")
    choose(window, "AKS: replicas on a cluster, for production")
    # The only cluster there is is chosen, and the rules know it at once.
    expect(window.page.get_by_text("This dev-test cluster has 1 node")).to_be_visible()
    expect(window.page.get_by_text("Choose the AKS cluster")).to_have_count(0)
    fill(window, "Service name", "petals-prod")
    switch(window, "Token authentication")
    expect(window.page.get_by_text("keys or tokens, not both").first).to_be_visible()
    expect(window.page.get_by_test_id("stBaseButton-primary")).to_have_count(0)
    switch(window, "Key authentication")
    expect(window.page.get_by_text("Create petals-prod on AKS")).to_be_visible()
    window.page.get_by_text("The same in code").click()
    expect(window.page.get_by_text("token_auth_enabled=True")).to_be_visible()

    launch(window)
    succeeded(window, desk, "petals-prod")

    token = desk.gateway.mms.token("petals-prod").token
    flowers = {"data": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], "method": "predict"}
    assert ask(desk, "petals-prod", flowers, secret=token) == (200, {"predict": [0, 2]})
    assert ask(desk, "petals-prod", flowers)[0] == 401


def test_onnx_without_code_is_open_to_anyone_only_after_a_second_step(
    visit: OpenVisit, desk: Desk, stack: Stack, browser: Browser
) -> None:
    with visiting(browser, stack.url) as window:
        window.be("operator")
        window.open("/deploy?model=flowers:1")
        fill(window, "Service name", "flowers-open")
        switch(window, "Key authentication")
        expect(window.page.get_by_text("confirm in the second step").first).to_be_visible()
        expect(window.page.get_by_test_id("stBaseButton-primary")).to_have_count(0)
        switch(window, "Yes, anyone who knows the address")
        expect(window.page.get_by_text("Anyone who knows the address will be able to call").first).to_be_visible()
        address = launch(window)
    # The browser is closed here, with all that it knew; another one goes on from the address alone.

    later = visit(address, identity="viewer")
    succeeded(later, desk, "flowers-open")
    flowers = {"data": {"float_input": [[5.1, 3.5], [6.2, 2.9], [1.0, 9.0]]}}
    status, answer = ask(desk, "flowers-open", flowers)
    assert (status, len(answer["label"])) == (200, 3)
    assert all(0 <= value <= 1 for value in answer["probabilities"][0].values())
    assert desk.webservices.get("flowers-open").service.auth == "none"


def test_what_does_not_start_is_mended_from_its_log_and_serves_in_the_end(
    visit: OpenVisit, desk: Desk, tmp_path: Path
) -> None:
    raising = launched(desk, "raising", zipped(tmp_path, RAISES, name="raises.zip"))
    window = visit("/deploy?model=plain:1", identity="operator")
    upload = window.page.locator(".st-key-deploy-file input[type=file]")
    upload.set_input_files(zipped(tmp_path, LACKS, name="lacks.zip"))
    choose(window, "From a conda or pip file")
    choose(window, "pip (requirements)")
    fill(window, "Packages", "azureml-defaults")
    fill(window, "Name of the environment", "sums")
    fill(window, "Service name", "mended")
    # It is said before, and may be launched all the same: another package might bring it.
    expect(window.page.get_by_text("does not name nowhere-to-be-found")).to_be_visible()
    launch(window)
    failed_with(window, "No module named 'nowhere_to_be_found'")

    window.page.get_by_role("button", name="Change and launch again").click()
    expect(window.page.get_by_text("changing mended")).to_be_visible()
    window.settle()
    upload.set_input_files(zipped(tmp_path, ADDS, name="adds.zip"))
    expect(window.page.get_by_text("adds.zip: 1 file,")).to_be_visible()
    launch(window)

    succeeded(window, desk, "mended")
    key = desk.gateway.mms.keys("mended").primary
    assert ask(desk, "mended", {"data": [1, 2]}, secret=key) == (200, {"sum": 3})

    window.open(f"/deploy?operation={raising}")
    failed_with(window, "the weights are of another year")


def failed_with(window: Visit, words: str) -> None:
    """The screen names the phase that failed, and the container's own words stand in its log."""
    expect(window.page.get_by_text("It failed at")).to_be_visible(timeout=ENDS)
    expect(window.page.get_by_text("starting the service").first).to_be_visible()
    expect(window.page.get_by_test_id("stExpander").filter(has_text="Log,")).to_contain_text(words)


def launched(desk: Desk, name: str, code: Path) -> str:
    """The same by the public services, beside the browser: the operation's id."""
    kept = desk.files.keep(io.BytesIO(code.read_bytes()), name=code.name, purpose="code", by=OPERATOR, limit=CODE_LIMIT)
    wanted = Wanted(
        service=name,
        target="ACI",
        model_ids=("plain:1",),
        code=CodeRef(source="upload", entry_script="score.py", sha256=kept.sha256, name=kept.name),
        environment=EnvironmentRef(name="sums", document=from_requirements("azureml-defaults", name="sums")),
        configuration=form_defaults("ACI"),
    )
    return desk.deployments.launch(OPERATOR, wanted, based_on=desk.deployments.plan(wanted).based_on)


def test_code_of_an_earlier_deployment_gets_keys_and_a_certificate_of_ones_own(
    visit: OpenVisit, desk: Desk, stack: Stack
) -> None:
    make_service(desk, "earlier")
    certificate, key = pair()
    window = visit("/deploy?model=plain:1", identity="operator")
    choose(window, "From an earlier deployment")
    expect(window.page.get_by_role("combobox", name="Deployed before")).to_have_value(
        re.compile("score.zip · score.py · earlier")
    )
    choose(window, "From a conda or pip file")
    choose(window, "pip (requirements)")
    fill(window, "Packages", "azureml-defaults")
    fill(window, "Name of the environment", "sums")
    fill(window, "Service name", "codes-dev")
    fill(window, "Secondary key", SECONDARY)
    expect(window.page.get_by_text("only sent together with a primary one").first).to_be_visible()
    fill(window, "Primary key", PRIMARY)
    window.page.get_by_text("TLS and encryption").click()
    switch(window, "TLS")
    fill(window, "Host name", HOST)
    fill(window, "Certificate (PEM)", certificate)
    fill(window, "Certificate key (PEM)", pair()[1])
    expect(window.page.get_by_text("This key is not the certificate's").first).to_be_visible()
    fill(window, "Certificate key (PEM)", key)
    expect(window.page.get_by_text("Create codes-dev on ACI")).to_be_visible()

    launch(window)
    succeeded(window, desk, "codes-dev")

    for secret in (PRIMARY, SECONDARY):
        assert ask(desk, "codes-dev", {"data": [2, 3]}, secret=secret) == (200, {"sum": 5})
    configuration = desk.webservices.get("codes-dev").service.configuration
    assert (configuration["ssl_enabled"], configuration["ssl_cname"]) == (True, HOST)
    kept = b"".join(path.read_bytes() for path in Path(stack.environment["DESK_DATA"]).glob("ledger.sqlite3*"))
    assert HOST.encode() in kept
    assert not [secret for secret in (PRIMARY, SECONDARY, *key.splitlines()[1:-1]) if secret.encode() in kept]
