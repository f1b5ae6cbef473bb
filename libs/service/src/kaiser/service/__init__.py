"""The frame that every service stands in: settings, logs, metrics, traces, health, start and stop."""

from kaiser.service.frame import Frame, run
from kaiser.service.health import Health, State
from kaiser.service.settings import (
    CommonSettings,
    HealthSettings,
    LogSettings,
    MqttSettings,
    NatsSettings,
    PostgresSettings,
    SettingsError,
    TraceSettings,
    load,
)

__all__ = (
    "CommonSettings",
    "Frame",
    "Health",
    "HealthSettings",
    "LogSettings",
    "MqttSettings",
    "NatsSettings",
    "PostgresSettings",
    "SettingsError",
    "State",
    "TraceSettings",
    "load",
    "run",
)
