"""Settings of actuator, from the environment."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from kaiser.actuator.commands import Patience
from kaiser.service import CommonSettings, PostgresSettings
from kaiser.timescale import Database, Lifetime

DAY_S: Final = 86_400

Days = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0, le=600)]


class PatienceSettings(Struct, frozen=True, kw_only=True):
    """``KAISER_ACTUATOR_…``: how long what is waited for, seconds.

    Attributes:
        decide_s: For safety to decide; then nothing is switched on.
        answer_dec_s: For a ``dec`` device to answer one try.
        answer_head_s: For a ``head`` device.
        settle_s: From a device's answer to a status that shows it; then they differ.
        settle_valve_s: The same for a valve, which travels for 5 s.
        insist_s: Between two OFF at the end of a duration, while the device does not say that it is off.
        snapshot_s: Between two snapshots of what is known of commands, from which an instance that starts goes on.
    """

    decide_s: Seconds = 2.0
    answer_dec_s: Seconds = 10.0
    answer_head_s: Seconds = 5.0
    settle_s: Seconds = 3.0
    settle_valve_s: Seconds = 6.0
    insist_s: Seconds = 15.0
    snapshot_s: Seconds = 60.0

    def patience(self) -> Patience:
        """For the aggregates."""
        return Patience(**{name: getattr(self, name) for name in self.__struct_fields__ if name != "snapshot_s"})


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How long what is kept, in days; 0 is for ever.

    Attributes:
        states_days: Reported states.
        compress_days: Age at which they are compressed, where the database's licence has compression.
        every_s: Seconds between two rounds of the retention's own scheduler.
    """

    states_days: Days = 730
    compress_days: Annotated[int, Meta(ge=1)] = 7
    every_s: Annotated[float, Meta(gt=0)] = 3600.0

    def lifetimes(self) -> tuple[Lifetime, ...]:
        """The same for each table."""
        return (
            Lifetime(
                table="states",
                chunk_s=7 * DAY_S,
                keep_s=self.states_days * DAY_S or None,
                compress_s=self.compress_days * DAY_S,
                segment_by="esp_id, gpio",
                order_by="at",
            ),
        )


class ActuatorSettings(CommonSettings, frozen=True, kw_only=True):
    """Everything that actuator reads from the environment."""

    pg: PostgresSettings
    actuator: PatienceSettings
    retention: RetentionSettings

    def database(self) -> Database:
        """Its database."""
        return Database(
            dsn=self.pg.dsn, password=self.pg.password, application_name="kaiser-actuator", schema="actuator"
        )
