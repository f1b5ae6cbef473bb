"""Whatever is asked of the API, by its document or against it: no answer is a fault, and each is in the document."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx
import pytest

from kaiser.local.ephemeral import PASSWORD
from kaiser.local.ephemeral_services import Service

from .suite import Suite

CHECKS: Final = (
    "no_fault",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
ENDS_THE_SESSION: Final = "^/api/v1/(auth/(logout|password)|users/.*)$"
"""Routes that whoever asks could end their own session by; asked last, so that they end no other request."""
OWN_PASSWORD: Final = "walks over every route"
ROOT: Final = Path(__file__).parents[2]
SEED: Final = "6"


def token_of_walker(base: str) -> str:
    """Of an admin whom no example in the document is about, so that none puts an end to it."""
    with httpx.Client(base_url=f"{base}/api/v1", timeout=30) as http:

        def log_in(username: str, password: str) -> str:
            answer = http.post("/auth/login", json={"username": username, "password": password})
            return str(answer.raise_for_status().json()["tokens"]["access_token"])

        walker = {"username": "walker", "password": OWN_PASSWORD, "role": "admin"}
        http.post("/users", json=walker, headers={"Authorization": f"Bearer {log_in('admin', PASSWORD)}"})
        return log_in("walker", OWN_PASSWORD)


def ask_everything(gateway: Service, folder: Path, *, examples: int) -> None:
    ask(gateway, folder, "--exclude-path-regex", ENDS_THE_SESSION, "--max-examples", str(examples))
    ask(gateway, folder, "--include-path-regex", ENDS_THE_SESSION, "--max-examples", str(examples))


def ask(gateway: Service, folder: Path, *options: str) -> None:
    base = f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{base}/schema/openapi.json"),
        *("--header", f"Authorization: Bearer {token_of_walker(base)}"),
        *("--checks", ",".join(CHECKS)),
        *("--phases", "examples,coverage,fuzzing"),
        *options,
        *("--seed", SEED, "--generation-deterministic", "--no-shrink"),
        *("--request-timeout", "70", "--suppress-health-check", "all", "--no-color"),
        "--continue-on-failure",
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.e2e.api_checks", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    with (folder / "report.txt").open("a") as report:
        report.write(result.stdout)
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-2_000:]


@pytest.mark.timeout(300)
def test_no_request_finds_a_fault_or_an_answer_that_is_not_in_the_document(suite: Suite, tmp_path: Path) -> None:
    ask_everything(suite.gateway, tmp_path, examples=3)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nor_do_many_requests(suite: Suite, tmp_path: Path) -> None:
    ask_everything(suite.gateway, tmp_path, examples=100)
