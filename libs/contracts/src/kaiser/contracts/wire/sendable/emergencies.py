"""Emergency stop (wire contract, sections 5.5, 22)."""

from typing import Final

from kaiser.contracts.wire.sendable.draft import Draft, ForbiddenError, fits_pool, one_of, only, optional_text, text

POOL: Final = 256
"""Bytes in which ``dec`` parses the broadcast, and ``head`` a message to itself."""

STOPS: Final = ("stop_all", "emergency_stop")


def broadcast(draft: Draft) -> None:
    """A stop and nothing else, small enough for ``dec`` and strict enough for ``head``, whoever is meant to hear it."""
    body = draft.body
    only(body, "command", "action", "reason", "issued_by", "timestamp", "auth_token")
    words = {one_of(body, name, STOPS) for name in ("command", "action") if name in body}
    if not words:
        raise ForbiddenError("neither command nor action: dec stops at it, head refuses it")
    if len(words) > 1:
        raise ForbiddenError("command and action disagree")
    for name in ("reason", "issued_by", "timestamp", "auth_token"):
        if name in body and not isinstance(body[name], str):
            raise ForbiddenError(f"{name} is not a string: head refuses the stop, dec obeys it")
    fits_pool(body, POOL)


def device(draft: Draft) -> None:
    """Stop or clear one ``head`` device."""
    if draft.dec:
        raise ForbiddenError("dec swallows it without a word; send OFF to each actuator")
    one_of(draft.body, "command", ("emergency_stop", "clear_emergency"))
    only(draft.body, "command", "auth_token", "correlation_id")
    optional_text(draft.body, "correlation_id")
    if "auth_token" in draft.body:
        text(draft.body, "auth_token", longest=64)
    fits_pool(draft.body, POOL)
