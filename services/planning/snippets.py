"""How to call a service: curl, Python and C#, with the right header and never with the secret itself.

Client request ids follow `<app>_<p|s>_<random>` with at most 40 characters: by the letter the desk sees who still uses
which key while one is rotated.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.errors import Invalid

Slot = Literal["primary", "secondary"]
Auth = Literal["key", "token", "none", "unknown"]

REQUEST_ID_HEADER = "x-ms-client-request-id"
_RANDOM_CHARACTERS = 12
_APP = re.compile(r"[A-Za-z0-9-]{1,25}")


@dataclass(frozen=True, kw_only=True)
class Snippets:
    """The same call in three languages."""

    curl: str
    python: str
    csharp: str


def client_request_id(app: str, *, slot: Slot = "primary") -> str:
    """Return a new client request id of an application that uses this key slot."""
    if not _APP.fullmatch(app):
        sentence = "An application's name in a request id has 1 to 25 letters, digits and hyphens: shorten it."
        raise Invalid(sentence, field="app")
    return f"{app}_{slot[0]}_{secrets.token_hex(_RANDOM_CHARACTERS // 2)}"


def app_name(service: str) -> str:
    """Return a name for the caller that fits into a request id, until somebody writes their own."""
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{service}-client")[:25].strip("-") or "client"


def snippets(
    scoring_uri: str,
    *,
    auth: Auth,
    slot: Slot = "primary",
    sample: Mapping[str, Any] | None = None,
    app: str = "my-app",
) -> Snippets:
    """Return how to call an address; the secret is read from an environment variable."""
    if not re.fullmatch(r"https?://[^\s\"'`$\\<>]+", scoring_uri):
        raise Invalid("This service has no address to call yet: wait until it is deployed.", field="scoring_uri")
    if not _APP.fullmatch(app):
        raise Invalid("An application's name has 1 to 25 letters, digits and hyphens here: shorten it.", field="app")
    body = dict(sample) if sample is not None else {"data": [[1.0, 2.0, 3.0]]}
    # A service whose authentication is not known is called with a key: without one it would answer 401, and say so.
    variable = {"token": "SCORING_TOKEN", "none": ""}.get(auth, "SCORING_KEY")
    prefix = f"{app}_{slot[0]}_"
    return Snippets(
        curl=_curl(scoring_uri, body, variable, prefix),
        python=_python(scoring_uri, body, variable, prefix),
        csharp=_csharp(scoring_uri, body, variable, prefix),
    )


def _curl(uri: str, body: Mapping[str, Any], variable: str, prefix: str) -> str:
    text = json.dumps(body).replace("'", "'\\''")
    lines = [f"curl --fail-with-body '{uri}' \\"]
    if variable:
        lines.append(f'  --header "Authorization: Bearer ${variable}" \\')
    lines += [
        "  --header 'Content-Type: application/json' \\",
        f'  --header "{REQUEST_ID_HEADER}: {prefix}$(openssl rand -hex {_RANDOM_CHARACTERS // 2})" \\',
        f"  --data '{text}'",
    ]
    return "\n".join(lines) + "\n"


def _python(uri: str, body: Mapping[str, Any], variable: str, prefix: str) -> str:
    lines = ["import json", *(["import os"] if variable else []), "import secrets", "import urllib.request", ""]
    lines += [
        "headers = {",
        '    "Content-Type": "application/json",',
        *([f'    "Authorization": f"Bearer {{os.environ[\'{variable}\']}}",'] if variable else []),
        f'    "{REQUEST_ID_HEADER}": "{prefix}" + secrets.token_hex({_RANDOM_CHARACTERS // 2}),',
        "}",
        f"body = json.dumps({body!r}).encode()",
        f"request = urllib.request.Request({uri!r}, data=body, headers=headers)",
        "with urllib.request.urlopen(request, timeout=60) as response:",
        "    print(response.status, json.load(response))",
    ]
    return "\n".join(lines) + "\n"


def _csharp(uri: str, body: Mapping[str, Any], variable: str, prefix: str) -> str:
    # In a verbatim string of C# a quotation mark is written twice, and nothing else is special.
    text = json.dumps(body).replace('"', '""')
    lines = ["using System.Net.Http.Headers;", "using System.Text;", "", "using var client = new HttpClient();"]
    if variable:
        lines += [
            f'var secret = Environment.GetEnvironmentVariable("{variable}");',
            'client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", secret);',
        ]
    lines += [
        f'var requestId = "{prefix}" + Guid.NewGuid().ToString("N").Substring(0, {_RANDOM_CHARACTERS});',
        f'client.DefaultRequestHeaders.Add("{REQUEST_ID_HEADER}", requestId);',
        f'var body = new StringContent(@"{text}", Encoding.UTF8, "application/json");',
        f'var response = await client.PostAsync("{uri}", body);',
        'Console.WriteLine($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");',
    ]
    return "\n".join(lines) + "\n"
