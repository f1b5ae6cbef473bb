"""What comes of commands about users, sessions and keys, on plain values."""

import asyncio
from types import SimpleNamespace

import pytest

from kaiser.contracts.events.identity import PasswordSet, SessionEnded, SessionRenewed, SessionsEnded, UserRemoved
from kaiser.contracts.refusals import Refusal
from kaiser.gateway.accounts import Accounts
from kaiser.gateway.identity import keys, openid, passwords, sessions, users
from kaiser.gateway.identity.failures import Failures
from kaiser.gateway.identity.first import faults, secret_fault
from kaiser.gateway.identity.logins import Logins
from kaiser.gateway.identity.users import ChangeUser, CreateUser, EndSessions, RemoveUser, SetPassword, Users
from kaiser.gateway.settings import OidcOptions
from kaiser.gateway.throttle import FREE_FAILURES, FREE_OF_ADDRESS, FREE_OF_NAME, Attempt, Guessing
from kaiser.gateway.tokens import Tokens

AT = 1_777_500_000_000_000
HOUR = 3_600_000_000


def _create(name: str, role: str = "admin", *zones: str) -> CreateUser:
    return CreateUser(
        user_id=f"id-{name}", username=name, password_hash="h", role=role, zones=frozenset(zones), by="setup", at=AT
    )


def _after(*commands: users.Command, state: Users = users.NONE) -> Users:
    for command in commands:
        for event in users.decide(state, command):
            state = users.evolve(state, event)
    return state


def _change(name: str, **what: object) -> ChangeUser:
    return ChangeUser(user_id=f"id-{name}", by="admin", at=AT, **what)


def test_a_name_is_one_user_s_even_after_that_one_is_gone() -> None:
    state = _after(_create("ada"), _create("bob"), RemoveUser(user_id="id-bob", by="ada", at=AT))
    with pytest.raises(Refusal, match="is, or was"):
        users.decide(state, _create("bob"))


@pytest.mark.parametrize("name", ["", "Ada", "key:x", "a b", "ä", "x" * 64, "-x"])
def test_a_name_that_can_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match="lower-case"):
        users.decide(users.NONE, _create(name))


@pytest.mark.parametrize(
    "command",
    [
        _change("ada", role="engineer"),
        _change("ada", disabled=True),
        _change("ada", zones=frozenset({"north"})),
        RemoveUser(user_id="id-ada", by="ada", at=AT),
    ],
    ids=["demoted", "disabled", "confined", "removed"],
)
def test_somebody_is_left_who_looks_after_users(command: users.Command) -> None:
    alone = _after(_create("ada"), _create("bob", "viewer"), _create("eve"), _change("eve", disabled=True))
    with pytest.raises(Refusal, match="last admin"):
        users.decide(alone, command)
    assert users.decide(_after(_create("cleo"), state=alone), command)


def test_what_changes_nothing_is_no_event() -> None:
    assert users.decide(_after(_create("ada")), _change("ada", role="admin")) == []


def test_a_user_who_is_gone_takes_no_commands() -> None:
    gone = _after(_create("ada"), _create("bob"), RemoveUser(user_id="id-bob", by="ada", at=AT))
    for command in (_change("bob", role="viewer"), EndSessions(user_id="id-bob", by="ada", at=AT)):
        with pytest.raises(Refusal, match="no user"):
            users.decide(gone, command)


def _started(at: int = AT, user_seq: int = 1, session_id: str = "s1") -> sessions.Start:
    return sessions.Start(
        session_id=session_id, user_id="id-ada", user_seq=user_seq, address="::1", expires_at=at + HOUR, at=at
    )


def _session(*commands: sessions.Command) -> sessions.Session | None:
    state = None
    for command in commands:
        for event in sessions.decide(state, command):
            state = sessions.evolve(state, event)
    return state


def _renew(generation: int, at: int = AT + 1) -> sessions.Renew:
    return sessions.Renew(generation=generation, username="ada", address="::1", at=at)


def test_each_refresh_token_is_good_once() -> None:
    (renewed,) = sessions.decide(_session(_started()), _renew(1))
    assert renewed == SessionRenewed(session_id="s1", generation=2, address="::1", at=AT + 1)
    for old in (1, 2):
        (ended,) = sessions.decide(_session(_started(), _renew(1), _renew(2)), _renew(old))
        assert (type(ended), ended.reason) == (SessionEnded, "reused")


def test_nothing_renews_a_session_that_is_over_or_has_expired_or_a_token_that_was_never_given() -> None:
    ended = _session(_started(), sessions.End(reason="logout", by="ada", at=AT))
    for state, command in ((ended, _renew(1)), (_session(_started()), _renew(1, AT + HOUR)), (None, _renew(1))):
        with pytest.raises(Refusal):
            sessions.decide(state, command)
    with pytest.raises(Refusal):
        sessions.decide(_session(_started()), _renew(2))
    assert sessions.decide(ended, sessions.End(reason="logout", by="ada", at=AT)) == []


