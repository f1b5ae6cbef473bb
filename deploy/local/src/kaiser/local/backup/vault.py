"""The secrets of a site in one locked file: AES-256-GCM under a key that scrypt makes of a passphrase."""

import io
import os
import secrets
import tarfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kaiser.local.backup.errors import BackupError

MAGIC: Final = b"kaiser-secrets-1\n"
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
SHORTEST: Final = 12


def lock(folder: Path, passphrase: str) -> bytes:
    """All files of a folder, locked.

    Raises:
        BackupError: There is none, or the passphrase is shorter than twelve characters.
    """
    if len(passphrase) < SHORTEST:
        raise BackupError(f"a passphrase has {SHORTEST} characters or more")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise BackupError(f"there are no secrets in {folder}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in files:
            tar.add(path, arcname=str(path.relative_to(folder)))
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    return MAGIC + salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, packed.getvalue(), MAGIC)


def unlock(body: bytes, passphrase: str, folder: Path) -> int:
    """Write the files into a folder that is empty or not there; returns how many.

    Raises:
        BackupError: The passphrase is another one, or the folder is not empty.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: secrets that are in use are not replaced")
    rest = body.removeprefix(MAGIC)
    salt, nonce, locked = rest[:SALT_BYTES], rest[SALT_BYTES:][:NONCE_BYTES], rest[SALT_BYTES + NONCE_BYTES :]
    try:
        packed = AESGCM(_key(passphrase, salt)).decrypt(nonce, locked, MAGIC)
    except InvalidTag as error:
        raise BackupError("the passphrase is another one, or the file was changed") from error
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = os.umask(0o077)
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            members = tar.getmembers()
            tar.extractall(folder, members=members, filter="data")
    finally:
        os.umask(before)
    return len(members)


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(passphrase.encode())
