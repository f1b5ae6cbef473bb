"""Writes the folders of a site's parts; doing it again keeps every secret, and renews what needs it."""

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from kaiser.local import mosquitto
from kaiser.local.secrets import Secrets
from kaiser.local.site.certificates import Authority
from kaiser.local.site.parts import KAISER_UID, OWNERS, PARTS, REACHED_AS, Options, files

LOCAL_NAMES: Final = ("localhost", "127.0.0.1")

_log = structlog.get_logger(__name__)


def write_site(
    folder: Path,
    secrets: Path,
    options: Options,
    *,
    names: Iterable[str] = (),
    owners: Mapping[str, int] | None = None,
    now: dt.datetime,
) -> None:
    """Write all parts.

    Args:
        folder: Where each part has its folder.
        secrets: The site's own secrets, among them the key of its authority; for nobody else's eyes.
        options: What differs from site to site.
        names: Further host names and addresses of the servers, such as the one that devices know.
        owners: User ids that differ from those of :data:`kaiser.local.site.parts.OWNERS`.
        now: The present time.
    """
    store, authority = Secrets(secrets), Authority(secrets / "authority", now=now)
    owner = OWNERS | dict(owners or {})
    for part in PARTS:
        home = folder / part
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = files(part, store.value, options) | {"ca.crt": authority.text}
        if part in REACHED_AS:
            found |= _certificate(authority, home, part, (*REACHED_AS[part], *LOCAL_NAMES, *names))
        for name, text in found.items():
            _write(home / name, text)
        hand_over(home, owner.get(part, KAISER_UID))
    _log.info("site written", folder=str(folder), parts=len(PARTS))


def prepare_data(folder: Path, owners: Mapping[str, int] | None = None) -> None:
    """Let each server and service have its data folder, where there is one.

    Args:
        folder: Where the data folders are, by the name of their part.
        owners: As of :func:`write_site`.
    """
    owner = OWNERS | dict(owners or {})
    for home in sorted(folder.iterdir()) if folder.is_dir() else ():
        if home.name == "mosquitto" and not (home / mosquitto.CLIENTS).exists():
            _write(home / mosquitto.CLIENTS, mosquitto.NO_CLIENTS)
            hand_over(home, owner["mosquitto"])
        if os.getuid() == 0:
            home.chmod(0o700)
            os.chown(home, *[owner.get(home.name, KAISER_UID)] * 2)


def hand_over(home: Path, uid: int) -> None:
    """Make a folder and its files somebody's; a no-op for who is not root."""
    if os.getuid() == 0:
        for path in (home, *home.iterdir()):
            os.chown(path, uid, uid)


def _certificate(authority: Authority, home: Path, part: str, names: tuple[str, ...]) -> dict[str, str]:
    certificate, key = home / "tls.crt", home / "tls.key"
    if certificate.exists() and key.exists() and authority.holds(certificate.read_text(), names):
        return {}
    pem, private = authority.issue(part, names)
    return {"tls.crt": pem, "tls.key": private}


def _write(path: Path, text: str) -> None:
    """At once or not at all, so that a server that starts meanwhile reads a whole file."""
    if path.exists() and path.read_text() == text:
        return
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.rename(path)
