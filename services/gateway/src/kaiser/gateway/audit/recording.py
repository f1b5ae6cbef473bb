"""Notes every request that asks for a change, when its answer is made and before it is sent."""

from typing import Any, Final

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kaiser.contracts.events.identity import Audited
from kaiser.eventlog import now_us
from kaiser.gateway.api.authorisation import PREFIX, TABLE, route_of
from kaiser.gateway.audit.trail import Trail
from kaiser.gateway.tokens import Principal

LOOKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CHANGES_NOTHING: Final = frozenset({"POST /auth/refresh", "POST /auth/ws-ticket", "POST /rule-templates/{name}"})
"""Routes that change nothing though they are no GET, or are in the log as events of their session."""
CLAIMED: Final = "claimed"
"""Where a route of somebody who has not said who they are leaves whom it is about, in the state of its request."""
LONGEST_PATH: Final = 512
LARGEST_ANSWER: Final = 64 * 1024


class Claimed(msgspec.Struct, frozen=True):
    """Whom a login is about.

    Attributes:
        username: As typed.
        user_id: Empty where it failed.
        via: Session that it began.
    """

    username: str
    user_id: str = ""
    via: str = ""


class _Told(msgspec.Struct, frozen=True):
    """What an answer says of what it was about."""

    code: str = ""
    seq: int = 0
    command_id: str = ""
    emergency_id: str = ""
    alert_id: str = ""
    rule_id: str = ""
    key_id: str = ""
    letter_id: str = ""
    user_id: str = ""
    esp_id: str = ""

    @property
    def subject(self) -> str:
        """The most particular of them."""
        ids = (self.command_id, self.emergency_id, self.alert_id, self.rule_id, self.key_id, self.letter_id)
        return next((each for each in (*ids, self.user_id, self.esp_id) if each), "")


_decode = msgspec.json.Decoder(_Told).decode


class Recording:
    """The application, with an entry in the audit for whatever asks for a change.

    The answer is held back until the entry is in the log, so that nobody has an answer to what is not noted. Requests
    of nobody in particular are none, nor are those of who asks too much: they came to nothing, and would fill the log
    for whoever sends many.

    Args:
        app: The application.
        trail: Where entries go.
    """

    def __init__(self, app: ASGIApp, trail: Trail) -> None:
        self._app = app
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if not _asks_for_change(scope):
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                if (entry := _entry(scope, held)) is not None:
                    await self._trail.record(entry)
                for each in held:
                    await send(each)

        await self._app(scope, receive, hold)


def _asks_for_change(scope: Any) -> bool:  # as below
    return scope["type"] == "http" and scope["method"] not in LOOKING and scope["path"].startswith(PREFIX)


def _entry(scope: Any, answer: list[Message]) -> Audited | None:  # litestar's scope is of two types
    who = _who(scope)
    status = next((message["status"] for message in answer if message["type"] == "http.response.start"), 500)
    route = route_of(scope["method"], scope.get("path_template", ""))
    if who is None or status == 429 or route in CHANGES_NOTHING or (status == 503 and isinstance(who, Claimed)):
        return None
    told = _told(b"".join(message.get("body", b"") for message in answer if message["type"] == "http.response.body"))
    client = scope.get("client")
    return Audited(
        number=0,
        previous="",
        username=who.username,
        user_id=who.user_id,
        via=who.via,
        address=client[0] if client else "",
        method=scope["method"],
        path=scope["path"][:LONGEST_PATH],
        route=route if route in TABLE else "",
        status=status,
        code=told.code,
        subject=told.subject,
        seq=told.seq,
        at=now_us(),
    )


def _who(scope: Any) -> Principal | Claimed | None:
    principal = scope.get("user")
    if isinstance(principal, Principal):
        return principal
    claimed = scope.get("state", {}).get(CLAIMED)
    return claimed if isinstance(claimed, Claimed) else None


def _told(body: bytes) -> _Told:
    if len(body) > LARGEST_ANSWER:
        return _Told()
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return _Told()
