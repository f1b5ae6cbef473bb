"""Webhooks: a POST, signed as the specification Standard Webhooks 1.0 has it.

``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256, by the target's secret, of id, timestamp and body with
dots in between. The timestamp is that of the try, in unix seconds: who checks that it is not older than minutes cannot
be told the same thing by somebody who has listened.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Self

import httpx
import msgspec
from msgspec import Meta

from kaiser.contracts.events.logic import NotificationAsked
from kaiser.logic.delivering import Undelivered, identity, notification
from kaiser.logic.delivering.trust import trust
from kaiser.logic.times import SECOND

PREFIX: Final = "whsec_"
"""What follows it in a secret is base64."""
LATER: Final = frozenset({408, 409, 425, 429})
"""Answers of the four hundreds that may be others next time."""
AGENT: Final = "kaiser-logic"
VARIABLE: Final = "KAISER_NOTIFY_WEBHOOKS"


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target.

    Attributes:
        url: Where to POST to.
        secret: Shared with the target; base64 behind ``whsec_``, else as it is.
    """

    url: Annotated[str, Meta(pattern="^https?://", max_length=2000)]
    secret: Annotated[str, Meta(min_length=16)]


class HooksError(ValueError):
    """The targets that an operator has given are no such thing; the message says why, and no secret."""


def hooks_of(text: str) -> dict[str, Hook]:
    """Targets by name, from JSON; none for an empty text.

    Raises:
        HooksError: It is something else.
    """
    try:
        hooks = msgspec.json.decode(text or "{}", type=dict[str, Hook])
    except msgspec.ValidationError as error:
        raise HooksError(f"{VARIABLE}: {error}") from None
    except msgspec.DecodeError as error:
        raise HooksError(f"{VARIABLE}: it is no JSON: {error}") from None
    for name, hook in hooks.items():
        try:
            _key(hook.secret)
        except binascii.Error:
            # Whoever checks signatures would find every one of them wrong
            raise HooksError(f"{VARIABLE}: what follows {PREFIX} in the secret of {name!r} is no base64") from None
    return hooks


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``.

    Args:
        secret: Of the target.
        message_id: ``webhook-id``.
        timestamp: ``webhook-timestamp``, unix seconds.
        body: As it is sent.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


class Webhooks:
    """Tells webhooks; an async context.

    Args:
        hooks: Targets by name.
        timeout_s: Patience with each step of a request.
        ca_file: Whom to trust beside the public authorities; None for nobody.
    """

    def __init__(self, hooks: Mapping[str, Hook], *, timeout_s: float = 10.0, ca_file: Path | None = None) -> None:
        self._hooks = dict(hooks)
        self._client = httpx.AsyncClient(
            timeout=timeout_s, follow_redirects=False, headers={"user-agent": AGENT}, verify=trust(ca_file)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def deliver(self, asked: NotificationAsked, now: int) -> None:
        """POST it.

        Raises:
            Undelivered: There is no such target, it is not reachable, or it answered otherwise than with 2xx.
        """
        hook = self._hooks.get(asked.target)
        if hook is None:
            raise Undelivered(f"there is no webhook {asked.target!r} in the settings of logic", for_good=True)
        body, name, timestamp = msgspec.json.encode(notification(asked)), identity(asked), now // SECOND
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(hook.secret, name, timestamp, body),
        }
        try:
            # What it answers with may be long, and says nothing that counts
            async with self._client.stream("POST", hook.url, content=body, headers=headers) as answer:
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Undelivered(f"webhook {asked.target} is not reachable: {error!r}") from error
        if not httpx.codes.is_success(status):
            for_good = not httpx.codes.is_server_error(status) and status not in LATER
            raise Undelivered(f"webhook {asked.target} answered {status}", for_good=for_good)


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    return secret.encode()
