"""Settings from the environment: typed, with defaults, and every mistake in one message.

A settings struct becomes variables by its fields: ``nats: NatsSettings`` with a field ``url`` is ``KAISER_NATS_URL``.
Any variable may be given as a file instead, with ``_FILE`` behind its name, which is how secrets come.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import msgspec
from msgspec import Meta, Struct

S = TypeVar("S", bound=Struct)

PREFIX = "KAISER"

Port = Annotated[int, Meta(ge=1, le=65535)]


class SettingsError(ValueError):
    """What is wrong with the environment, all of it; the message is for the operator."""


class NatsSettings(Struct, frozen=True, kw_only=True):
    """Where the event log is, and as whom to connect."""

    url: str = "nats://127.0.0.1:4222"
    user: str | None = None
    password: str | None = None


class MqttSettings(Struct, frozen=True, kw_only=True):
    """Where the MQTT broker is, and as whom to connect; with a CA file the connection is TLS."""

    host: str = "127.0.0.1"
    port: Port = 1883
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class PostgresSettings(Struct, frozen=True, kw_only=True):
    """Where the database is: a connection string without the password, and the password."""

    dsn: str
    password: str | None = None


class DeviceKeySettings(Struct, frozen=True, kw_only=True):
    """``KAISER_DEVICE_KEY_…``.

    Attributes:
        secret: Secret of the site that keys of devices are derived from, at least 32 characters; every service that
            needs it has the same. A new one makes every key void.
    """

    secret: Annotated[str, Meta(min_length=32)]


class HealthSettings(Struct, frozen=True, kw_only=True):
    """Where ``/health/live``, ``/health/ready`` and ``/metrics`` are served."""

    host: str = "127.0.0.1"
    port: Port = 8081


class LogSettings(Struct, frozen=True, kw_only=True):
    """How to log; ``auto`` is readable on a terminal and JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class TraceSettings(Struct, frozen=True, kw_only=True):
    """``KAISER_TRACE_…``.

    Attributes:
        endpoint: Base of an OTLP receiver over HTTP, such as ``http://collector:4318``; empty records no traces.
        ratio: Share of what comes in that begins a trace which is recorded; what is part of one goes on in any case.
    """

    endpoint: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?$")] = ""
    ratio: Annotated[float, Meta(ge=0, le=1)] = 0.01


class StreamSettings(Struct, frozen=True, kw_only=True):
    """``KAISER_STREAM_…``.

    Attributes:
        replicas: Copies of each stream and bucket: 1 on a single NATS server, 3 on a cluster; the same in all services.
    """

    replicas: Annotated[int, Meta(ge=1, le=5)] = 1


class CommonSettings(Struct, frozen=True, kw_only=True):
    """What every service has; a service's own settings derive from it."""

    nats: NatsSettings
    stream: StreamSettings
    health: HealthSettings
    log: LogSettings
    trace: TraceSettings


def load(settings: type[S], environ: Mapping[str, str] = os.environ) -> S:
    """Read a settings struct from the environment.

    Args:
        settings: The struct; fields that are structs are groups.
        environ: Variables.

    Raises:
        SettingsError: Every variable that is wrong or missing, one a line.
    """
    problems: list[str] = []
    loaded = _load(settings, PREFIX, environ, problems)
    if problems or loaded is None:
        raise SettingsError("\n".join(problems))
    return loaded


def variables(settings: type[Struct]) -> Iterator[tuple[str, str]]:
    """Every variable of a settings struct, with what is accepted, for documentation."""
    yield from _variables(settings, PREFIX)


def _variables(settings: type[Struct], prefix: str) -> Iterator[tuple[str, str]]:
    hints = get_type_hints(settings)
    for field in msgspec.structs.fields(settings):
        name = f"{prefix}_{field.name.upper()}"
        if _is_group(hints[field.name]):
            yield from _variables(hints[field.name], name)
        else:
            yield name, "required" if field.required else f"default {field.default!r}"


def _load(settings: type[S], prefix: str, environ: Mapping[str, str], problems: list[str]) -> S | None:
    values: dict[str, Any] = {}  # of whatever types the fields have
    hints = get_type_hints(settings, include_extras=True)
    before = len(problems)
    for field in msgspec.structs.fields(settings):
        name, hint = f"{prefix}_{field.name.upper()}", hints[field.name]
        if _is_group(hint):
            values[field.name] = _load(hint, name, environ, problems)
            continue
        try:
            text = _text(name, environ)
        except OSError as error:
            problems.append(f"{name}_FILE: cannot be read ({error.strerror}: {error.filename})")
            continue
        if text is None:
            if field.required:
                problems.append(f"{name}: is required (or {name}_FILE with the name of a file that holds it)")
            continue
        try:
            values[field.name] = msgspec.convert(text, hint, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            problems.append(f"{name}: {_words(error)}, but is {'set' if _is_secret(name) else repr(text)}")
    return settings(**values) if len(problems) == before else None


def _text(name: str, environ: Mapping[str, str]) -> str | None:
    if name in environ:
        return environ[name]
    file = environ.get(f"{name}_FILE")
    return None if file is None else Path(file).read_text().strip()


def _is_group(hint: Any) -> bool:  # any annotation
    return isinstance(hint, type) and issubclass(hint, Struct)


def _is_secret(name: str) -> bool:
    return "PASSWORD" in name or "SECRET" in name


def _words(error: msgspec.ValidationError) -> str:
    return str(error).partition(" - at")[0].lower().replace("`", "")


def _path(kind: type, value: Any) -> Any:  # msgspec's hook for types that it does not know
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
