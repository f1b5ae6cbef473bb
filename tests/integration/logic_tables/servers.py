"""What rules tell things to: a web server that takes webhooks, and a mail server with STARTTLS."""

import asyncio
import base64
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Hooked:
    """A web server: what was posted to it, and what it answers from now on.

    Attributes:
        posts: Path, headers and body, as they came.
        statuses: Answers to the next ones; then 204.
        answers: Cleared, nobody gets an answer before it is set again.
    """

    def __init__(self):
        self.posts = []
        self.statuses = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.url = ""

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.posts.append((scope["path"], headers, body))
        await self.answers.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def web_server() -> AsyncIterator[Hooked]:
    hooked = Hooked()
    config = uvicorn.Config(hooked, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    with listening() as sock:
        hooked.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        task = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield hooked
        finally:
            server.should_exit = True
            await task


@contextmanager
def listening() -> Iterator[object]:
    import socket

    sock = socket.create_server(("127.0.0.1", 0))
    try:
        yield sock
    finally:
        sock.close()


class MailServer:
    """An SMTP server (RFC 5321) with STARTTLS and AUTH PLAIN, which takes no mail without both.

    Attributes:
        mails: What it took.
        busy: How often it says 451 before it takes one.
        unknown: Addresses that it refuses for good.
    """

    def __init__(self, context, user, password):
        self.mails = []
        self.busy = 0
        self.unknown = set()
        self._context = context
        self._token = base64.b64encode(f"\0{user}\0{password}".encode())

    async def talk(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader, writer):
        secure = trusted = False

        async def say(*lines):
            for i, line in enumerate(lines):
                code, _, words = line.partition(" ")
                writer.write(f"{code}{'-' if i < len(lines) - 1 else ' '}{words}\r\n".encode())
            await writer.drain()

        await say("220 test")
        while line := await reader.readline():
            verb, _, rest = line.strip().partition(b" ")
            match verb.upper():
                case b"EHLO":
                    await say("250 test", "250 AUTH PLAIN" if secure else "250 STARTTLS")
                case b"STARTTLS":
                    await say("220 go ahead")
                    await writer.start_tls(self._context)
                    secure = True
                case b"AUTH":
                    trusted = secure and rest.split()[-1] == self._token
                    await say("235 welcome" if trusted else "535 who are you")
                case b"MAIL" if not trusted:
                    await say("530 log in first")
                case b"RCPT" if rest.split(b"<")[-1].rstrip(b">").decode() in self.unknown:
                    await say("550 nobody here")
                case b"RCPT" if self.busy:
                    self.busy -= 1
                    await say("451 not now")
                case b"MAIL" | b"RCPT" | b"RSET" | b"NOOP":
                    await say("250 fine")
                case b"DATA":
                    await say("354 tell")
                    body = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(message_from_bytes(body[:-5], policy=policy.default))
                    await say("250 taken")
                case b"QUIT":
                    await say("221 bye")
                    return
                case _:
                    await say("502 what")


@asynccontextmanager
async def mail_server(folder: Path) -> AsyncIterator[tuple[MailServer, int, Path]]:
    """The server, its port, and the certificate to trust."""
    certificate, key = certify(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    mail = MailServer(context, "kaiser", "only-for-tests")
    server = await asyncio.start_server(mail.talk, "127.0.0.1", 0)
    async with server:
        yield mail, server.sockets[0].getsockname()[1], certificate


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(hours=1))
    builder = builder.not_valid_after(now + dt.timedelta(hours=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    certificate, secret = folder / "mail.crt", folder / "mail.key"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret
