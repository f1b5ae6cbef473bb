"""Keys of devices: derived, so that nobody has to store one, and a broker that lost its own can be given them again.

key = base32(HMAC-SHA-256(secret of the site, device id, key id)), 32 characters and 160 bits (RFC 2104, RFC 4648).
The firmware keeps what was typed into its provisioning page and gives it as MQTT password; the user name is the
device id.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

SHORTEST_SECRET: Final = 32
"""Bytes of a secret below which none is accepted."""


class WeakSecretError(ValueError):
    """The secret of the site is too short to derive keys from."""


def new_key_id() -> str:
    """A random key id, 128 bits in hex."""
    return secrets.token_hex(16)


def derive(secret: bytes, esp_id: str, key_id: str) -> str:
    """The key of a device.

    Args:
        secret: Secret of the site, at least 32 bytes.
        esp_id: Device.
        key_id: Of :class:`kaiser.contracts.events.registry.DeviceKeyIssued`.

    Raises:
        WeakSecretError: The secret is shorter.
    """
    if len(secret) < SHORTEST_SECRET:
        raise WeakSecretError(f"the secret for device keys has {len(secret)} bytes; it needs {SHORTEST_SECRET}")
    mac = hmac.digest(secret, f"kaiser device key\x00{esp_id}\x00{key_id}".encode(), "sha256")
    return base64.b32encode(mac[:20]).decode()


def digest(key: str) -> str:
    """SHA-256 of a key in hex; a key has 160 random bits, so nothing slower is needed against guessing."""
    return hashlib.sha256(key.encode()).hexdigest()
