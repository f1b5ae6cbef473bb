"""Decides on the requests of a batch, each with what was decided on those before it. Pure."""

from collections.abc import Sequence

import structlog

from kaiser.contracts.codes import Code
from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.safeguards import CommandApproved
from kaiser.contracts.streams import SAFETY
from kaiser.safety.deciding import Verdict, decide, decision
from kaiser.safety.events import Fact
from kaiser.safety.folding import fold_safety
from kaiser.safety.state import State

_log = structlog.get_logger(__name__)

Numbered = tuple[int, CommandRequested]
"""Sequence in ACTUATORS and request."""


def rule(state: State, requests: Sequence[Numbered], now: int, *, lease_until: int) -> Sequence[Fact]:
    """Decisions on requests; those that wait for their device get none.

    Args:
        state: What is known; it stays as it is.
        requests: In the order of their stream.
        now: Unix microseconds.
        lease_until: Until when this instance may decide, unix microseconds.
    """
    facts: list[Fact] = []
    trial = state
    for i, (seq, request) in enumerate(requests):
        verdict = _verdict(trial, request, now, lease_until)
        if verdict.outcome == "deferred":
            continue
        made = decision(verdict, request, seq, now)
        facts.append(made)
        if isinstance(made, CommandApproved) and i + 1 < len(requests):
            if trial is state:
                trial = state.copy()
            fold_safety(trial, trial.seqs.get(SAFETY.name, 0) + 1, made)
    return facts


def _verdict(state: State, request: CommandRequested, now: int, lease_until: int) -> Verdict:
    try:
        return decide(state, request, now, lease_until=lease_until)
    except Exception as error:  # noqa: BLE001  # one command that cannot be decided must not keep all others from it
        _log.exception("a command cannot be decided", command_id=request.command_id)
        words = f"it cannot be decided: {error!r}"
        return Verdict(outcome="rejected", rule="undecidable", code=Code.SERVICE_ERROR, detail=words)
