"""The Python of docs/local-workspace.md, run as it stands in the document."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_workspace import ROOT, RunningWorkspace

DOCUMENT = ROOT / "docs" / "local-workspace.md"
BLOCK = re.compile(r"<!-- run: (\w+) -->\n```python\n(.*?)```", re.DOTALL)
LONGEST_SECONDS = 120


@pytest.mark.usefixtures("_sdk_home")
def test_the_documents_example_registers_a_model_through_the_sdk(
    local_workspace: RunningWorkspace, tmp_path: Path
) -> None:
    blocks = dict(BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))
    folder = tmp_path / "data" / "workspace"
    folder.mkdir(parents=True)
    (folder / "connection.json").symlink_to(local_workspace.connection_file)

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", blocks["connect"] + blocks["use"] + blocks["query"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
    )

    assert ran.returncode == 0, ran.stderr
    assert "weights:" in ran.stdout
    assert "'checked': 'yes'" in ran.stdout
    assert "['Service', 'ContainerCode', 'calls']" in ran.stdout
    changes = [entry["kind"] for entry in local_workspace.ledger(resource="model", name="weights")]
    assert changes[-1] == "delete"
    assert len(changes) >= 2
