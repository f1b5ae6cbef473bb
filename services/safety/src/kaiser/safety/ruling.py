"""Decides on the requests of a batch, each with what was decided on those before it. Pure."""

from collections.abc import Callable, Sequence

from kaiser.contracts.events.actuation import CommandRequested
from kaiser.contracts.events.safeguards import CommandApproved
from kaiser.contracts.streams import SAFETY
from kaiser.safety.deciding import decide, decision
from kaiser.safety.events import Fact
from kaiser.safety.folding import fold_safety
from kaiser.safety.state import State

Numbered = tuple[int, CommandRequested]
"""Sequence in ACTUATORS and request."""


def rule(
    state: State, requests: Sequence[Numbered], decided: Callable[[str], bool], now: int, *, lease_until: int
) -> Sequence[Fact]:
    """Decisions on the requests that are not decided; those that wait for their device get none.

    Args:
        state: What is known; it stays as it is.
        requests: In the order of their stream.
        decided: Whether a command was decided, by its id.
        now: Unix microseconds.
        lease_until: Until when this instance may decide, unix microseconds.
    """
    facts: list[Fact] = []
    trial = state
    for i, (seq, request) in enumerate(requests):
        if decided(request.command_id):
            continue
        verdict = decide(trial, request, now, lease_until=lease_until)
        if verdict.outcome == "deferred":
            continue
        made = decision(verdict, request, seq, now)
        facts.append(made)
        if isinstance(made, CommandApproved) and i + 1 < len(requests):
            if trial is state:
                trial = state.copy()
            fold_safety(trial, trial.seqs.get(SAFETY.name, 0) + 1, made)
    return facts
