"""That Kaiser is there: heartbeat acknowledgement and server status (wire contract, section 5.8)."""

from typing import Final

from kaiser.contracts.wire.plausibility import CLOCK_FROM_S, CLOCK_TO_S
from kaiser.contracts.wire.sendable.draft import (
    U32_MAX,
    Draft,
    ForbiddenError,
    boolean,
    fits_pool,
    integer,
    one_of,
    only,
    optional_text,
)

POOL: Final = 256


def heartbeat_ack(draft: Draft) -> None:
    """Exactly the four fields, with an integer epoch; all else leaves the registration gate shut."""
    if draft.dec:
        raise ForbiddenError("dec does not listen to acknowledgements")
    body = draft.body
    only(body, "status", "handover_epoch", "server_time", "config_available")
    one_of(body, "status", ("approved", "online", "pending_approval", "rejected"))
    integer(body, "handover_epoch", 1, U32_MAX)
    if "server_time" in body:
        integer(body, "server_time", CLOCK_FROM_S, CLOCK_TO_S)
    if "config_available" in body:
        boolean(body, "config_available")
    fits_pool(body, POOL)


def server_status(draft: Draft) -> None:
    """Online or offline, with the time."""
    only(draft.body, "status", "timestamp", "reason")
    one_of(draft.body, "status", ("online", "offline"))
    integer(draft.body, "timestamp", 0, U32_MAX)
    optional_text(draft.body, "reason")
