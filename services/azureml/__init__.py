"""The way to Azure ML: credentials, calls through the SDK, the few raw calls beside it, and our own types.

Import nothing of `azureml` at module level here: it takes two seconds, and three variables must stand before it.
"""

from __future__ import annotations

import os

# The SDK reads these once, at its import. With its own retries on, a lost answer would send a POST again by itself.
os.environ["AZUREML_DEFAULT_RETRIES"] = "0"
os.environ["AZUREML_DEFAULT_BACKOFF"] = "1"
os.environ["AZUREML_LOG_DEPRECATION_WARNING_ENABLED"] = "False"
