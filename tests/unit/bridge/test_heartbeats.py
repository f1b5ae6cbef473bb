"""A heartbeat is answered with four exact fields, and nobody is rejected by default."""

import msgspec
import pytest

from kaiser.bridge.heartbeats import acknowledgement
from kaiser.bridge.profiles import Profile
from kaiser.contracts.wire import Heartbeat, HeartbeatAck

NOW = 1_777_500_001_999_999


def _heartbeat(**facts: object) -> Heartbeat:
    return Heartbeat(ts=1777500001, uptime=6, heap_free=161200, wifi_rssi=-55, **facts)


def test_a_dec_device_gets_no_answer() -> None:
    assert acknowledgement(_heartbeat(), Profile(kaiser_id="god"), NOW) is None


def test_an_unknown_device_is_pending_and_never_rejected() -> None:
    answer = acknowledgement(_heartbeat(active_handover_epoch=0, boot_sequence_id="b1"), None, NOW)
    assert answer == HeartbeatAck(
        status="pending_approval", handover_epoch=1, server_time=1777500001, config_available=False
    )


@pytest.mark.parametrize(("active", "announced", "epoch"), [(3, 5, 3), (0, 5, 5), (0, 0, 1), (7, 0, 7)])
def test_the_active_epoch_comes_first_then_the_announced_one_then_one(active: int, announced: int, epoch: int) -> None:
    profile = Profile(kaiser_id="god", approval="approved", announced_epoch=announced)
    answer = acknowledgement(_heartbeat(active_handover_epoch=active, boot_sequence_id="b1"), profile, NOW)
    assert answer is not None
    assert answer.handover_epoch == epoch


def test_the_answer_fits_the_devices_pool() -> None:
    """Four fields stay below 124 bytes of text (wire contract, section 5.8)."""
    answer = acknowledgement(_heartbeat(active_handover_epoch=2**32 - 1, boot_sequence_id="b1"), None, NOW)
    assert len(msgspec.json.encode(answer)) < 124
