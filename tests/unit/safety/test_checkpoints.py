"""What an instance goes on from is what it would have read."""

import pytest

from kaiser.contracts.events.safeguards import LimitsSet
from kaiser.safety import checkpoints
from kaiser.safety.checkpoints import Checkpoint

LIMITS = LimitsSet(at=1, by="eva", esp_id="ESP_0A1B2C", gpio=25, limits=None, reason="r")
NOTHING = {name: [] for name in ("outputs", "guards", "emergency", "released", "covered", "undecided", "decided")}


def checkpoint() -> Checkpoint:
    facts = checkpoints.packed([(0, LIMITS), (9, LIMITS), (3, LIMITS)])
    return Checkpoint(actuators_seq=5, safety_seq=9, decided_to=4, facts=facts, **NOTHING)


def test_a_checkpoint_survives_its_bytes():
    made = checkpoints.from_bytes(checkpoints.to_bytes(checkpoint()))
    assert (made.actuators_seq, made.safety_seq, made.decided_to) == (5, 9, 4)
    assert list(checkpoints.unpacked(made.facts)) == [(3, LIMITS), (9, LIMITS), (0, LIMITS)]


def test_bytes_that_are_no_checkpoint_are_refused():
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoints.from_bytes(b"rubbish")


def test_a_fingerprint_is_the_same_in_every_process_of_one_version():
    assert checkpoints.fingerprint() == checkpoints.fingerprint()
    assert checkpoints.fingerprint().startswith(f"{checkpoints.VERSION}.")
