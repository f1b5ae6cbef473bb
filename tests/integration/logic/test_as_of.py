"""What rules were, told by logic; none of it needs the database."""

from tests.integration.logic.site import below, rule, switch

from kaiser.contracts import subjects
from kaiser.contracts.logic import DefineRule, DisableRule, EnableRule, RemoveRule, RuleQuery
from kaiser.contracts.past import StateAtQuery
from kaiser.eventlog import message_at, now_us

STATE_AT = subjects.query("logic", "state_at")


async def test_a_rule_was_in_the_version_that_was_live_then(site, new_logic):
    new_logic().start()
    await site.has_device()
    about = {"rule_id": "water", "by": "eva"}
    seqs = [
        (await site.orders(name, order))["seq"]
        for name, order in (
            ("define", DefineRule(rule=rule(below(30), switch("ON")), enable=True, reason="first", **about)),
            ("define", DefineRule(rule=rule(below(20), switch("ON")), **about)),
            ("enable", EnableRule(version=2, **about)),
            ("disable", DisableRule(**about)),
        )
    ]
    moments = [(await message_at(site.log, "LOGIC", seq)).stored_at for seq in seqs]

    async def was(at: int, seq: int = 0) -> dict:
        reply = await site.ask(STATE_AT, StateAtQuery(kind="rule", name="water", at=at, seq=seq))
        return reply.ok if reply.problem is None else {"code": reply.problem.code}

    found = [await was(at) for at in moments]
    assert [(each["state"]["version"], each["state"]["newest"], each["state"]["live"]) for each in found] == [
        (1, 1, 1), (1, 2, 1), (2, 2, 2), (2, 2, 0),
    ]  # fmt: skip
    assert [each["seq"] for each in found] == seqs
    assert [await was(now_us(), seq) for seq in seqs] == found
    assert (found[0]["state"]["reason"], found[0]["events"], found[0]["stream"]) == ("first", 2, "LOGIC")
    live = await site.asked("rule", RuleQuery(rule_id="water", at_least=seqs[-1]))
    state = (await was(now_us()))["state"]
    assert state.pop("removed") is False
    assert state == {name: live[name] for name in state}
    await site.orders("remove", RemoveRule(**about))
    assert (await was(now_us()))["state"]["removed"] is True
    assert await was(1) == {"code": "EVENT_NOT_FOUND"}
    for kind, name, code in (("rule", "nobody", "EVENT_NOT_FOUND"), ("toy", "x", "VALUE_OUT_OF_RANGE")):
        reply = await site.ask(STATE_AT, StateAtQuery(kind=kind, name=name, at=now_us()))
        assert reply.problem.code == code
