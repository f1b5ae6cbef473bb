"""Where the MQTT broker is, and as whom the bridge connects."""

from typing import Any

import msgspec

from kaiser.mqtt import Session, tls_context
from kaiser.service.settings import MqttSettings


class Broker:
    """Makes sessions that differ only in what they are for.

    Args:
        settings: Address, credentials and TLS files.
    """

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._tls = None
        if settings.ca_file:
            self._tls = tls_context(ca_file=settings.ca_file, cert_file=settings.cert_file, key_file=settings.key_file)

    def as_user(self, user: str, password: str | None) -> "Broker":
        """The same broker for somebody else."""
        return Broker(msgspec.structs.replace(self._settings, user=user, password=password))

    def session(self, client_id: str, **purpose: Any) -> Session:  # the keywords are Session's own
        """A session that is not yet entered; ``purpose`` is passed on to :class:`kaiser.mqtt.Session`."""
        settings = self._settings
        return Session(
            host=settings.host,
            port=settings.port,
            client_id=client_id,
            username=settings.user,
            password=settings.password,
            tls=self._tls,
            **purpose,
        )
