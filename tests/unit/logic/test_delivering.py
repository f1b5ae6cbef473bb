"""What targets are told, and how they know that it is from here."""

import pytest

from kaiser.contracts.events.logic import NotificationAsked
from kaiser.logic.delivering import identity
from kaiser.logic.delivering.mail import mail_of
from kaiser.logic.delivering.webhook import HooksError, hooks_of, signature

from .builders import NOON

ASKED = NotificationAsked(
    n=1, at=NOON, rule_id="water", version=3, run_id="water.3.7", step=2, path="actions[1]",
    channel="email", target="ann@example.org", message="Zu trocken: 12 %",
)  # fmt: skip


def test_the_signature_is_that_of_the_example_in_the_specification() -> None:
    body = b'{"test": 2432232314}'
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected


def test_another_secret_body_time_or_id_is_another_signature() -> None:
    one = signature("a-secret-of-the-office", "r/1", 5, b"x")
    for other in (("another-secret-of-it", "r/1", 5, b"x"), ("a-secret-of-the-office", "r/2", 5, b"x")):
        assert signature(*other) != one
    assert signature("a-secret-of-the-office", "r/1", 6, b"x") != one
    assert signature("a-secret-of-the-office", "r/1", 5, b"y") != one


def test_a_mail_is_the_same_whenever_it_is_sent_again() -> None:
    mail = mail_of(ASKED, "kaiser@example.org")
    assert mail.as_bytes() == mail_of(ASKED, "kaiser@example.org").as_bytes()
    assert mail["Message-ID"] == "<water.3.7.2@example.org>"
    assert identity(ASKED) == "water.3.7/2"
    assert mail.get_content().startswith("Zu trocken: 12 %\n")


@pytest.mark.parametrize("target", ["", "ann", "@example.org", "ann@example.org\nBcc: all@example.org", "a@b, c@d"])
def test_what_is_no_address_is_not_written_to(target) -> None:
    from msgspec.structs import replace

    with pytest.raises(ValueError, match=r"."):
        mail_of(replace(ASKED, target=target), "kaiser@example.org")


@pytest.mark.parametrize(
    "text",
    ["nonsense", "[]", '{"a": {"url": "ftp://x", "secret": "0123456789abcdef"}}', '{"a": {"url": "https://x"}}'],
)
def test_webhooks_that_are_none_are_refused(text) -> None:
    with pytest.raises(HooksError):
        hooks_of(text)


def test_a_secret_is_not_told_in_the_error() -> None:
    with pytest.raises(HooksError) as problem:
        hooks_of('{"a": {"url": "https://x", "secret": "short-one"}}')
    assert "short-one" not in str(problem.value)
    assert hooks_of("") == {}


def test_a_secret_that_no_receiver_could_check_is_refused_at_the_start() -> None:
    with pytest.raises(HooksError) as problem:
        hooks_of('{"office": {"url": "https://x", "secret": "whsec_not-base-64-at-all!"}}')
    assert "office" in str(problem.value)
    assert "not-base-64" not in str(problem.value)
