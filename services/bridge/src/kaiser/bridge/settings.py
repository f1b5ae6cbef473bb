"""Settings of the bridge, from the environment."""

import socket
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from kaiser.service import CommonSettings, DeviceKeySettings, MqttSettings


class BridgeOptions(Struct, frozen=True, kw_only=True):
    """``KAISER_BRIDGE_…``.

    Attributes:
        state_dir: Folder of this bridge alone; holds the cache of devices.
        name: Name of this bridge, by which it finds its leases again after a crash; two bridges need two names.
        slots: Uplink sessions that share the load; all bridges need the same number.
        receive_maximum: Messages that the broker may have on their way to one session, unacknowledged.
        session_expiry_s: How long the broker keeps a slot's session, and with it everything for it, without a bridge.
        will_delay_s: How long a successor may take before ``server/status`` says ``offline``.
        safety_lease_s: How long safety may be silent until actuators are switched off that may not stay on without it.
        broadcast_token: What production builds of ``head`` want in a stop of the site; without it they are stopped one
            by one.
    """

    state_dir: Path
    name: str = socket.gethostname()
    slots: Annotated[int, Meta(ge=1, le=64)] = 1
    receive_maximum: Annotated[int, Meta(ge=10, le=10_000)] = 1000
    session_expiry_s: Annotated[int, Meta(ge=60)] = 7 * 86_400
    will_delay_s: Annotated[int, Meta(ge=1, le=300)] = 30
    safety_lease_s: Annotated[float, Meta(ge=2, le=3600)] = 10.0
    broadcast_token: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class AccessOptions(Struct, frozen=True, kw_only=True):
    """``KAISER_ACCESS_…``: who may manage clients on the broker; without it, keys of devices are not managed.

    Attributes:
        user: User name of an account that may use Mosquitto's ``$CONTROL/dynamic-security`` and nothing else.
        password: Its password.
    """

    user: str | None = None
    password: str | None = None


class BridgeSettings(CommonSettings, frozen=True, kw_only=True):
    """Everything that the bridge reads from the environment."""

    mqtt: MqttSettings
    bridge: BridgeOptions
    access: AccessOptions
    device_key: DeviceKeySettings
