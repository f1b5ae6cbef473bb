"""Why a rule runs, or does not: in words, with what it saw."""

from datetime import UTC, datetime

import msgspec

from kaiser.contracts.events.logic import Seen
from kaiser.contracts.logic import Explanation
from kaiser.logic.core import Core
from kaiser.logic.live import LiveRule
from kaiser.logic.settling import Settling
from kaiser.logic.times import NEVER, SECOND


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a rule is at the engine's moment; fields as of ``RuleView``."""

    truth: bool | None
    active: bool
    blocked_until: int
    last_run_at: int
    running: list[str]
    damped: dict[str, int]


def standing(core: Core, settling: Settling, rule: LiveRule) -> Standing:
    """How a live rule is."""
    obstacle = settling.obstacle(rule)
    damped = {
        f"{key[0]}/{key[1]}": until
        for key in core.claims.damped
        if (until := core.claims.damped_until(key, rule.rule_id, core.clock))
    }
    return Standing(
        truth=rule.state.truth,
        active=rule.active,
        blocked_until=0 if obstacle is None else obstacle.until,
        last_run_at=rule.state.started_at,
        running=[run.run_id for run in rule.runs],
        damped=damped,
    )


def explain(core: Core, settling: Settling, rule_id: str) -> Explanation:
    """Why a rule does what it does at the engine's moment."""
    rule = core.rules.get(rule_id)
    if rule is None or rule.state.leaving:
        known = core.definitions.get(rule_id)
        verdict, sentence = (
            ("disabled", "It is disabled.") if known is not None else ("unknown", "There is no such rule.")
        )
        if rule_id in core.broken:
            verdict, sentence = "broken", f"It cannot be evaluated: {core.broken[rule_id]}."
        return Explanation(rule_id=rule_id, version=0, at=core.clock, verdict=verdict, sentence=sentence)
    verdict, sentence, until = _verdict(core, settling, rule)
    return Explanation(
        rule_id=rule_id,
        version=rule.state.version,
        at=core.clock,
        verdict=verdict,
        sentence=sentence,
        seen=settling.seen(rule, aside=True),
        until=until,
        run_id=rule.runs[-1].run_id if rule.runs else "",
    )


def _verdict(core: Core, settling: Settling, rule: LiveRule) -> tuple[str, str, int]:
    state, seen = rule.state, settling.seen(rule, aside=True)
    truth = True if seen is None else seen.truth
    if rule.runs:
        return "running", f"Run {rule.runs[-1].run_id} is under way since {moment(rule.runs[-1].started_at)}.", 0
    if truth is not True and seen is not None:
        word = "not true" if truth is False else "not known"
        return (
            ("condition_false" if truth is False else "condition_unknown"),
            f"Its condition is {word}: {why(seen)}.",
            0,
        )
    if rule.by_condition and state.acted:
        again = f" and runs again at {moment(state.again_at)}" if state.again_at else ""
        return "acted", f"It ran at {moment(state.started_at)} for what is still true{again}.", state.again_at
    if (obstacle := settling.obstacle(rule)) is not None:
        until = f" until {moment(obstacle.until)}" if obstacle.until else ""
        detail = f" ({obstacle.detail})" if obstacle.detail else ""
        return (
            obstacle.reason,
            f"It is held back by {obstacle.reason.replace('_', ' ')}{until}{detail}.",
            obstacle.until,
        )
    if rule.by_condition:
        words = "" if seen is None else f": {why(seen)}"
        return "runs", f"It runs now{words}.", 0
    due = min(state.due.values(), default=NEVER)
    if due < NEVER:
        return "waiting", f"It waits for its trigger, which comes next at {moment(due)}.", due
    return "waiting", f"It waits for what sets it off; {moment(core.clock)} is now.", 0


def why(seen: Seen) -> str:
    """The parts of a condition that make it what it is, in words."""
    if not seen.parts or seen.kind in {"sustained", "difference"}:
        return leaf(seen)
    if seen.kind == "not":
        return f"not so that {why(seen.parts[0])}"
    decisive = [part for part in seen.parts if part.truth is seen.truth] or list(seen.parts)
    return "; ".join(why(part) for part in decisive)


def leaf(seen: Seen) -> str:
    """One condition in words."""
    value = (
        "" if seen.value is None else f" is {seen.value:g}" if isinstance(seen.value, float) else f" is {seen.value}"
    )
    what = seen.what or seen.kind
    against = f", asked for is {seen.against}" if seen.against else ""
    note = f" ({seen.note})" if seen.note else ""
    inner = f", where {why(seen.parts[0])}" if seen.kind == "sustained" and seen.parts else ""
    return f"{what}{value}{against}{note}{inner}"


def moment(at: int) -> str:
    """A time in words."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
