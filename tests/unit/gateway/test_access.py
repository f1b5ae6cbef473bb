"""Tokens are ours or nothing; guessing takes ever longer."""

import time
from datetime import datetime, tzinfo

import jwt
import pytest

from kaiser.gateway.throttle import FREE_FAILURES, LONGEST_WAIT_S, Throttle
from kaiser.gateway.tokens import REMEMBERED, InvalidTokenError, Tokens

NOW = int(time.time())
TOKENS = Tokens("s" * 40, expires_s=86_400)


def _tomorrow(_: type[datetime], tz: tzinfo) -> datetime:
    return datetime.fromtimestamp(NOW + 86_401, tz)


def test_a_token_says_who_it_speaks_for() -> None:
    principal = TOKENS.read(TOKENS.issue("u1", "ada", "operator", now_s=NOW))
    assert (principal.user_id, principal.username, principal.role) == ("u1", "ada", "operator")
    assert principal.expires_at == NOW + 86_400


@pytest.mark.parametrize(
    "token",
    [
        "",
        "garbage",
        Tokens("t" * 40, expires_s=600).issue("u1", "ada", "admin", now_s=NOW),
        TOKENS.issue("u1", "ada", "admin", now_s=1_000_000_000),
        jwt.encode({"iss": "kaiser", "sub": "u1", "name": "ada", "role": "admin"}, "s" * 40, algorithm="HS256"),
        jwt.encode({"iss": "kaiser", "sub": "u1", "name": "a", "role": "admin", "exp": NOW}, None, algorithm="none"),
    ],
    ids=["empty", "garbage", "another key", "expired", "without end", "unsigned"],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        TOKENS.read(token)


def test_a_token_of_a_gateway_whose_clock_is_ahead_is_good_at_once() -> None:
    assert TOKENS.read(TOKENS.issue("u1", "ada", "operator", now_s=int(time.time()) + 5)).user_id == "u1"


def test_a_token_that_was_read_before_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    token = TOKENS.issue("u1", "ada", "operator", now_s=NOW)
    assert TOKENS.read(token) is TOKENS.read(token)
    monkeypatch.setattr(time, "time", lambda: NOW + 86_401.0)
    monkeypatch.setattr("jwt.api_jwt.datetime", type("Later", (datetime,), {"now": classmethod(_tomorrow)}))
    with pytest.raises(InvalidTokenError, match="expired"):
        TOKENS.read(token)


def test_no_more_tokens_are_remembered_than_a_thousand() -> None:
    tokens = Tokens("s" * 40, expires_s=86_400)
    for number in range(REMEMBERED + 10):
        tokens.read(tokens.issue(f"u{number}", "ada", "viewer", now_s=NOW))
    assert len(tokens._read) == REMEMBERED


def test_some_failures_are_free_and_then_each_doubles_the_wait() -> None:
    throttle = Throttle()
    waits = []
    for _ in range(FREE_FAILURES + 8):
        throttle.failed("ada", now=0.0)
        waits.append(throttle.wait_s("ada", now=0.0))
    assert waits[: FREE_FAILURES - 1] == [0.0] * (FREE_FAILURES - 1)
    assert waits[FREE_FAILURES : FREE_FAILURES + 3] == [2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT_S


def test_others_do_not_wait_and_success_forgets() -> None:
    throttle = Throttle()
    for _ in range(FREE_FAILURES + 1):
        throttle.failed("ada", now=0.0)
    assert throttle.wait_s("bob", now=0.0) == 0.0
    throttle.succeeded("ada")
    assert throttle.wait_s("ada", now=0.0) == 0.0
