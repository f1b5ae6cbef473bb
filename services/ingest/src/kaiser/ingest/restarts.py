"""Devices that were started anew, told by their heartbeats: the uptime went back, or the boot number changed. Pure."""

import msgspec

from kaiser.contracts.events.device import DeviceRestarted, DeviceSaid
from kaiser.ingest.presence import Beat


class Run(msgspec.Struct, frozen=True):
    """A device's time since it was started, as its last heartbeat tells.

    Attributes:
        booted_at: When it was started at the latest, unix microseconds. Each heartbeat of a run gives a bound, for it
            may have waited in the device; the least counts.
        uptime_s: Seconds.
        ts: What its clock said, unix seconds; 0 where it is not set.
        boot: Number of the boot, as ``head`` says it; empty where nothing is said.
        sensors: How many it says it has.
        actuators: How many it says it has.
    """

    booted_at: int
    uptime_s: int
    ts: int
    boot: str
    sensors: int | None
    actuators: int | None


def run_of(before: Run | None, said: DeviceSaid[Beat]) -> Run:
    """The run that a heartbeat belongs to, after it."""
    beat = said.message
    booted_at = said.received_at - beat.uptime * 1_000_000
    if before is not None and not _anew(before, beat):
        booted_at = min(booted_at, before.booted_at)
    return Run(booted_at, beat.uptime, beat.ts, beat.boot_sequence_id, beat.sensor_count, beat.actuator_count)


def restart(before: Run | None, said: DeviceSaid[Beat]) -> DeviceRestarted | None:
    """The restart that a heartbeat shows; None if it shows none, or nothing is known of before."""
    beat = said.message
    if before is None or not _anew(before, beat):
        return None
    return DeviceRestarted(
        kaiser_id=said.kaiser_id,
        esp_id=said.esp_id,
        received_at=said.received_at,
        booted_at=said.received_at - beat.uptime * 1_000_000,
        ran_s=before.uptime_s,
        reason=beat.reset_reason,
    )


def _anew(before: Run, beat: Beat) -> bool:
    renumbered = before.boot and beat.boot_sequence_id and before.boot != beat.boot_sequence_id
    # The first heartbeat of two runs may tell the same uptime; that of a message that came twice has the same time, too
    first_again = beat.uptime == before.uptime_s and beat.ts != before.ts
    return bool(renumbered) or first_again or beat.uptime < before.uptime_s
