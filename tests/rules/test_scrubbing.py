"""Secrets go from every text in every form; what only looks long stays."""

from __future__ import annotations

import base64
import json
import logging
import random
import string
import time
from urllib.parse import quote

import pytest

from services import scrubbing
from services.scrubbing import HIDDEN, RedactingFilter, is_secret_name, scrub, scrub_document

KEY_32 = "x7Rk2LpQ9vTzWm4YcB8nHs3JdF6gKa1E"
KEY_44 = "q2Vb8/Zk+LmT5xYwP0aRcD7sEfGhJ1uNiO4tBvC6K3A="
URL_SAFE = "gP9_zK-4vXwQ2rT7yU1iO5aS8dF3hJ6kL0-ZxCvB"
JWT = (
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJodHRwczovL21hbmFnZW1lbnQiLCJleHAiOjE3OTUwMDAwMDB9"
    ".dGhpcy1pcy1hLXNpZ25hdHVyZS0xMjM0NTY3ODkw"
)


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (f"Authorization: Bearer {KEY_32}", KEY_32),
        ("authorization: Bearer short1", "short1"),
        ("HTTP_AUTHORIZATION=Bearer short1", "short1"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
        (f"{{'Authorization': 'Bearer {KEY_32}'}}", KEY_32),
        (json.dumps({"Authorization": f"Bearer {KEY_44}"}), KEY_44),
        (json.dumps(json.dumps({"Authorization": f"Bearer {KEY_32}"})), KEY_32),
        (f"('authorization', b'Bearer {KEY_32}')", KEY_32),
        (f"curl -H 'Authorization: Bearer {JWT}' https://x/score", JWT),
        (f"using token {JWT} now", JWT),
        (json.dumps({"primaryKey": "abcd1234", "secondaryKey": "efgh5678"}), "abcd1234"),
        (json.dumps({"primaryKey": "abcd1234", "secondaryKey": "efgh5678"}), "efgh5678"),
        (json.dumps({"accessToken": "abc-def-ghi"}), "abc-def-ghi"),
        (f"new key {KEY_32} written", KEY_32),
        (f"new key {KEY_44} written", KEY_44),
        (f"new key {URL_SAFE} written", URL_SAFE),
        (f"?code={quote(KEY_44, safe='')}", quote(KEY_44, safe="")),
        (json.dumps({"x": KEY_44}).replace("/", "\\/"), KEY_44.replace("/", "\\/")),
        (f"blob {base64.b64encode(KEY_32.encode()).decode()}", base64.b64encode(KEY_32.encode()).decode()),
        ("GET /c/f?sv=2021&sig=aB3%2Fx9%3D&se=2026 200", "aB3%2Fx9%3D"),
        ("url%3Fsv%3D2021%26sig%3DaB3x9z%26se%3D2026", "aB3x9z"),
        ('{"u":"https:\\/\\/b\\/f?sv=1\\u0026sig=aB3x9z"}', "aB3x9z"),
        ("--extra-index-url https://build:hunter2@pkgs.example.com/simple", "hunter2"),
        ("--index-url https://pat-abcdefgh@pkgs.example.com/simple", "pat-abcdefgh"),
        ("next=https%3A%2F%2Fbuild%3Ahunter2%40pkgs.example.com%2Fsimple", "hunter2"),
        ("postgresql://desk:s3cr3t@db:5432/ledger", "s3cr3t"),
        ("DB_PASSWORD=hunter2 DB_USER=desk", "hunter2"),
        ("{'DB_PASSWORD': 'hunter two'}", "hunter two"),
        ("AccountName=a;AccountKey=abc123==;EndpointSuffix=core", "abc123=="),
        ("AZURE_CLIENT_SECRET: abc~def.ghi", "abc~def.ghi"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ],
)
def test_a_planted_secret_goes(line: str, secret: str) -> None:
    assert secret in line
    scrubbed = scrub(line)
    assert secret not in scrubbed
    assert HIDDEN in scrubbed


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-21 10:00:00,123 I [42] azmlinfsrv - POST /score 200 300.661ms 9",
        "x-ms-request-id: 1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
        "run AutoML_1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed_12 finished",
        "traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "/home/ops/.venv/lib/python3.11/site-packages/azureml/core/webservice/AksWebservice.py",
        "/subscriptions/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/resourceGroups/RG1/providers/"
        "Microsoft.MachineLearningServices/workspaces/Ws2",
        "aml://artifact/LocalUpload/251121T164012-1a2b3c4d/source.tar.gz",
        "azureml._restclient.models.ModelErrorResponseException raised in AzureMLModelManagementServiceClient",
        "Downloading azureml_inference_server_http-1.5.1-py3-none-any.whl (91 kB)",
        "KeyError: 'sepal_length'",
        "keyType: Primary, tokenType: Bearer, token_auth_enabled=True, auth_enabled: false",
        "{'primary_key': None, 'secondaryKey': ''}",
        "    token = fetch_token(scope)",
        "Collected 32 tokens in 12 ms; the tokens were split at spaces",
        "GET https://pkgs.example.com/simple/numpy/ 200",
        "desk-probe-9f2c1ab3d4e5 answered",
        " + azure-mgmt-authorization==4.0.0",
        " + pytest-secret==1.2.3rc1",
        "IrisClassifierForTheNorthernRegion_Version_2026_Candidate_B",
    ],
)
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert scrub(line) == line


