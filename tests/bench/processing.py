"""``python tests/bench/processing.py``: how long a ``dec`` device stands still for one value (wire contract, 4.2)."""

import asyncio
import statistics
import time

from kaiser.fleet.processing import call
from kaiser.ingest.processing import Processing
from kaiser.ingest.sensors import Sensors
from kaiser.local.ports import free_port
from kaiser.physics import families

CALLS = 2000


async def main() -> None:
    """Ask one after the other, as a device does."""
    sensors, address = Sensors(families()), ("127.0.0.1", free_port())
    serving = asyncio.create_task(Processing(lambda facet: sensors[facet], lambda: int(time.time())).serve(*address))
    await asyncio.sleep(0.1)
    body = {"esp_id": "ESP_0A1B2C", "gpio": 33, "sensor_type": "ph", "raw_value": 2141, "timestamp": 1, "metadata": {}}
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        assert await asyncio.to_thread(call, address, body)
        times.append((time.perf_counter() - began) * 1000)
    serving.cancel()
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"value of a count over HTTP: p50 {statistics.median(times):.2f} ms, p99 {p99:.2f} ms (target 50 ms)")


if __name__ == "__main__":
    asyncio.run(main())
