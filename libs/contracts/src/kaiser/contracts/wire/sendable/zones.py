"""Zones and subzones (wire contract, sections 5.3, 5.4)."""

from typing import Final

from kaiser.contracts.ids import is_kaiser_id, is_name
from kaiser.contracts.wire.sendable.draft import (
    INPUTS_DEC,
    INPUTS_HEAD,
    Body,
    Draft,
    ForbiddenError,
    boolean,
    fits_pool,
    one_of,
    optional_integer,
    optional_text,
    text,
)

DEC_MAX_BYTES: Final = 350
DEC_POOL: Final = 512
MAX_NAME: Final = 64
FALLBACK_KAISER_ID: Final = "god"
"""Where a ``dec`` device without a kaiser id listens for its first assignment."""


def zone_assign(draft: Draft) -> None:
    """All four strings, every time: what is missing or null becomes the text ``null`` on the device."""
    body = draft.body
    for name in ("zone_id", "master_zone_id", "zone_name", "kaiser_id"):
        if text(body, name, longest=MAX_NAME, empty=True) == "null":
            raise ForbiddenError(f"{name} is the text null, which stands for a missing one")
    for name in ("zone_id", "master_zone_id"):
        if body[name] and not is_name(body[name]):
            raise ForbiddenError(f"{name} {body[name]!r} is not 1 to 32 letters, digits, underscores and hyphens")
    if not body["zone_id"] and draft.dec:
        raise ForbiddenError("dec ignores an empty zone_id without an answer, and keeps its zone")
    kaiser_id = body["kaiser_id"]
    if not kaiser_id or not is_kaiser_id(kaiser_id):
        raise ForbiddenError(f"kaiser_id {kaiser_id!r} cannot stand in a topic, so the device would be lost")
    if not draft.topic.kaiser_id:
        raise ForbiddenError("a device without a kaiser id listens for its zone below god")
    if draft.topic.kaiser_id not in (kaiser_id, FALLBACK_KAISER_ID):
        raise ForbiddenError(
            f"moving from {draft.topic.kaiser_id} to {kaiser_id} leaves the device deaf until it reboots"
        )
    optional_integer(body, "timestamp")
    optional_text(body, "correlation_id", "intent_id")
    if draft.dec:
        if len(draft.payload) >= DEC_MAX_BYTES:
            raise ForbiddenError(f"{len(draft.payload)} bytes, dec is safe below {DEC_MAX_BYTES}")
        fits_pool(body, DEC_POOL)


def _subzone_id(body: Body) -> None:
    if not is_name(text(body, "subzone_id")):
        raise ForbiddenError("subzone_id is not 1 to 32 letters, digits, underscores and hyphens")


def subzone_assign(draft: Draft) -> None:
    """With ``safe_mode_active`` said: where it is missing, the device drops the outputs of the pins."""
    body = draft.body
    _subzone_id(body)
    if "subzone_name" in body:
        text(body, "subzone_name", longest=MAX_NAME, empty=True)
    parent = text(body, "parent_zone_id", empty=True)
    if parent and not is_name(parent):
        raise ForbiddenError(f"parent_zone_id {parent!r} is no zone's id")
    if "safe_mode_active" not in body:
        raise ForbiddenError("safe_mode_active is missing: the device takes it for true and drops running outputs")
    boolean(body, "safe_mode_active")
    pins = body.get("assigned_gpios")
    usable = INPUTS_DEC if draft.dec else INPUTS_HEAD
    if not isinstance(pins, list) or not pins:
        raise ForbiddenError("assigned_gpios is not an array of pins")
    for pin in pins:
        if type(pin) is not int or pin not in usable:
            raise ForbiddenError(f"pin {pin!r} is reserved or unknown to the device's pin table")
    if len(set(pins)) < len(pins):
        raise ForbiddenError("assigned_gpios names a pin twice")
    optional_integer(body, "timestamp")
    optional_text(body, "correlation_id", "intent_id")


def subzone_remove(draft: Draft) -> None:
    """Dissolve a subzone."""
    _subzone_id(draft.body)
    optional_text(draft.body, "correlation_id", "intent_id")


def subzone_safe(draft: Draft) -> None:
    """Safe mode of a subzone; only ``head`` listens."""
    if draft.dec:
        raise ForbiddenError("dec does not listen to subzone/safe")
    _subzone_id(draft.body)
    one_of(draft.body, "action", ("enable", "disable"))
    if "safe_mode" in draft.body:
        boolean(draft.body, "safe_mode")
    optional_text(draft.body, "correlation_id", "intent_id")
