"""A site: where each part of it answers, and as whom one is there. Data."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from kaiser.ctl.errors import UsageError
from kaiser.local.layout import Layout


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """The REST API.

    Attributes:
        url: Without the path of the API.
        token: Access token or API key, where one is given.
        user: Who logs in where there is none.
        password: Its password, where it is to be had without asking.
    """

    url: str
    token: str = ""
    user: str = ""
    password: str = ""


class Nats(msgspec.Struct, frozen=True, kw_only=True):
    """The event log, and as whom to connect."""

    url: str
    user: str | None = None
    password: str | None = None


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """The MQTT broker, as somebody who may publish readings of any device."""

    host: str
    port: int
    user: str
    password: str


class Postgres(msgspec.Struct, frozen=True, kw_only=True):
    """The database: a connection string without the password, and the password."""

    dsn: str
    password: str | None = None


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a site; a verb asks for what it needs, and says what is missing.

    Attributes:
        name: For people: the home's folder, or the gateway's address.
        home: The home, if it is one on this machine.
        health: Service to the URL of its health port.
        ca_file: Authority that the site's certificates are checked by.
        environment: Variables, for what services are told.
    """

    name: str
    home: Layout | None = None
    gateway: Gateway | None = None
    nats: Nats | None = None
    database: Postgres | None = None
    broker: Broker | None = None
    health: Mapping[str, str] = {}
    archive: Path | None = None
    ca_file: Path | None = None
    environment: Mapping[str, str] = {}

    def need_gateway(self) -> Gateway:
        """The gateway.

        Raises:
            UsageError: Nobody said where it is.
        """
        if self.gateway is None:
            raise UsageError("this needs the gateway: say where it is with --url or KAISER_CTL_URL.")
        return self.gateway

    def need_nats(self) -> Nats:
        """The event log.

        Raises:
            UsageError: Nobody said where it is.
        """
        if self.nats is None:
            raise UsageError("this needs the event log: say where NATS is with --nats or KAISER_CTL_NATS.")
        return self.nats

    def need_database(self) -> Postgres:
        """The database.

        Raises:
            UsageError: Nobody said where it is.
        """
        if self.database is None:
            raise UsageError("this needs the database: say where it is with --database or KAISER_CTL_DATABASE.")
        return self.database

    def need_broker(self) -> Broker:
        """The broker.

        Raises:
            UsageError: Nobody said where it is.
        """
        if self.broker is None:
            raise UsageError("this needs the broker: say where it is with --mqtt HOST:PORT or KAISER_CTL_MQTT.")
        return self.broker

    def need_home(self) -> Layout:
        """The home on this machine.

        Raises:
            UsageError: It is a site elsewhere.
        """
        if self.home is None:
            raise UsageError("this works on a home of this machine only: see --home.")
        return self.home
