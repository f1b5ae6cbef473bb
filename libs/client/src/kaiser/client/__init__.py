"""The live stream of a Kaiser gateway: typed, and gapless over disconnects."""

from kaiser.client.login import Login, NotAllowedError
from kaiser.client.stream import Credentials, LiveStream, Update, WishError, sensor_data
from kaiser.contracts.live import Close, Filters, LiveEvent, Missed, SensorData, SnapshotPart

__all__ = (
    "Close",
    "Credentials",
    "Filters",
    "LiveEvent",
    "LiveStream",
    "Login",
    "Missed",
    "NotAllowedError",
    "SensorData",
    "SnapshotPart",
    "Update",
    "WishError",
    "sensor_data",
)
