"""Bounds that the fields of several messages share. Nothing a device sends is taken without one."""

from typing import Annotated, Final

from msgspec import Meta

U8_MAX: Final = 0xFF
U32_MAX: Final = 0xFFFF_FFFF

U8 = Annotated[int, Meta(ge=0, le=U8_MAX)]
U32 = Annotated[int, Meta(ge=0, le=U32_MAX)]
Epoch = Annotated[int, Meta(ge=-(10**13), le=10**13)]
"""A device's clock as sent, in seconds or milliseconds; :func:`.plausibility.unix_seconds` settles it."""

Uptime = Annotated[int, Meta(ge=0, le=10**13)]
"""Seconds or milliseconds since boot, or unix time, as the field's description says."""

Rssi = Annotated[int, Meta(ge=-127, le=0)]
"""Wi-Fi signal in dBm; 0 is what the ESP32 reports while it is not associated."""

Fraction = Annotated[float, Meta(ge=-1e12, le=1e12)]
"""A number that may be summed and averaged; larger ones are no measurement and would poison what they are added to."""

Gpio = Annotated[int, Meta(ge=0, le=255)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Id = Annotated[str, Meta(max_length=128)]
"""Ids and words: longer than any that the firmware's buffers (at most 64 characters) hold."""

Text = Annotated[str, Meta(max_length=8192)]
"""Sentences for people; ``head`` cannot send packets larger than 8192 bytes."""

Pins = Annotated[list[Gpio], Meta(max_length=64)]
