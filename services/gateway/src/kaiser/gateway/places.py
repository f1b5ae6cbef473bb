"""Who is confined to zones sees and reaches what is in them, and nothing else: not even that there is more."""

import asyncio
import contextlib
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import msgspec
from litestar import Response
from litestar.datastructures import State

from kaiser.contracts.codes import Code
from kaiser.contracts.events.safeguards import Scope
from kaiser.contracts.refusals import Refusal
from kaiser.gateway.api.views import PageView
from kaiser.roster import Roster
from kaiser.service import health

T = TypeVar("T", bound=msgspec.Struct)

KNOWN_WITHIN_S: Final = 4.0

ASKING: Final[ContextVar["Confined | None"]] = ContextVar("asking", default=None)
"""Who is asking, in the task of a request, where that is somebody who is confined."""


class Places:
    """Knows where devices are.

    Args:
        roster: The devices, as the log has them.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def finding(self) -> health.Finding:
        """Whether all devices are known: who is confined to zones would miss those that are not."""
        if self._roster.caught_up:
            return health.Finding(health.State.OK, f"{len(self._roster)} devices")
        return health.Finding(health.State.STARTING, "reading which devices are where")

    async def known(self) -> None:
        """Wait for the devices to be known, for a while; one that is not is nowhere."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KNOWN_WITHIN_S):
                await self._roster.wait_caught_up()

    def zone_of(self, esp_id: str) -> str:
        """The zone that a device is in; empty for none."""
        return self._roster.get(esp_id).zone_id


class Confined(msgspec.Struct, frozen=True):
    """Somebody who is confined to zones.

    Attributes:
        zones: To which.
        places: Where devices are.
    """

    zones: frozenset[str]
    places: Places

    def reaches(self, esp_id: str) -> bool:
        """Whether a device is in one of the zones."""
        return self.places.zone_of(esp_id) in self.zones

    def covers(self, scope: Scope) -> bool:
        """Whether all that a stop is about is in the zones."""
        if scope.esp_id is not None:
            return self.reaches(scope.esp_id)
        return scope.kind == "zone" and scope.zone_id in self.zones

    def holds(self, devices: list[str]) -> bool:
        """Whether something is about devices in the zones, and about no others."""
        return bool(devices) and all(self.reaches(esp_id) for esp_id in devices)

    def sees(self, item: msgspec.Struct) -> bool:
        """Whether an item of an answer is shown: by its devices, else by its zone, else by the scope of a stop.

        A stop of the whole site is shown, for it concerns everybody.
        """
        esp_id, zone_id = getattr(item, "esp_id", None), getattr(item, "zone_id", None)
        scope, devices = getattr(item, "scope", None), getattr(item, "touches", None)
        if isinstance(devices, list):
            return self.holds(devices)
        if isinstance(esp_id, str):
            return self.reaches(esp_id)
        if isinstance(zone_id, str):
            return zone_id in self.zones
        return isinstance(scope, Scope) and (scope.kind in ("site", "kaiser") or self.covers(scope))


def not_there(esp_id: str) -> Refusal:
    """What is said of a device that is outside, which is what is said of one that is not at all."""
    return Refusal(Code.ESP_DEVICE_NOT_FOUND, f"no device {esp_id} is registered", "esp_id")


def must_reach(esp_id: str) -> None:
    """Refuse what reaches out of the zones of whoever asks.

    Raises:
        Refusal: ESP_DEVICE_NOT_FOUND.
    """
    confined = ASKING.get()
    if confined is not None and not confined.reaches(esp_id):
        raise not_there(esp_id)


def must_hold(rule_id: str, devices: list[str]) -> None:
    """Refuse a rule that is about anything else than what is in the zones of whoever asks.

    Raises:
        Refusal: RULE_NOT_FOUND.
    """
    confined = ASKING.get()
    if confined is not None and not confined.holds(devices):
        raise Refusal(Code.RULE_NOT_FOUND, f"there is no rule {rule_id}", "rule_id")


def must_be_in(zone_id: str) -> None:
    """Refuse a zone that is none of whoever asks.

    Raises:
        Refusal: OUTSIDE_ZONES.
    """
    confined = ASKING.get()
    if confined is not None and zone_id not in confined.zones:
        raise Refusal(Code.OUTSIDE_ZONES, f"{zone_id!r} is none of your zones", "zone_id")


def must_cover(scope: Scope) -> None:
    """Refuse a stop of more than the zones of whoever asks.

    Raises:
        Refusal: OUTSIDE_ZONES, or ESP_DEVICE_NOT_FOUND.
    """
    confined = ASKING.get()
    if confined is None or confined.covers(scope):
        return
    if scope.esp_id is not None:
        raise not_there(scope.esp_id)
    raise Refusal(Code.OUTSIDE_ZONES, f"{scope.words()} is more than your zones", "scope")


def theirs(found: list[T], missing: Refusal) -> T:
    """The one thing that was found, if whoever asks may see it.

    Args:
        found: One, or none.
        missing: What is told where there is none, and in the same words where it is outside.

    Raises:
        Refusal: ``missing``.
    """
    confined = ASKING.get()
    if not found or not (confined is None or confined.sees(found[0])):
        raise missing
    return found[0]


async def shown(response: Response[Any]) -> Response[Any]:
    """An answer without what whoever asks does not see.

    Raises:
        Refusal: ESP_DEVICE_NOT_FOUND: it is about one thing, and that is outside.
    """
    confined, content = ASKING.get(), response.content
    if confined is None:
        return response
    if isinstance(content, PageView):
        response.content = PageView([item for item in content.items if confined.sees(item)], content.next_cursor)
    elif isinstance(esp_id := getattr(content, "esp_id", None), str) and not confined.reaches(esp_id):
        raise not_there(esp_id)
    return response


def confine(state: State, zones: frozenset[str]) -> Confined | None:
    """Note in the task of a request who is asking; None for who is not confined."""
    confined = Confined(zones, state.places) if zones else None
    ASKING.set(confined)
    return confined
