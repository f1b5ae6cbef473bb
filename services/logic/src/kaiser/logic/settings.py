"""Settings of logic, from the environment."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from kaiser.logic.delivering.mail import SmtpSettings
from kaiser.logic.notifying import NotifySettings
from kaiser.logic.retaining import RetentionSettings
from kaiser.logic.trials import TrialSettings
from kaiser.service import CommonSettings, PostgresSettings
from kaiser.timescale import Database

DAY_S: Final = 86_400


class Settings(Struct, frozen=True, kw_only=True):
    """``KAISER_LOGIC_…``.

    Attributes:
        lease_s: Another instance decides so long after the one that did fell silent, seconds.
        checkpoint_s: Seconds between two checkpoints of what the engine knows.
        runs_days: Days that runs, and why rules did not run, are kept in the log.
        backtest_required: Whether a version needs a backtest, or a reason for going without, to go live.
        time_zone: Of rules of the monolith, which had none of their own: an IANA name.
    """

    lease_s: Annotated[int, Meta(ge=1, le=60)] = 3
    checkpoint_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    runs_days: Annotated[int, Meta(ge=1, le=3660)] = 180
    backtest_required: bool = False
    time_zone: str = "UTC"


class LogicSettings(CommonSettings, frozen=True, kw_only=True):
    """Everything that logic can be told."""

    pg: PostgresSettings
    logic: Settings
    retention: RetentionSettings
    trial: TrialSettings
    notify: NotifySettings
    smtp: SmtpSettings

    def database(self) -> Database:
        """Where its tables are."""
        return Database(dsn=self.pg.dsn, password=self.pg.password, application_name="kaiser-logic", schema="logic")
