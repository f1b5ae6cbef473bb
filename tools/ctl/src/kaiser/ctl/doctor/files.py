"""Files of a home: secrets, Mosquitto's and NATS' settings, room on disks."""

import json
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from kaiser.ctl.doctor.limits import Limits
from kaiser.ctl.findings import Finding, note, ok, wrong
from kaiser.ctl.printing import size
from kaiser.local.layout import Layout

SHORTEST: Final = 16
"""Characters of a secret; those that Kaiser makes have 32."""
KEYS: Final = {"jwt": 32, "device-key": 32}
"""Secrets that others are derived from, and their shortest length."""
OTHERS_MAY: Final = stat.S_IRWXG | stat.S_IRWXO

BROKER: Final[Mapping[str, tuple[str, str]]] = {
    "upgrade_outgoing_qos": (
        "true",
        "after a restart of the bridge under load, messages stop for good (Mosquitto 2.0.21 loses receive maximum)",
    ),
    "queue_qos0_messages": ("true", "what devices of the generation dec say while no bridge is there is lost"),
    "persistence": ("true", "what the broker keeps for an absent bridge is lost with the broker"),
    "allow_anonymous": ("false", "anybody may speak for any device"),
    "set_tcp_nodelay": ("true", "small packets are held back for up to 40 ms"),
}
"""Settings of Mosquitto that Kaiser relies on: the value, and what happens without it."""
QUEUE: Final = 100_000
"""Messages for an absent bridge; Mosquitto's default of 1,000 drops what is beyond."""


def home_files(layout: Layout, limits: Limits) -> Iterator[Finding]:
    """Everything about files of a home."""
    yield secrets(layout.root / "secrets")
    yield disks({layout.root, layout.archive} if layout.archive.exists() else {layout.root}, limits)
    yield broker_settings(layout.mosquitto / "mosquitto.conf")
    yield log_sync(layout.nats / "nats.conf")


def secrets(folder: Path) -> Finding:
    """Whether secrets are long, and nobody else's to read."""
    check = "secrets"
    if not folder.is_dir():
        return wrong(check, f"there are no secrets in {folder}", "start Kaiser once with 'make up', which makes them")
    faults = []
    if folder.stat().st_mode & OTHERS_MAY:
        faults.append(f"others may look into {folder}")
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        if path.stat().st_mode & OTHERS_MAY:
            faults.append(f"others may read {path.name}")
        length = len(path.read_text(encoding="utf-8").strip())
        if length < KEYS.get(path.name, SHORTEST):
            faults.append(f"{path.name} has only {length} characters")
    if not faults:
        return ok(check, f"secrets in {folder} are long, and nobody else's to read")
    advice = f"chmod -R go= {folder}; delete a short one and restart with 'make down up', which makes another"
    return wrong(check, "; ".join(faults), advice)


def disks(folders: set[Path], limits: Limits) -> Finding:
    """Whether there is room."""
    check = "disk space"
    faults: list[str] = []
    words: list[str] = []
    for folder in sorted(folders):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        usage = shutil.disk_usage(there)
        share = 100 * usage.free / usage.total
        line = f"{size(usage.free)} ({share:.0f} %) free at {folder}"
        (faults if share < limits.min_free else words).append(line)
    if faults:
        advice = "make room, or move the home to a larger disk: a log without room takes no more events"
        return wrong(check, "; ".join(faults), advice)
    return ok(check, "; ".join(words))


def broker_settings(path: Path) -> Finding:
    """Whether Mosquitto is told what Kaiser relies on."""
    check = "broker settings"
    try:
        told = dict(re.findall(r"^(\w+)[ \t]+(\S+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    except OSError as error:
        advice = "start Kaiser once with 'make up', which writes it; or name the file with --mosquitto-conf"
        return wrong(check, f"cannot read {path}: {error.strerror}", advice)
    faults = [
        f"{name} is {told.get(name, 'not set')}: {words}"
        for name, (value, words) in BROKER.items()
        if told.get(name) != value
    ]
    queue = told.get("max_queued_messages", "1000")
    if int(queue) and int(queue) < QUEUE:
        faults.append(f"max_queued_messages is {queue}: what an absent bridge misses beyond that is dropped")
    if faults:
        return wrong(
            check, "; ".join(faults), f"set them in {path} as kaiser.local.mosquitto does, and restart Mosquitto"
        )
    return ok(check, f"{path} says what Kaiser relies on")


def log_sync(path: Path) -> Finding:
    """How often JetStream forces its files to disk."""
    check = "log sync"
    try:
        interval = json.loads(path.read_text(encoding="utf-8"))["jetstream"].get("sync_interval")
    except (OSError, ValueError, KeyError, AttributeError):
        return note(check, f"{path} cannot be read, so it is not known how often JetStream syncs")
    if interval is None:
        words = (
            "JetStream syncs every two minutes: a crash of the machine (not of a process) may lose as much of the log"
        )
        return note(check, words, "KAISER_NATS_SYNC=always, or three servers with KAISER_STREAM_REPLICAS=3")
    return ok(check, f"JetStream syncs: {interval}")