def test_a_session_that_was_decided_on_an_old_password_is_none_in_whichever_order_both_are_read() -> None:
    created, started = users.decide(users.NONE, _create("ada")), sessions.decide(None, _started(user_seq=1))
    changed = PasswordSet(user_id="id-ada", password_hash="h2", by="ada", at=AT)
    for later in ([(changed, 5), (started[0], 6)], [(started[0], 6), (changed, 5)]):
        accounts = Accounts()
        accounts.take_event(created[0], 1)
        for event, seq in later:
            accounts.take_event(event, seq)
        assert accounts.session("s1") is None
    fresh = sessions.decide(None, _started(user_seq=5, session_id="s2"))
    accounts.take_event(fresh[0], 7)
    assert accounts.session("s2") is not None


@pytest.mark.parametrize(
    "command",
    [
        SetPassword(user_id="id-ada", password_hash="h2", by="x", at=AT),
        EndSessions(user_id="id-ada", by="x", at=AT),
        _change("ada", disabled=True),
        RemoveUser(user_id="id-ada", by="x", at=AT),
    ],
)
def test_what_ends_sessions_ends_them_at_once(command: users.Command) -> None:
    accounts, told = Accounts(), []
    state = _after(_create("ada"), _create("bob"))
    for seq, event in enumerate((users.decide(users.NONE, _create("ada"))[0], sessions.decide(None, _started())[0]), 1):
        accounts.take_event(event, seq)
    accounts.watch(lambda: told.append(1))
    assert accounts.session("s1")
    for event in users.decide(state, command):
        assert users.ends_sessions(event) or not isinstance(event, (PasswordSet, SessionsEnded, UserRemoved))
        accounts.take_event(event, 9)
    assert accounts.session("s1") is None
    assert told


def test_sessions_that_have_expired_are_forgotten() -> None:
    accounts = Accounts()
    accounts.take_event(users.decide(users.NONE, _create("ada"))[0], 1)
    accounts.take_event(sessions.decide(None, _started())[0], 2)
    accounts.take_event(sessions.decide(None, _started(AT + 2 * HOUR, session_id="s2"))[0], 3)
    assert [each.session_id for each in accounts.sessions_of("id-ada")] == ["s2"]


def test_events_of_a_user_whom_nobody_made_change_nothing() -> None:
    accounts = Accounts()
    accounts.take_event(SessionsEnded(user_id="ghost", by="x", at=AT), 1)
    accounts.take_event(SessionRenewed(session_id="ghost", generation=2, address="", at=AT), 2)
    assert (accounts.user("ghost"), accounts.session("ghost"), accounts.position) == (None, None, 2)


async def test_whoever_waits_for_a_sequence_goes_on_when_it_is_there() -> None:
    accounts = Accounts()
    waiting = asyncio.create_task(accounts.reached(2, within_s=30))
    for seq in (1, 2):
        accounts.take_event(users.decide(users.NONE, _create(f"u{seq}"))[0], seq)
    assert await waiting
    assert not await accounts.reached(3, within_s=0)


def test_a_key_opens_until_it_is_revoked_or_expires() -> None:
    text = keys.text("k1", "s3cret_with_underscore")
    assert keys.id_of(text) == "k1"
    assert keys.id_of("eyJ.x.y") == ""
    issue = keys.Issue(
        key_id="k1",
        name="export",
        digest=keys.digest(text),
        scopes=frozenset({"read"}),
        zones=frozenset(),
        expires_at=AT + 10,
        by="ada",
        at=AT,
    )
    key = keys.evolve(None, keys.decide(None, issue)[0])
    assert keys.opens(key, text, now=AT)
    assert not keys.opens(key, text + "x", now=AT)
    assert not keys.opens(key, text, now=AT + 10)
    revoke = keys.Revoke(by="ada", at=AT)
    revoked = keys.evolve(key, keys.decide(key, revoke)[0])
    assert not keys.opens(revoked, text, now=AT)
    with pytest.raises(Refusal):
        keys.decide(revoked, revoke)


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("eleven-char", "at least 12"),
        ("ab" * 20, "different"),
        ("x1y2z3" * 30, "at most 128"),
        ("i am ADA lovelace", "user name"),
        ("PasswordPassword", "tried first"),
        ("a long enough sentence", ""),
    ],
)
def test_what_is_wrong_with_a_password_is_said(password: str, words: str) -> None:
    fault = passwords.fault(password, "ada")
    assert (words in fault) if words else not fault


async def test_more_passwords_than_can_be_hashed_are_refused_and_not_queued() -> None:
    hashing = passwords.Hashing()
    asked = [hashing.matches(passwords.NOBODY, "x") for _ in range(passwords.WAITING + 4)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, passwords.BusyError) for each in found].count(True) == 4
    assert await hashing.matches(await hashing.hash("good"), "good")


@pytest.mark.parametrize(
    "secret", ["a" * 64, "changeme" * 5, "0123456789abcdef" * 2, "kaiser-secret-password-kaiser-x1"]
)
def test_a_secret_that_could_be_guessed_is_known_as_one(secret: str) -> None:
    assert secret_fault(secret)
    assert "KAISER_JWT_SECRET" in faults(secret, None)[0]


