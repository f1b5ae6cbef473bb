"""Settings of safety, from the environment."""

from typing import Annotated

from msgspec import Meta, Struct

from kaiser.service import CommonSettings, PostgresSettings
from kaiser.timescale import Database


class Settings(Struct, frozen=True, kw_only=True):
    """``KAISER_SAFETY_…``.

    Attributes:
        lease_s: Another instance leads so long after the leader fell silent, seconds; nothing is switched on meanwhile.
        checkpoint_s: Seconds between two checkpoints of what is known, from which an instance that starts goes on.
    """

    lease_s: Annotated[int, Meta(ge=1, le=60)] = 3
    checkpoint_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0


class SafetySettings(CommonSettings, frozen=True, kw_only=True):
    """Everything that safety can be told."""

    pg: PostgresSettings
    safety: Settings

    def database(self) -> Database:
        """Where its tables are."""
        return Database(dsn=self.pg.dsn, password=self.pg.password, application_name="kaiser-safety", schema="safety")
