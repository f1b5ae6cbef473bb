"""What the parts of the state together say about one actuator. Pure, and without time: only events change it."""

from typing import Final

from kaiser.contracts.events.safeguards import ActuatorRef, Limits
from kaiser.roster import Member
from kaiser.safety.state import Guard, Output, State, View

MW_PER_W: Final = 1000


def refresh(state: State, ref: ActuatorRef) -> None:
    """Derive the view of an actuator anew; a new one is found by its device and its zones from now on."""
    if ref not in state.views:
        state.pins[ref.esp_id] = state.pins.get(ref.esp_id, frozenset()) | {ref.gpio}
        for zone in state.member(ref.esp_id).zones:
            state.zones[zone] = state.zones.get(zone, frozenset()) | {ref}
    output, guard, member = state.output(ref), state.guard(ref), state.member(ref.esp_id)
    state.views[ref] = see(output, guard, member, state.limits(ref))


def see(output: Output, guard: Guard, member: Member, limits: Limits) -> View:
    """What is known of an actuator.

    Args:
        output: As ACTUATORS tells it.
        guard: As SAFETY tells it.
        member: Its device.
        limits: What it may do.
    """
    away_at = max(member.lost_at, member.booted_at)
    known = output.level is not None and member.online and output.reported_at > away_at
    reported = output.level or 0.0
    pending = _pending(output, guard)
    since = min((at for at in (output.on_since, guard.run_since if pending else 0) if at), default=0)
    evident = bool(since)
    level = max(
        reported,
        guard.approved_level if pending else 0.0,
        output.sent_level if output.on_since else 0.0,
    )
    going_off = guard.stop is not None or (output.command_level <= 0 and not output.ended)
    sure = known and reported > 0 and output.reported_on_since > 0 and not going_off
    may_be = level if known else 1.0
    return View(
        known=known,
        possible=evident or not known,
        evident=evident,
        since=since,
        sure=sure,
        sure_since=max(output.reported_on_since, away_at) if sure else 0,
        interrupted=bool(output.on_since) and output.on_since <= member.lost_at,
        level=may_be,
        draw_mw=round(limits.power_w * may_be * MW_PER_W),
        evident_mw=round(limits.power_w * level * MW_PER_W) if evident else 0,
    )


def _pending(output: Output, guard: Guard) -> bool:
    """Whether an approval may still switch it on, beyond what ACTUATORS tells: it is not under way, and has no end.

    A later request has superseded it; a request that was not folded yet may have done anything.
    """
    if guard.approved_seq > output.command_seq:
        return True
    if guard.approved_seq < output.command_seq or guard.approved_seq == 0:
        return False
    return not output.ended and not output.dispatched
