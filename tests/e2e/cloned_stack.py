"""The whole desk from a clone of its own, which has an `.env`: as on a machine where the service principal is set up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.stack import Stack
from tests.running_workspace import ROOT

NOT_CLONED = (".git", ".venv", ".env", "data", "tests", "benchmarks", "node_modules", "__pycache__", ".*_cache")


class ClonedStack(Stack):
    """A stack whose `.env` says these settings; nothing of them is exported."""

    def __init__(self, folder: Path, settings: Mapping[str, str], **exported: str) -> None:
        super().__init__(folder)
        self.clone = folder / "clone"
        shutil.copytree(ROOT, self.clone, ignore=shutil.ignore_patterns(*NOT_CLONED))
        (self.clone / ".venv").symlink_to(ROOT / ".venv")
        lines = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
        (self.clone / ".env").write_text("\n".join(lines) + "\n")
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        kept = {name: value for name, value in self.environment.items() if not name.endswith("_CLIENT_SECRET")}
        self.environment = kept | {"TMPDIR": str(self.temporary)} | exported

    @property
    def supervisor(self) -> int:
        """Its process."""
        assert self._supervisor is not None
        return self._supervisor.pid

    def launch(self) -> None:
        """Start it from the clone and come back at once."""
        with (self.folder / "foreground.log").open("ab") as foreground:
            subprocess.run(
                [sys.executable, "-m", "services.preflight", "--port", str(self.port)],
                cwd=self.clone,
                env=self.environment,
                stdout=foreground,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=60,
            )
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self.clone / "supervisord.conf")],
                cwd=self.clone,
                env=self.environment,
                stdout=foreground,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
