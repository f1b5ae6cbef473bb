"""A client of the REST API: as whom one asks, and what it says when it refuses."""

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

import httpx

from kaiser.ctl.errors import CtlError, UnreachableError, UsageError
from kaiser.ctl.session import Tokens, tokens_of
from kaiser.ctl.site import Site

TIMEOUT_S: Final = 130.0
"""A comparison on the past may take two minutes."""
CONNECT_S: Final = 5.0
PAGE: Final = 100


class Api:
    """The API, as one user; a context.

    Args:
        client: Knows the address.
        tokens: Whose, and how to get another one when one has expired; None while nobody is logged in.
        end: Whether the session is this verb's own, and ends with it.
    """

    def __init__(self, client: httpx.Client, tokens: Tokens | None = None, *, end: bool = False) -> None:
        self._client = client
        self._tokens = tokens
        self._end = end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._end:
            with contextlib.suppress(CtlError):  # it expires by itself
                self._send("POST", "/auth/logout")
        self._client.close()

    @property
    def token(self) -> str:
        """The access token, for what does not go through here."""
        return self._tokens.access if self._tokens is not None else ""

    def get(self, path: str, **params: Any) -> Any:  # JSON
        """What there is at a path; parameters that are None are left out."""
        return self._ask("GET", path, params=_given(params)).json()

    def pages(self, path: str, *, most: int | None = None, **params: Any) -> Iterator[Any]:
        """The items of a list, page after page.

        Args:
            path: The list's.
            most: Items at most, by default all.
            params: As of :meth:`get`.
        """
        cursor, left = None, most
        while left is None or left > 0:
            page = self.get(path, cursor=cursor, limit=PAGE if left is None else min(PAGE, left), **params)
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def text(self, path: str, **params: Any) -> str:
        """The same as :meth:`get` where it is no JSON."""
        return self._ask("GET", path, params=_given(params)).text

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # JSON, or nothing
        """Ask for something to be done; fields that are None are left out."""
        return _json_of(self._ask("POST", path, json=_given(body)))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:  # JSON
        """Change something; fields that are None are left out."""
        return self._ask("PATCH", path, json=_given(body)).json()

    def put(self, path: str, body: Mapping[str, Any]) -> Any:  # JSON, or nothing
        """Set something."""
        return _json_of(self._ask("PUT", path, json=_given(body)))

    def send(self, path: str, content: bytes, **params: Any) -> Any:  # JSON
        """The same as :meth:`post` with YAML instead of JSON."""
        headers = {"Content-Type": "application/yaml"}
        return self._ask("POST", path, content=content, params=_given(params), headers=headers).json()

    def delete(self, path: str, **params: Any) -> Any:  # JSON, or nothing
        """Take something away."""
        return _json_of(self._ask("DELETE", path, params=_given(params)))

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._send(method, path, **options)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._tokens is not None and self._tokens.renew():
            answer = self._send(method, path, **options)
        if answer.is_success:
            return answer
        error = UnreachableError if answer.status_code in {401, 502, 503, 504} else CtlError
        raise error(refusal(answer))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**options.pop("headers", {})}
        if self._tokens is not None:
            headers["Authorization"] = f"Bearer {self._tokens.access}"
        try:
            return self._client.request(method, path, headers=headers, **options)
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            raise UnreachableError(f"no Kaiser answers at {self._client.base_url}: {why}") from error


def api_of(site: Site) -> Api:
    """The API of a site, as whoever its credentials or ``kaiserctl login`` say.

    Raises:
        UsageError: There are no credentials.
        UnreachableError: The gateway is away, or takes none of them.
    """
    gateway = site.need_gateway()
    client = client_of(site)
    if gateway.token:
        return Api(client, Tokens(gateway.token))
    if gateway.user and gateway.password:
        answer = Api(client).post("/auth/login", {"username": gateway.user, "password": gateway.password})
        return Api(client, Tokens(answer["tokens"]["access_token"]), end=True)
    tokens = tokens_of(gateway.url, client)
    if tokens is None:
        raise UsageError(
            "nobody is logged in: run 'kaiserctl login', or give a token or an API key with --token-file,"
            " KAISER_CTL_TOKEN or KAISER_CTL_TOKEN_FILE."
        )
    return Api(client, tokens)


def client_of(site: Site) -> httpx.Client:
    """An HTTP client for a site's API, without credentials."""
    timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_S)
    return httpx.Client(base_url=f"{site.need_gateway().url}/api/v1", timeout=timeout, verify=tls_of(site))


def tls_of(site: Site) -> ssl.SSLContext:
    """How the site's certificates are checked: by its own authority, or else as the system does."""
    if site.ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=site.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{site.ca_file} holds no certificate of an authority: {error}") from error


def refusal(answer: httpx.Response) -> str:
    """What the gateway says of why not, as lines of text."""
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


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _json_of(answer: httpx.Response) -> Any:  # JSON, or nothing
    return answer.json() if answer.content else None
