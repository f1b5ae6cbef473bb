"""A token for a user name and a password."""

import asyncio
import http.client
import ssl
from typing import Final
from urllib.parse import urlsplit

import msgspec

TIMEOUT_S: Final = 10.0


class NotAllowedError(Exception):
    """The gateway does not take the credentials, or not any more; the message is its own."""


class _Tokens(msgspec.Struct):
    access_token: str


class _LoggedIn(msgspec.Struct):
    tokens: _Tokens


class Login:
    """Credentials: logs in each time that a token is needed.

    Args:
        url: Where the gateway is, such as ``https://kaiser.example``.
        username: User.
        password: Its password.
        tls: How an ``https`` gateway is checked; by the system's certificates without it.
    """

    def __init__(self, url: str, username: str, password: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._url = url
        self._body = msgspec.json.encode({"username": username, "password": password})
        self._tls = tls

    async def __call__(self) -> str:
        """A fresh access token.

        Raises:
            NotAllowedError: User name or password is wrong.
            OSError: The gateway is not there, or asks to wait.
        """
        status, body = await asyncio.to_thread(self._post)
        match status:
            case 200:
                return msgspec.json.decode(body, type=_LoggedIn).tokens.access_token
            case 401 | 403:
                raise NotAllowedError("the gateway does not take the user name and the password")
            case _:
                raise ConnectionError(f"the gateway answered the login with {status}")

    def _post(self) -> tuple[int, bytes]:
        parts = urlsplit(self._url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
        try:
            path = f"{parts.path.rstrip('/')}/api/v1/auth/login"
            connection.request("POST", path, self._body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"the gateway did not answer the login: {error}") from error
        finally:
            connection.close()
