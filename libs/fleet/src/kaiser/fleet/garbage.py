"""A device that sends garbage at full speed: no text, foreign ids, huge messages, topics that nobody knows."""

import random
from collections.abc import Iterator
from typing import Final

from kaiser.fleet.message import Outgoing

HUGE: Final = 20_000
DEEP: Final = 200
FOREIGN: Final = "ESP_BADBAD"


def garbage(esp_id: str, *, kaiser_id: str = "god", seed: int = 0) -> Iterator[Outgoing]:
    """Messages without end, none of which may become an event. All are below the device's own topics, as its ACL wants.

    Args:
        esp_id: Who sends them.
        kaiser_id: Below which kaiser id.
        seed: Makes the bytes.
    """
    chance = random.Random(seed)  # noqa: S311 - noise
    base = f"kaiser/{kaiser_id}/esp/{esp_id}"
    reading = f"{base}/sensor/33/data"
    good = '"gpio":33,"sensor_type":"ph","raw":2141,"value":6.30,"unit":"pH","quality":"good","ts":0,"raw_mode":true'
    while True:
        yield Outgoing(reading, b"\xff\xfe" + chance.randbytes(chance.randrange(200)))
        yield Outgoing(reading, f'{{"esp_id":"{FOREIGN}",{good}}}'.encode(), qos=1)
        yield Outgoing(reading, b'{"esp_id":"' + b"x" * HUGE + b'"}')
        yield Outgoing(reading, b'{"a":' * DEEP + b"1" + b"}" * DEEP)
        yield Outgoing(reading, f'{{"esp_id":"{esp_id}","gpio":33,"sensor_type":"ph"}}'.encode(), qos=1)
        yield Outgoing(f"{base}/sensor/999/data", f'{{"esp_id":"{esp_id}",{good}}}'.encode())
        yield Outgoing(f"{base}/library/{chance.randrange(1000)}", b"{}")
        yield Outgoing(f"{base}/system/heartbeat", b"[" + str(chance.random()).encode() + b"]")
