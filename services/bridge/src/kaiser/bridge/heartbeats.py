"""The answer to a ``head`` device's heartbeat: small, exact and at once (wire contract, section 5.8).

Without it the device publishes no reading, and after 120 s it switches its actuators off.
"""

from typing import Final, Literal

from kaiser.bridge.profiles import Approval, Profile
from kaiser.contracts.wire import Heartbeat, HeartbeatAck

_STATUS: Final[dict[Approval, Literal["approved", "pending_approval", "rejected"]]] = {
    "approved": "approved",
    "pending": "pending_approval",
    "rejected": "rejected",
}


def acknowledgement(heartbeat: Heartbeat, profile: Profile | None, now_us: int) -> HeartbeatAck | None:
    """What to answer; None to ``dec`` devices, which do not listen.

    An unknown device is answered as pending, which opens its registration gate; ``rejected`` is only ever said of a
    device that somebody rejected, for it stops the device for good. The epoch is the one that the device counts as
    active, else the one it announced, else 1.

    Args:
        heartbeat: The device's heartbeat.
        profile: What is known of the device.
        now_us: Unix microseconds.
    """
    if not heartbeat.boot_sequence_id and heartbeat.active_handover_epoch is None:
        return None
    announced = profile.announced_epoch if profile else 0
    return HeartbeatAck(
        status=_STATUS[profile.approval if profile else "pending"],
        handover_epoch=heartbeat.active_handover_epoch or announced or 1,
        server_time=now_us // 1_000_000,
        config_available=False,
    )
