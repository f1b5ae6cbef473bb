"""Ready-made pieces of a session's configuration."""

import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mqtt5 import QoS, RetainHandling, TopicFilter

from kaiser.mqtt.changes import Change

__all__ = ("Backoff", "Endpoint", "Settings", "tls_context", "topic_filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the broker is and how to get there."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    timeout_s: float

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before the next attempt to connect."""

    minimum_s: float
    maximum_s: float

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row: none after none, then doubling, with up to half off.

        The jitter keeps the sessions of many processes from coming back in step.
        """
        if failures == 0:
            return 0.0
        # Beyond 2**30 the maximum has long been reached, and floats would overflow after 1024 failures
        longest = min(self.maximum_s, self.minimum_s * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a client needs to know to keep a session connected; `Session` explains each."""

    client_id: str
    endpoint: Endpoint
    backoff: Backoff
    first_connect: bytes
    """The CONNECT packet of the first connection."""
    connect: bytes
    """The CONNECT packet of every later one, which resumes the session."""
    keep_alive_s: int
    max_packet_size: int | None
    subscriptions: list[TopicFilter]
    on_change: Callable[[Change], None] | None


def topic_filter(
    pattern: str,
    *,
    max_qos: QoS = QoS.AT_LEAST_ONCE,
    no_local: bool = False,
    retain_handling: RetainHandling = RetainHandling.SEND_ALWAYS,
) -> TopicFilter:
    """A subscription whose messages carry retain=1 only if they are the broker's retained copy.

    The codec's own `TopicFilter` asks for retain-as-published by default, which makes a copy sent on subscribing
    look like news that was published with retain.

    Args:
        pattern: A topic filter, possibly with `$share/{group}/` before it.
        max_qos: The highest QoS at which the broker may send; with Mosquitto's `upgrade_outgoing_qos` the QoS at which
            it sends everything.
        no_local: Whether the broker leaves out what this client id published (not allowed for shared subscriptions).
        retain_handling: Whether the broker sends retained messages on subscribing.
    """
    return TopicFilter(
        pattern, max_qos=max_qos, no_local=no_local, retain_as_published=False, retain_handling=retain_handling
    )


def tls_context(
    *, ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """A TLS client context that verifies the broker's certificate and host name.

    Args:
        ca_file: The CA that signed the broker's certificate; without it, the system's trusted CAs.
        cert_file: The client's certificate (chain), where the broker asks for one.
        key_file: The key of that certificate, where it is not in `cert_file`.

    Raises:
        OSError: A file cannot be read (`ssl.SSLError`, a subclass: it is not what it should be).
        ValueError: A key without a certificate.
    """
    if key_file is not None and cert_file is None:
        raise ValueError("a TLS key file needs a certificate file")
    context = ssl.create_default_context(cafile=ca_file)
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file)
    return context
