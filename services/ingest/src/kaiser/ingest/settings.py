"""Settings of ingest, from the environment."""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from kaiser.service import CommonSettings, DeviceKeySettings, PostgresSettings, SettingsError
from kaiser.storage import FolderStore, S3Options, Store, open_store
from kaiser.timescale import Database, Lifetime

DAY_S: Final = 86_400

Days = Annotated[int, Meta(ge=0)]


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How long what is kept, in days; 0 is for ever.

    Attributes:
        readings_days: Each single reading.
        minutes_days: One-minute rollups.
        hours_days: One-hour rollups.
        compress_days: Age at which readings and minutes are compressed, where the database's licence has compression.
        every_s: Seconds between two rounds of the retention's own scheduler.
    """

    readings_days: Days = 90
    minutes_days: Days = 730
    hours_days: Days = 0
    compress_days: Annotated[int, Meta(ge=1)] = 7
    every_s: Annotated[float, Meta(gt=0)] = 3600.0

    def lifetimes(self) -> tuple[Lifetime, ...]:
        """The same for each table. A chunk is the unit in which rows are dropped."""
        compress_s = self.compress_days * DAY_S
        return (
            Lifetime(
                table="readings",
                chunk_s=DAY_S,
                keep_s=self.readings_days * DAY_S or None,
                compress_s=compress_s,
                segment_by="sensor_id",
                order_by="measured_at, reading_id",
            ),
            Lifetime(
                table="rollup_1m",
                chunk_s=7 * DAY_S,
                keep_s=self.minutes_days * DAY_S or None,
                compress_s=compress_s,
                segment_by="sensor_id",
                order_by="bucket",
            ),
            Lifetime(
                table="health",
                chunk_s=7 * DAY_S,
                keep_s=self.readings_days * DAY_S or None,
                compress_s=compress_s,
                segment_by="esp_id",
                order_by="at",
            ),
            Lifetime(table="rollup_1h", chunk_s=90 * DAY_S, keep_s=self.hours_days * DAY_S or None),
        )


class ProcessingSettings(Struct, frozen=True, kw_only=True):
    """Where ``dec`` devices may ask for the value of a count; the firmware knows port 8000 only.

    Attributes:
        host: Address to listen on.
        port: 0 is off.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0


class ArchiveSettings(Struct, frozen=True, kw_only=True):
    """Where finished readings go before their stream lets them go: a folder or a bucket; with neither it lets them go.

    Attributes:
        folder: Shared by all instances.
        bucket: ``s3://BUCKET/PREFIX`` of an S3-compatible service; the bucket has to be there.
        endpoint: Address of the service; empty for Amazon's own.
        region: Its region, where it has some.
        access_key: Id of a key that may list, read and write there.
        secret_key: Its secret.
        segment_s: Seconds after which a segment is written even if it is small.
    """

    folder: Path | None = None
    bucket: Annotated[str, Meta(pattern=r"^(s3://.+)?$")] = ""
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    segment_s: Annotated[float, Meta(gt=0)] = 60.0

    def store(self) -> Store | None:
        """Where that is; None for nowhere.

        Raises:
            SettingsError: A folder and a bucket are given.
        """
        if self.folder is not None and self.bucket:
            raise SettingsError("KAISER_ARCHIVE_FOLDER and KAISER_ARCHIVE_BUCKET: give one of them")
        if self.bucket:
            options = S3Options(
                endpoint=self.endpoint, region=self.region, access_key=self.access_key, secret_key=self.secret_key
            )
            return open_store(self.bucket, options)
        return FolderStore(self.folder) if self.folder is not None else None


class IngestSettings(CommonSettings, frozen=True, kw_only=True):
    """Everything that ingest can be told."""

    pg: PostgresSettings
    retention: RetentionSettings
    device_key: DeviceKeySettings
    processing: ProcessingSettings
    archive: ArchiveSettings

    def database(self) -> Database:
        """Where its tables are."""
        return Database(dsn=self.pg.dsn, password=self.pg.password, application_name="kaiser-ingest", schema="ingest")
