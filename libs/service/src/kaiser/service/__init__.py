"""The frame that every service stands in: settings, logs, metrics, traces, health, start and stop."""

from kaiser.service.frame import CannotStartError, Frame, listen, run
from kaiser.service.health import Health, State
from kaiser.service.settings import (
    CommonSettings,
    DeviceKeySettings,
    HealthSettings,
    LogSettings,
    MqttSettings,
    NatsSettings,
    PostgresSettings,
    SettingsError,
    StreamSettings,
    TraceSettings,
    load,
)

__all__ = (
    "CannotStartError",
    "CommonSettings",
    "DeviceKeySettings",
    "Frame",
    "Health",
    "HealthSettings",
    "LogSettings",
    "MqttSettings",
    "NatsSettings",
    "PostgresSettings",
    "SettingsError",
    "State",
    "StreamSettings",
    "TraceSettings",
    "listen",
    "load",
    "run",
)
