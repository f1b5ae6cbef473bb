"""Why a rule ran, or did not, at a moment of the past, in words: from what was recorded and what the log shows."""

from collections.abc import Sequence

import msgspec

from kaiser.contracts.events.logic import Cause, RuleSkipped, RunEnded, RunStarted, StepEnded
from kaiser.contracts.logic import Explanation, RunView
from kaiser.contracts.rules import Rule
from kaiser.logic.definitions import Life
from kaiser.logic.explaining import moment, why
from kaiser.logic.times import SECOND


def why_it_ran(view: RunView) -> Explanation:
    """Why there was a run, and what became of it.

    Args:
        view: With its decisions.
    """
    seen, steps, ended = None, list[StepEnded](), None
    for told in view.decisions:
        if told.type == RunStarted.TYPE:
            seen = msgspec.convert(told.decision, RunStarted).seen
        elif told.type == StepEnded.TYPE:
            steps.append(msgspec.convert(told.decision, StepEnded))
        elif told.type == RunEnded.TYPE:
            ended = msgspec.convert(told.decision, RunEnded)
    began = f"Run {view.run_id} of {_branch(view)} began at {moment(view.started_at)}"
    sentences = [f"{began} because of {_cause(view.cause)}."]
    if seen is not None:
        truth = {True: "true", False: "not true", None: "not known"}[seen.truth]
        sentences.append(f"Its condition was {truth}: {why(seen)}.")
    sentences += [
        f"Step {step.step} ({step.path}) {_past(step.outcome)}{_because(step.code, step.detail)}."
        for step in steps
        if step.outcome != "succeeded"
    ]
    if ended is None:
        sentences.append("It is under way.")
    else:
        reason = _because(ended.code, ended.detail)
        sentences.append(f"It {_past(ended.outcome)} at {moment(ended.at)} after {ended.steps} steps{reason}.")
    return Explanation(
        rule_id=view.rule_id,
        version=view.version,
        at=view.started_at,
        verdict="running" if ended is None else "ran",
        sentence=" ".join(sentences),
        seen=seen,
        run_id=view.run_id,
    )


def why_it_was_skipped(view: RunView) -> Explanation:
    """Why there was no run though something asked for one."""
    skipped = msgspec.convert(view.decisions[0].decision, RuleSkipped)
    until = f" until {moment(skipped.until)}" if skipped.until else ""
    sentence = f"{_cause(skipped.cause).capitalize()} asked for it at {moment(skipped.at)}, and it did not run: "
    sentence += f"{skipped.reason.replace('_', ' ')}{until}{f' ({skipped.detail})' if skipped.detail else ''}."
    if skipped.seen is not None and skipped.seen.truth is not True:
        truth = "not true" if skipped.seen.truth is False else "not known"
        sentence += f" Its condition was {truth}: {why(skipped.seen)}."
    return Explanation(
        rule_id=view.rule_id,
        version=view.version,
        at=skipped.at,
        verdict=skipped.reason,
        sentence=sentence,
        seen=skipped.seen,
        until=skipped.until,
    )


def without_a_version(life: Life, rule_id: str, at: int) -> Explanation | None:
    """Why a rule did nothing that was not live then; None where it was.

    Args:
        life: What had become of it by then.
        rule_id: Its id.
        at: The moment, unix microseconds.
    """
    if life.live:
        return None
    if not life.versions:
        verdict, sentence = "unknown", f"There was no such rule at {moment(at)}."
    elif life.removed:
        verdict, sentence = "removed", f"It was removed by {moment(at)}."
    else:
        verdict, sentence = "disabled", f"It was disabled at {moment(at)}."
    return Explanation(rule_id=rule_id, version=0, at=at, verdict=verdict, sentence=sentence)


def judged(look: Explanation, recorded: Sequence[RunView], rule: Rule, at: int) -> Explanation:
    """Why it did what it did at a moment.

    Args:
        look: What its condition was, by the log of the time before.
        recorded: Runs and skips that began by then, the latest first.
        rule: The version that was live.
        at: The moment, unix microseconds.
    """
    found = msgspec.structs.replace(look, at=at)
    exact = next((view for view in recorded if view.started_at == at), None)
    if exact is not None and exact.outcome == "skipped":
        return why_it_was_skipped(exact)
    runs = [view for view in recorded if view.run_id]
    under_way = next((view for view in runs if not 0 < view.ended_at <= at), None)
    if under_way is not None:
        since = moment(under_way.started_at)
        sentence = f"Run {under_way.run_id} of {_branch(under_way)} was under way since {since}."
        return msgspec.structs.replace(found, verdict="running", sentence=sentence, run_id=under_way.run_id)
    if look.seen is not None and look.seen.truth is not True:
        word = "not true" if look.seen.truth is False else "not known"
        verdict = "condition_false" if look.seen.truth is False else "condition_unknown"
        sentence = f"Its condition was {word}: {why(look.seen)}."
        return msgspec.structs.replace(found, verdict=verdict, sentence=sentence, until=0)
    return _held_back(found, recorded, runs, rule, at)


def _held_back(
    found: Explanation, recorded: Sequence[RunView], runs: Sequence[RunView], rule: Rule, at: int
) -> Explanation:
    """Why it did not run though its condition was true."""
    last = next(iter(recorded), None)
    if last is not None and last.outcome == "skipped":
        skipped = msgspec.convert(last.decisions[0].decision, RuleSkipped)
        if not rule.triggers and (skipped.until == 0 or skipped.until > at):
            told = why_it_was_skipped(last)
            return msgspec.structs.replace(told, at=at, seen=found.seen)
    latest = next(iter(runs), None)
    if latest is not None and not rule.triggers and latest.branch == "then":
        sentence = f"It had run at {moment(latest.started_at)} ({latest.run_id}) for what was still true."
        return msgspec.structs.replace(found, verdict="acted", sentence=sentence, run_id=latest.run_id, until=0)
    cooled = 0 if latest is None else latest.started_at + rule.cooldown_s * SECOND
    if cooled > at:
        sentence = f"It was held back by its cooldown until {moment(cooled)}."
        return msgspec.structs.replace(found, verdict="cooldown", sentence=sentence, until=cooled)
    words = "It waited for what sets it off" if rule.triggers else "Nothing kept it from running"
    return msgspec.structs.replace(
        found, verdict="waiting" if rule.triggers else "runs", sentence=f"{words} at {moment(at)}."
    )


def _branch(view: RunView) -> str:
    return "its actions" if view.branch == "then" else "what it does otherwise"


def _cause(cause: Cause) -> str:
    where = f" ({cause.stream} {cause.seq})" if cause.stream else ""
    return " ".join(filter(None, (cause.kind, cause.what))) + where


def _because(code: str, detail: str) -> str:
    words = ", ".join(filter(None, (code, detail)))
    return f": {words}" if words else ""


def _past(outcome: str) -> str:
    return {"yielded": "gave way", "timed_out": "timed out", "cancelled": "was cancelled"}.get(outcome, outcome)
