"""E-mail by SMTP, with STARTTLS. The standard library's client, in a thread: a mail takes seconds, and they are few."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from kaiser.contracts.events.logic import NotificationAsked
from kaiser.logic.delivering import Undelivered, identity
from kaiser.logic.delivering.trust import trust
from kaiser.logic.times import SECOND

AT_ONCE: Final = 2
PERMANENT: Final = 500
"""Replies from here on are meant for good (RFC 5321, 4.2.1)."""
SECURITY: Final = frozenset({530, 534, 535, 538})
"""Replies about how the client logs in, which the operator will put right."""


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``KAISER_SMTP_…``.

    Attributes:
        host: Server; empty sends no mail.
        user: As whom to log in; None does not.
        password: Of the user.
        sender: Address that mails come from.
        security: ``starttls`` goes no further where the server has none; ``tls`` is from the beginning on; ``none`` is
            for a relay on the same machine.
        ca_file: Whom to trust beside the public authorities; None for nobody.
        timeout_s: Patience with each step.
    """

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    user: str | None = None
    password: str | None = None
    sender: str = "kaiser@localhost"
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: Path | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=120)] = 15.0


class Mail:
    """Tells people by e-mail.

    Args:
        settings: Of the server.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def deliver(self, asked: NotificationAsked, now: int) -> None:  # noqa: ARG002  # one face for all channels
        """Hand it to the server.

        Raises:
            Undelivered: No server is set, it is not reachable, or does not take it.
        """
        if not self._settings.host:
            raise Undelivered("no mail server is set: KAISER_SMTP_HOST", for_good=True)
        try:
            message = mail_of(asked, self._settings.sender)
        except ValueError as error:
            raise Undelivered(f"{asked.target!r} is no e-mail address: {error}", for_good=True) from error
        async with self._turns:
            await asyncio.to_thread(self._send, message)

    def _send(self, message: EmailMessage) -> None:
        try:
            self._talk(message)
        except smtplib.SMTPRecipientsRefused as error:
            replies = [reply for reply, _ in error.recipients.values()]
            raise Undelivered(f"the recipient was refused: {error}", for_good=min(replies) >= PERMANENT) from error
        except smtplib.SMTPResponseException as error:
            for_good = error.smtp_code >= PERMANENT and error.smtp_code not in SECURITY
            raise Undelivered(f"the mail server answered {error.smtp_code}", for_good=for_good) from error
        except (smtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise Undelivered(f"the mail server does not take it: {error!r}") from error

    def _talk(self, message: EmailMessage) -> None:
        settings = self._settings
        context = trust(settings.ca_file)
        server: smtplib.SMTP
        if settings.security == "tls":
            server = smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_s, context=context)
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
        try:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user is not None:
                server.login(settings.user, settings.password or "")
            server.send_message(message)
        finally:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()


def mail_of(asked: NotificationAsked, sender: str) -> EmailMessage:
    """A notification as a mail; the same one whenever it is sent again.

    Raises:
        ValueError: The target is no e-mail address.
    """
    target, origin = address_of(asked.target), address_of(sender)
    message = EmailMessage()
    message["From"], message["To"] = str(origin), str(target)
    message["Subject"] = f"Kaiser: {asked.rule_id}"
    message["Date"] = format_datetime(datetime.fromtimestamp(asked.at / SECOND, UTC))
    message["Message-ID"] = f"<{identity(asked).replace('/', '.')}@{origin.domain or 'kaiser'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{asked.message}\n\n-- \nRule {asked.rule_id}, version {asked.version}, run {asked.run_id}\n")
    return message


def address_of(text: str) -> Address:
    """An e-mail address.

    Raises:
        ValueError: It is none.
    """
    try:
        found = Address(addr_spec=text)
    except (HeaderParseError, IndexError) as error:  # what the parser of the standard library makes of some texts
        raise ValueError(str(error)) from error
    if not found.username or not found.domain:
        raise ValueError("it lacks the name or the place")
    return found