def test_a_random_secret_and_a_good_password_are_good_enough() -> None:
    assert faults("9f2c41d07be83a5506c1d94e7a2b8f13", "a long enough sentence") == []
    assert "KAISER_ADMIN_PASSWORD" in faults("9f2c41d07be83a5506c1d94e7a2b8f13", "administrator")[0]


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["growers"], "operator"),
        ("growers", "operator"),
        (["growers", "bosses", "x"], "admin"),
        (["x"], None),
        ([], None),
        (None, None),
        ({"growers": 1}, None),
    ],
)
def test_the_highest_role_of_the_groups_that_a_provider_names_counts(groups: object, role: str | None) -> None:
    assert openid.role_of(groups, "growers=operator, bosses = admin") == role


def test_half_a_provider_is_refused_at_start() -> None:
    assert openid.fault(OidcOptions()) == ""
    whole = {"issuer": "https://id.example", "redirect_url": "https://a.example/back", "roles": "growers=operator"}
    assert openid.fault(OidcOptions(**whole)) == ""
    assert "REDIRECT_URL" in openid.fault(OidcOptions(**whole | {"redirect_url": ""}))
    for roles in ("", "growers", "growers=king"):
        assert "ROLES" in openid.fault(OidcOptions(**whole | {"roles": roles}))


async def test_a_provider_is_asked_by_https_unless_it_is_on_this_machine() -> None:
    provider = openid.OpenId(OidcOptions(issuer="http://id.example", redirect_url="x"), "s" * 40)
    with pytest.raises(openid.OpenIdError, match="https"):
        await provider.begin()


def _attempt(address: str, name: str = "ada", *, device: str = "", known: bool = False) -> Attempt:
    return Attempt(name, address, device=device, known=known)


def test_who_guesses_from_one_address_keeps_nobody_else_out() -> None:
    guessing = Guessing()
    for _ in range(FREE_FAILURES + 3):
        guessing.failed(_attempt("thief"), now=0.0)
    assert guessing.wait_s(_attempt("thief"), now=0.0) > 0
    assert guessing.wait_s(_attempt("home"), now=0.0) == 0
    assert guessing.wait_s(_attempt("thief", "bob"), now=0.0) == 0
    assert guessing.wait_s(_attempt("thief", device="d1"), now=0.0) == 0


def test_who_guesses_from_many_addresses_waits_and_the_owner_at_home_does_not() -> None:
    guessing = Guessing()
    for number in range(FREE_OF_NAME + 3):
        guessing.failed(_attempt(f"bot-{number}"), now=0.0)
    assert guessing.wait_s(_attempt("bot-new"), now=0.0) > 0
    assert guessing.wait_s(_attempt("home", known=True), now=0.0) == 0
    assert guessing.wait_s(_attempt("abroad", device="d1"), now=0.0) == 0


def test_who_tries_many_names_from_one_address_waits() -> None:
    guessing = Guessing()
    for number in range(FREE_OF_ADDRESS + 1):
        guessing.failed(_attempt("thief", f"user-{number}"), now=0.0)
    assert guessing.wait_s(_attempt("thief", "bob"), now=0.0) > 0
    assert guessing.wait_s(_attempt("home", "bob"), now=0.0) == 0


def test_who_has_a_whole_network_to_guess_from_is_one_address() -> None:
    guessing = Guessing()
    for number in range(FREE_OF_ADDRESS + 1):
        guessing.failed(_attempt(f"2001:db8::{number:x}", f"user-{number}"), now=0.0)
    assert guessing.wait_s(_attempt("2001:db8::ffff", "bob"), now=0.0) > 0
    assert guessing.wait_s(_attempt("2001:db8:0:1::1", "bob"), now=0.0) == 0


async def test_what_nobody_had_the_time_to_look_at_holds_nobody_back() -> None:
    class Nowhere:
        async def publish(self, *_: object) -> None:
            """Tell nobody."""

    hashing, accounts, tokens = passwords.Hashing(), Accounts(), Tokens("s" * 40, expires_s=600)
    failures = Failures(SimpleNamespace(nc=Nowhere()))
    logins = Logins(SimpleNamespace(), accounts, tokens, hashing, failures)
    busy = [asyncio.create_task(hashing.matches(passwords.NOBODY, "x")) for _ in range(passwords.WAITING)]
    await asyncio.sleep(0)
    for number in range(2 * FREE_OF_ADDRESS):
        with pytest.raises(passwords.BusyError):
            await logins.log_in("ada" if number % 2 else f"user-{number}", "x", address="office", device="")
    await asyncio.gather(*busy)
    assert await logins.log_in("ada", "x", address="office", device="") is None


def test_logging_in_does_not_wipe_out_what_others_failed_at_from_the_same_address() -> None:
    guessing = Guessing()
    for number in range(FREE_OF_ADDRESS + 2):
        guessing.failed(_attempt("proxy", f"user-{number}"), now=0.0)
    mine = _attempt("proxy", "own")
    guessing.failed(mine, now=0.0)
    guessing.succeeded(mine)
    assert guessing.wait_s(_attempt("proxy", "bob"), now=0.0) > 0