def test_what_stands_around_a_secret_stays() -> None:
    line = f'10:00:01 I [7] headers {{"Host": "svc", "Authorization": "Bearer {KEY_32}", "Accept": "*/*"}} 200'
    assert (
        scrub(line)
        == f'10:00:01 I [7] headers {{"Host": "svc", "Authorization": "Bearer {HIDDEN}", "Accept": "*/*"}} 200'
    )


def test_scrubbing_twice_changes_nothing_more() -> None:
    line = f"Authorization: Bearer {KEY_32}; password=hunter2; https://a:b1c2d3@h/x?sig=zz9 {JWT}"
    assert scrub(scrub(line)) == scrub(line)


def test_random_keys_of_every_usual_kind_are_recognised_by_their_shape() -> None:
    chance = random.Random(20261121)
    alphabets = (
        (string.ascii_letters + string.digits, 32),
        (string.ascii_letters + string.digits + "-_", 43),
        (string.ascii_letters + string.digits, 64),
    )
    missed = total = 0
    for alphabet, length in alphabets:
        for _ in range(2000):
            key = "".join(chance.choices(alphabet, k=length))
            total += 1
            missed += key in scrub(f"the key is now {key} for all")
    for _ in range(2000):
        key = base64.b64encode(chance.randbytes(32)).decode()
        total += 1
        missed += key in scrub(f"the key is now {key} for all")
    assert missed / total < 0.01


def test_a_remembered_secret_goes_in_every_form_though_it_looks_like_a_word() -> None:
    secret = 'correct horse/battery "staple"'
    plain = [
        secret,
        json.dumps(secret),
        quote(secret, safe=""),
        quote(secret),
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(b"x" + secret.encode() + b"yy").decode(),
        base64.b64encode(b"xy" + secret.encode() + b"y").decode(),
    ]
    scrubbing.remember(secret)
    for text in plain:
        scrubbed = scrub(f"<{text}>")
        assert HIDDEN in scrubbed
        assert "battery" not in scrubbed
        assert base64.b64encode(secret.encode()).decode()[4:20] not in scrubbed


def test_a_document_loses_the_values_of_secret_names_and_keeps_the_rest() -> None:
    document = {
        "environmentVariables": {"DB_PASSWORD": "hunter2", "WORKER_COUNT": "2", "apiKey": "abc"},
        "pip": ["--index-url https://u:p4ss@h/simple", "numpy==2.0"],
        "count": 3,
    }
    assert scrub_document(document) == {
        "environmentVariables": {"DB_PASSWORD": HIDDEN, "WORKER_COUNT": "2", "apiKey": HIDDEN},
        "pip": [f"--index-url https://u:{HIDDEN}@h/simple", "numpy==2.0"],
        "count": 3,
    }


@pytest.mark.parametrize("name", ["DB_PASSWORD", "primaryKey", "SAS_TOKEN", "clientSecret", "api_key", "token"])
def test_a_secret_name_is_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["WORKER_COUNT", "keyType", "tokenType", "monkey", "KEY_COLUMN", "token_auth_enabled"])
def test_an_ordinary_name_is_not_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_the_filter_scrubs_message_arguments_and_traceback() -> None:
    try:
        raise ValueError(f"refused: Bearer {KEY_32}")
    except ValueError as error:
        record = logging.LogRecord(
            "azureml", logging.ERROR, __file__, 1, "sent %s", (f"Authorization: Bearer {KEY_44}",), None
        )
        record.exc_info = (type(error), error, error.__traceback__)
    assert RedactingFilter().filter(record)
    text = logging.Formatter("%(message)s").format(record)
    assert KEY_44 not in text
    assert KEY_32 not in text
    assert "ValueError" in text


def test_five_thousand_lines_and_one_very_long_line_take_less_than_two_seconds() -> None:
    lines = "\n".join(
        f"2026-11-21 10:00:00,{n % 1000:03} I [42] azmlinfsrv - POST /score 200 3.6ms 9" for n in range(5000)
    )
    blob = "abcdefghij" * 50_000
    started = time.process_time()
    assert scrub(lines) == lines
    assert len(scrub(blob)) == len(blob)
    assert time.process_time() - started < 2
