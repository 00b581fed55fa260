"""Starts one replica: Microsoft's own command, with our socket and worker class in place of its TCP port.

Run by the Python of a scoring environment: `python start_replica.py replica.json`. It dies with the workspace.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before the line above: then no signal comes any more.
    if os.getppid() != parent:
        os._exit(1)


def die_with_pipe(descriptor: int) -> None:
    """Where the kernel has no such signal: end once the pipe's other end is closed."""
    if sys.platform == "linux":
        return

    def wait_for_end() -> None:
        os.read(descriptor, 1)
        os._exit(1)

    threading.Thread(target=wait_for_end, name="parent-watch", daemon=True).start()


def main() -> None:
    """Start Microsoft's server as its own command would, on a Unix socket."""
    with open(sys.argv[1], encoding="utf-8") as file:
        replica: dict[str, Any] = json.load(file)
    die_with_parent(int(replica["parent"]))
    # Nothing of ours stays on the path where the user's imports are looked up.
    here = sys.path.pop(0)
    sys.path.append(here)
    try:
        from azureml_inference_server_http import amlserver, amlserver_linux
    except ImportError as error:
        print(f"The inference server cannot be imported: {error}. Add azureml-defaults to the environment.", flush=True)
        sys.exit(3)
    from frame_worker import FrameWorker
    from gunicorn.app.base import BaseApplication
    from gunicorn.util import import_app
    from misbehave import Misbehaviour

    sys.path.remove(here)

    misbehaviour = Misbehaviour(replica["fault_file"])
    FrameWorker.before_loading = misbehaviour.hold_start
    FrameWorker.after_loading = misbehaviour.wrap_run
    master = os.getpid()

    def post_fork(_arbiter: object, _worker: object) -> None:
        die_with_parent(master)
        die_with_pipe(int(replica["parent_pipe"]))

    def run(*_address: object, **_more: object) -> None:
        settings = {
            "bind": [f"unix:{replica['socket']}"],
            "umask": 0o077,
            "workers": int(os.environ["WORKER_COUNT"]),
            "worker_class": FrameWorker,
            "timeout": int(os.environ.get("WORKER_TIMEOUT") or 300),
            "preload_app": os.environ.get("WORKER_PRELOAD", "false").lower() == "true",
            "graceful_timeout": 10,
            # As Microsoft's command does: its logging configuration prints these lines already.
            "errorlog": "/dev/null",
            "control_socket_disable": True,
            "post_fork": post_fork,
        }

        class Server(BaseApplication):
            def load_config(self) -> None:
                for name, value in settings.items():
                    # Older gunicorn versions know fewer settings.
                    if name in self.cfg.settings:
                        self.cfg.set(name, value)

            def load(self) -> Any:
                return import_app("azureml_inference_server_http.server.entry:app")

        die_with_pipe(int(replica["parent_pipe"]))
        Server().run()

    amlserver_linux.run = run
    sys.argv = ["azmlinfsrv", "--entry_script", replica["entry_script"]]
    amlserver.run()


if __name__ == "__main__":
    main()
