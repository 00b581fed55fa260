"""From an environment document to a venv: what is translated, refused, shared and cleared away."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from local_workspace.scoring import requirements
from local_workspace.scoring.environments import Environments
from local_workspace.scoring.requirements import Requirements, Unbuildable
from tests.local_workspace.scoring_workbench import eventually

slow = pytest.mark.slow


def conda(*dependencies: Any, channels: tuple[str, ...] = ()) -> Requirements:
    return requirements.from_document(
        {"python": {"condaDependencies": {"channels": list(channels), "dependencies": list(dependencies)}}}
    )


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environments:
    monkeypatch.delenv("LOCAL_WORKSPACE_ENVIRONMENTS", raising=False)
    return Environments(tmp_path, limit_bytes=10**9)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy>=1.26,<2", "numpy>=1.26,<2"),
        ("numpy >=1.26, <2", "numpy>=1.26,<2"),
        ("numpy 1.26", "numpy==1.26.*"),
        ("conda-forge::scikit-learn=1.4", "scikit-learn==1.4.*"),
        ("numpy=1.26=py311_0", "numpy==1.26.*"),
        ("librosa", "librosa"),
    ],
)
def test_conda_specs_become_pypi_specs(spec: str, line: str) -> None:
    assert conda(spec).lines == (line,)


def test_what_cannot_be_honoured_is_said() -> None:
    found = conda(
        "python=3.8.13",
        "pip=20.2.4",
        "numpy=1.26=py38_0",
        {"pip": ["azureml-defaults", "# a comment"]},
        channels=("anaconda", "conda-forge"),
    )

    notes = "\n".join(found.notes)
    assert found.lines == ("numpy==1.26.*", "azureml-defaults")
    assert "Channels are ignored, packages come from PyPI: anaconda, conda-forge" in notes
    assert "python=3.8.13 cannot be honoured here" in notes
    assert "The conda build py38_0" in notes
    assert found.constraints == ("azureml-defaults>=1.60",)
    assert "Constraint applied" in notes


def test_a_pinned_azureml_defaults_is_left_alone() -> None:
    assert conda({"pip": ["azureml-defaults==1.55.0"]}).constraints == ()


def test_an_environment_without_the_inference_server_is_warned_about() -> None:
    assert any("will not find the inference server" in note for note in conda("numpy").notes)
    assert not any("WARNING" in note for note in conda({"pip": ["azureml-inference-server-http"]}).notes)


@pytest.mark.parametrize(
    "spec", ["pytorch=2.1", "cudatoolkit", "r-base", "libgcc-ng=9", "_libgcc_mutex=0.1", "gcc_linux-64"]
)
def test_a_conda_package_without_a_twin_is_refused_by_name(spec: str) -> None:
    with pytest.raises(Unbuildable) as refusal:
        conda(spec)
    assert refusal.value.package == spec.split("=")[0]
    assert f"'{refusal.value.package}' has no twin" in refusal.value.sentence


@pytest.mark.parametrize("line", ["-r more.txt", "-e .", "./mine", "/srv/wheel.whl"])
def test_a_file_among_the_pip_packages_is_refused(line: str) -> None:
    with pytest.raises(Unbuildable, match="names a file"):
        conda({"pip": [line]})


def test_an_environment_that_is_an_image_is_refused() -> None:
    with pytest.raises(Unbuildable, match="the image mcr/sklearn,"):
        requirements.from_document(
            {"python": {"userManagedDependencies": True}, "docker": {"baseImage": "mcr/sklearn"}}
        )
    with pytest.raises(Unbuildable, match="Dockerfile"):
        requirements.from_document({"docker": {"baseDockerfile": "FROM scratch"}})


def test_a_model_without_code_brings_its_framework_at_its_version() -> None:
    found = requirements.no_code([{"framework": "ScikitLearn", "frameworkVersion": "1.4.2"}])

    assert "scikit-learn==1.4.2" in found.lines
    assert any("not compared with Azure's" in note for note in found.notes)
    with pytest.raises(Unbuildable, match="TensorFlow"):
        requirements.no_code([{"framework": "TensorFlow"}])


@slow
def test_who_waited_to_build_what_another_got_ready_uses_it_at_once(environments: Environments) -> None:
    wanted = Requirements(lines=("six",))
    in_use = environments.obtain(wanted, line=lambda _: None, cancelled=threading.Event())
    ready = in_use.folder / "ready.json"
    kept = ready.read_text()
    # Both looked before either built: the second now waits for its turn to build, while the first has it in use.
    ready.unlink()
    waits, found = threading.Event(), []
    second = threading.Thread(
        target=lambda: found.append(
            environments.obtain(wanted, line=lambda _: waits.set(), cancelled=threading.Event())
        ),
        daemon=True,
    )
    second.start()
    assert waits.wait(10), "the second never began to wait"

    ready.write_text(kept)
    second.join(10)

    assert [each.folder for each in found] == [in_use.folder]
    for each in (in_use, *found):
        each.let_go()


@slow
def test_one_build_serves_all_who_ask_for_the_same(environments: Environments) -> None:
    wanted = Requirements(lines=("six",))
    lines: list[str] = []
    found: list[Any] = []

    def ask() -> None:
        found.append(environments.obtain(wanted, line=lines.append, cancelled=threading.Event()))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({each.folder for each in found}) == 1
    assert sum("Building environment" in line for line in lines) == 1
    assert found[0].python.exists()
    for each in found:
        each.let_go()


@slow
def test_a_package_that_is_not_there_fails_by_name_and_leaves_nothing(
    environments: Environments, tmp_path: Path
) -> None:
    wanted = Requirements(lines=("six", "there-is-no-such-package-of-this-name"))

    with pytest.raises(Unbuildable) as failure:
        environments.obtain(wanted, line=lambda _: None, cancelled=threading.Event())

    assert failure.value.package == "there-is-no-such-package-of-this-name"
    assert "was not found" in failure.value.sentence
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


@slow
def test_a_package_that_does_not_build_fails_by_name(environments: Environments, tmp_path: Path) -> None:
    broken = tmp_path / "sources" / "broken-on-purpose"
    broken.mkdir(parents=True)
    (broken / "setup.py").write_text("raise SystemExit('this cannot be built')\n")

    with pytest.raises(Unbuildable) as failure:
        environments.obtain(
            Requirements(lines=(f"broken-on-purpose @ file://{broken}",)),
            line=lambda _: None,
            cancelled=threading.Event(),
        )

    assert failure.value.package == "broken-on-purpose"


@slow
def test_a_build_that_takes_too_long_or_is_not_wanted_any_more_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_WORKSPACE_ENVIRONMENTS", raising=False)
    endless = tmp_path / "sources" / "endless"
    endless.mkdir(parents=True)
    (endless / "setup.py").write_text("import time\ntime.sleep(600)\n")
    wanted = Requirements(lines=(f"endless @ file://{endless}",))
    hurried = Environments(tmp_path / "a", limit_bytes=10**9, build_timeout_seconds=2)
    patient = Environments(tmp_path / "b", limit_bytes=10**9)

    with pytest.raises(Unbuildable, match="longer than 2 s"):
        hurried.obtain(wanted, line=lambda _: None, cancelled=threading.Event())

    cancelled = threading.Event()
    timer = threading.Timer(1.0, cancelled.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Unbuildable, match="replaced"):
        patient.obtain(wanted, line=lambda _: None, cancelled=cancelled)
    assert time.monotonic() - started < 10
    timer.join()


@slow
def test_what_was_used_longest_ago_is_cleared_away_but_never_what_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_WORKSPACE_ENVIRONMENTS", raising=False)
    cramped = Environments(tmp_path, limit_bytes=1)

    def obtain(*lines: str) -> Any:
        return cramped.obtain(Requirements(lines=lines), line=lambda _: None, cancelled=threading.Event())

    kept = obtain("six")
    gone = obtain("toml")
    gone.let_go()
    last = obtain("idna")

    assert (kept.folder.exists(), gone.folder.exists(), last.folder.exists()) == (True, False, True)
    kept.let_go()
    again = obtain("idna")
    assert not kept.folder.exists()
    again.let_go()
    last.let_go()


@slow
def test_a_build_sees_none_of_our_secrets(
    environments: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary-in-the-build")
    seen = tmp_path / "seen"
    nosy = tmp_path / "sources" / "nosy"
    nosy.mkdir(parents=True)
    (nosy / "setup.py").write_text(
        f"import os\nopen({str(seen)!r}, 'w').write(repr(dict(os.environ)))\n"
        "from setuptools import setup\nsetup(name='nosy', version='1')\n"
    )

    environment = environments.obtain(
        Requirements(lines=(f"nosy @ file://{nosy}",)), line=lambda _: None, cancelled=threading.Event()
    )

    environment.let_go()
    text = eventually(lambda: seen.exists() and seen.read_text())
    assert "canary-in-the-build" not in text
    assert os.environ["PATH"].split(":")[-1] in text
