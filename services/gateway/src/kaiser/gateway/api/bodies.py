"""Requests whose bodies are never a fault of ours, whatever is in them."""

from typing import Any

from litestar import Request
from litestar.exceptions import ClientException, InternalServerException, SerializationException


class Asked(Request[Any, Any, Any]):
    """A request, with what litestar takes for bugs of its own refused as what it is: no JSON that anybody means."""

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            ClientException: It ended before it was whole; nobody is there any more who would read this.
        """
        try:
            return await super().body()
        except InternalServerException:
            raise ClientException("the request ended before its body did") from None

    async def json(self) -> Any:  # whatever JSON has
        """What the body says.

        Raises:
            SerializationException: It is no JSON, or goes deeper than it can be followed.
        """
        try:
            return await super().json()
        except UnicodeDecodeError:
            raise SerializationException("JSON is malformed: it is not UTF-8") from None
        except RecursionError:
            raise SerializationException("JSON is malformed: there is too much within each other") from None
