"""Until when certificates are good: those that servers show, and those in files."""

import socket
import ssl
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography import x509

from kaiser.ctl.doctor.limits import Limits
from kaiser.ctl.findings import Finding, note, ok, wrong
from kaiser.ctl.site import Site

TIMEOUT_S: Final = 5.0


class Dated(msgspec.Struct, frozen=True):
    """Whose certificate, and until when it is good."""

    whose: str
    until: datetime


def end_dates(found: Iterable[Dated], limits: Limits, *, now: datetime) -> Finding:
    """Whether certificates end soon."""
    check, every = "certificates", sorted(found, key=lambda each: each.until)
    if not every:
        return ok(check, "no part of the site is reached with TLS")
    faults, soon = [], []
    for each in every:
        days = (each.until - now).total_seconds() / 86_400
        if days < 0:
            faults.append(f"that of {each.whose} ended {each.until:%Y-%m-%d}")
        elif days < limits.days:
            soon.append(f"that of {each.whose} ends {each.until:%Y-%m-%d}, in {days:.0f} days")
    advice = "make others: 'kaiser.local.site write' renews what ends within 60 days, then restart the servers"
    if faults:
        return wrong(check, "; ".join(faults + soon), advice)
    if soon:
        return wrong(check, "; ".join(soon), advice)
    return ok(check, f"{len(every)} certificates, the first one ends {every[0].until:%Y-%m-%d}")


def shown_by(site: Site) -> Iterator[Dated | Finding]:
    """Certificates that the site's servers show; a finding where one shows none."""
    for whose, url, usual in _servers(site):
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or usual)
        try:
            yield Dated(whose, _until(address))
        except (OSError, ValueError) as error:
            yield note("certificates", f"{whose} shows no certificate at {address[0]}:{address[1]}: {error}")


def in_files(folder: Path) -> Iterator[Dated]:
    """Certificates in a folder and below it."""
    for path in sorted((*folder.rglob("*.crt"), *folder.rglob("*.pem"))):
        text = path.read_bytes()
        if b"BEGIN CERTIFICATE" in text:
            yield from (Dated(str(path), each.not_valid_after_utc) for each in x509.load_pem_x509_certificates(text))


def _servers(site: Site) -> Iterator[tuple[str, str, int]]:
    if site.gateway is not None and site.gateway.url.startswith("https"):
        yield "the gateway", site.gateway.url, 443
    if site.nats is not None:
        yield from (("NATS", url, 4222) for url in site.nats.url.split(",") if url.startswith("tls"))


def _until(address: tuple[str, int]) -> datetime:
    # Looked at, whether it is good or not: that it has ended is what is asked
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(address, timeout=TIMEOUT_S) as plain:
        if _greets(plain):
            _read_greeting(plain)
        with context.wrap_socket(plain, server_hostname=address[0]) as encrypted:
            shown = encrypted.getpeercert(binary_form=True)
    if shown is None:
        raise ValueError("no certificate")
    return x509.load_der_x509_certificate(shown).not_valid_after_utc


def _greets(plain: socket.socket) -> bool:
    """Whether the server speaks first, as NATS does, which changes to TLS after its greeting."""
    plain.settimeout(0.5)
    try:
        return bool(plain.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        plain.settimeout(TIMEOUT_S)


def _read_greeting(plain: socket.socket) -> None:
    while plain.recv(1) not in {b"\n", b""}:
        pass
