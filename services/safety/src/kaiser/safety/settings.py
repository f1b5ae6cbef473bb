"""Settings of safety, from the environment."""

from kaiser.service import CommonSettings, PostgresSettings
from kaiser.timescale import Database


class SafetySettings(CommonSettings, frozen=True, kw_only=True):
    """Everything that safety reads from the environment."""

    pg: PostgresSettings

    def database(self) -> Database:
        """Its database."""
        return Database(dsn=self.pg.dsn, password=self.pg.password, application_name="kaiser-safety")
