"""Sessions: a login and all tokens that come of it. Each refresh token is good once. Pure."""

import msgspec

from kaiser.contracts.events.identity import EndReason, SessionEnded, SessionEvent, SessionRenewed, SessionStarted
from kaiser.contracts.refusals import Refusal


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as the events made it.

    Attributes:
        user_seq: Sequence of the user's last event that the login was decided on.
        generation: Number of the refresh token that is good.
        expires_at: Unix microseconds.
    """

    session_id: str
    user_id: str
    user_seq: int
    expires_at: int
    address: str = ""
    started_at: int = 0
    generation: int = 1
    ended: bool = False


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Begin a session."""

    session_id: str
    user_id: str
    user_seq: int
    address: str
    expires_at: int
    at: int


class Renew(msgspec.Struct, frozen=True, kw_only=True):
    """Take a refresh token for another one.

    Attributes:
        generation: Number of the token that was given.
        username: Whose session it is.
    """

    generation: int
    username: str
    address: str
    at: int


class End(msgspec.Struct, frozen=True, kw_only=True):
    """End a session."""

    reason: EndReason
    by: str
    at: int


Command = Start | Renew | End


def decide(session: Session | None, command: Command) -> list[SessionEvent]:
    """What comes of a command.

    A refresh token that was given back before is one too many: thief and owner both have it, and which of them asks now
    cannot be told. The session ends, and either has to log in.

    Raises:
        Refusal: NOT_AUTHENTICATED: there is no such session, or it has ended.
    """
    if isinstance(command, Start):
        return [
            SessionStarted(
                session_id=command.session_id,
                user_id=command.user_id,
                user_seq=command.user_seq,
                address=command.address,
                expires_at=command.expires_at,
                at=command.at,
            )
        ]
    if session is None or session.ended:
        if isinstance(command, End):
            return []
        raise Refusal("NOT_AUTHENTICATED", "the session has ended; log in again")
    if isinstance(command, End):
        return [SessionEnded(session_id=session.session_id, reason=command.reason, by=command.by, at=command.at)]
    if command.at >= session.expires_at or command.generation > session.generation:
        raise Refusal("NOT_AUTHENTICATED", "the session has ended; log in again")
    if command.generation < session.generation:
        return [SessionEnded(session_id=session.session_id, reason="reused", by=command.username, at=command.at)]
    return [
        SessionRenewed(
            session_id=session.session_id,
            generation=session.generation + 1,
            address=command.address,
            at=command.at,
        )
    ]


def evolve(session: Session | None, event: SessionEvent) -> Session | None:
    """A session after an event; None where its beginning is not known any more."""
    if isinstance(event, SessionStarted):
        return Session(
            session_id=event.session_id,
            user_id=event.user_id,
            user_seq=event.user_seq,
            expires_at=event.expires_at,
            address=event.address,
            started_at=event.at,
        )
    if session is None:
        return None
    if isinstance(event, SessionRenewed):
        return msgspec.structs.replace(session, generation=event.generation, address=event.address)
    return msgspec.structs.replace(session, ended=True)
