"""Imports the SDK once, in one thread: its modules import each other in circles, and two threads at once break that."""

from __future__ import annotations

from services.azureml.quiet import quiet


def load_sdk() -> None:
    """Import all of the SDK that later calls import by themselves."""
    with quiet():
        import azureml._restclient.artifacts_client
        import azureml.core.compute
        import azureml.core.environment
        import azureml.core.model
        import azureml.core.webservice  # noqa: F401
