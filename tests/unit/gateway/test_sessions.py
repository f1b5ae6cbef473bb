"""A revocation ends the sockets that it concerns, and no other."""

from kaiser.contracts.live import Close
from kaiser.gateway.sessions import Sessions
from kaiser.gateway.tokens import Principal


class _Session:
    def __init__(self, user_id: str) -> None:
        self.principal = Principal(user_id, user_id, "viewer", 0)
        self.ended: list[tuple[Close, str]] = []

    def end(self, code: Close, reason: str) -> None:
        self.ended.append((code, reason))

    def say_goodbye(self) -> None:
        self.end(Close.RESTARTING, "")


async def test_a_revocation_ends_those_that_it_concerns():
    sessions, ada, bob = Sessions(), _Session("ada"), _Session("bob")
    sessions.add(ada)
    sessions.add(bob)
    assert sessions.revoke(lambda principal: principal.user_id == "ada", "locked out") == 1
    assert ada.ended == [(Close.REVOKED, "locked out")]
    assert bob.ended == []


async def test_a_gateway_that_stops_says_goodbye_to_everybody():
    sessions, ada = Sessions(), _Session("ada")
    await sessions.drained()
    sessions.add(ada)
    ada.say_goodbye = lambda: sessions.remove(ada)
    await sessions.drained()
    assert len(sessions) == 0
