"""A client of the REST API: which Kaiser, who is asking, and what it says when it refuses."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import httpx

from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout

TIMEOUT_S: Final = 130.0
"""A comparison on the past may take two minutes."""


class Api:
    """The API, as one user; a context.

    Args:
        client: Sends the user's token with every request.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:  # JSON
        """What there is at a path; parameters that are None are left out."""
        return self._ask("GET", path, params=_given(params)).json()

    def text(self, path: str, **params: Any) -> str:
        """The same where it is no JSON."""
        return self._ask("GET", path, params=_given(params)).text

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # JSON
        """Ask for something to be done; fields that are None are left out."""
        return self._ask("POST", path, json=_given(body)).json()

    def send(self, path: str, content: bytes, **params: Any) -> Any:  # JSON
        """The same with a text instead of JSON."""
        headers = {"Content-Type": "application/yaml"}
        return self._ask("POST", path, content=content, params=_given(params), headers=headers).json()

    def delete(self, path: str, **params: Any) -> Any:  # JSON
        """Take something away."""
        return self._ask("DELETE", path, params=_given(params)).json()

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            raise LocalError(f"no Kaiser answers at {self._client.base_url}: {why}") from error
        if answer.is_success:
            return answer
        raise LocalError(_refusal(answer))


def api_of(layout: Layout, environment: Mapping[str, str] = os.environ) -> Api:
    """The API that the environment names, or else that of this checkout as its admin.

    Args:
        layout: This checkout.
        environment: ``KAISER_URL``, and ``KAISER_TOKEN`` or ``KAISER_TOKEN_FILE``.

    Raises:
        LocalError: Another Kaiser is named without a token, or the login fails.
    """
    url = environment.get("KAISER_URL") or f"http://127.0.0.1:{layout.ports.gateway}"
    client = httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", timeout=TIMEOUT_S)
    api = Api(client)
    token = environment.get("KAISER_TOKEN", "")
    if not token and (file := environment.get("KAISER_TOKEN_FILE")):
        token = Path(file).read_text(encoding="utf-8").strip()
    if not token and "KAISER_URL" in environment:
        raise LocalError(
            "KAISER_URL needs a token: put it into KAISER_TOKEN, or its file's name into KAISER_TOKEN_FILE."
        )
    if not token:
        password = layout.secrets.path("admin").read_text(encoding="utf-8").strip()
        token = api.post("/auth/login", {"username": "admin", "password": password})["tokens"]["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return api


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _refusal(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"{answer.status_code} {answer.reason_phrase}"
    faults = problem.get("faults") or []
    if not faults:
        return f"{problem.get('code', answer.status_code)}: {problem.get('detail', '')}"
    return "\n".join([f"{problem['code']}:", *(f"  {fault_line(fault)}" for fault in faults)])


def fault_line(fault: Mapping[str, Any]) -> str:
    """A fault in a line: where, code, words."""
    return "  ".join(filter(None, (fault["path"], fault["code"], fault["detail"])))
