"""The plain HTTP call of ``dec`` devices, over real sockets."""

import asyncio
import json
import time

import pytest

from kaiser.fleet.processing import Processed, call
from kaiser.ingest.processing import LONGEST_BODY, PATIENCE_S, Processing
from kaiser.ingest.sensors import Sensors
from kaiser.local.ports import free_port
from kaiser.physics import families

READING = {"esp_id": "ESP_0A1B2C", "gpio": 33, "sensor_type": "ph", "raw_value": 2141, "timestamp": 84123}


@pytest.fixture
async def address():
    sensors, port = Sensors(families()), free_port()
    endpoint = Processing(lambda facet: sensors[facet], lambda: int(time.time()))
    serving = asyncio.create_task(endpoint.serve("127.0.0.1", port))
    await asyncio.sleep(0.05)
    yield "127.0.0.1", port
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def ask(address, **changed) -> Processed | None:
    """What the firmware's parser reads of the answer."""
    return await asyncio.to_thread(call, address, READING | {"metadata": {}} | changed)


async def raw(address, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def request(body: bytes, path: str = "/api/v1/sensors/process") -> bytes:
    return f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_a_count_becomes_a_value_as_the_converter_would_make_it(address):
    value, unit, quality = await ask(address)
    assert (round(value, 2), unit, quality) == (6.21, "pH", "fair")
    value, unit, quality = await ask(address, sensor_type="ds18b20", raw_value=4_294_967_288)
    assert (value, unit, quality) == (-0.5, "°C".encode().decode("latin-1"), "good")


async def test_every_byte_is_as_the_parser_needs_it(address):
    answer = await raw(address, request(json.dumps(READING).encode()))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head + b"\r\n"
    assert b"\r\nConnection: close" in head
    assert body.startswith(b'{"processed_value":')
    assert b'"unit":"pH","quality":"fair","timestamp":' in body
    assert body.endswith(b"}\n\n")
    assert body.count(b"\n") == 2


@pytest.mark.parametrize(
    "changed", [{"sensor_type": "bmp280_pressure"}, {"sensor_type": "ds18b20", "raw_value": -2032}]
)
async def test_a_count_that_nobody_can_convert_goes_back_so_that_the_device_publishes_it(address, changed):
    expected = float(changed.get("raw_value", READING["raw_value"]))
    assert await ask(address, **changed) == Processed(expected, "raw", "error")


async def test_an_unknown_type_keeps_its_count(address):
    assert await ask(address, sensor_type="leaf_wetness") == Processed(2141.0, "raw", "fair")


@pytest.mark.parametrize(
    ("bytes_sent", "status"),
    [
        (request(b"{"), b"400"),
        (request(b'{"esp_id":"ESP_1"}'), b"400"),
        (request(b'{"esp_id":1}'), b"400"),
        (request(b"\xff\xfe\x00"), b"400"),
        (request(b"{}", path="/"), b"404"),
        (b"GET /api/v1/sensors/process HTTP/1.1\r\n\r\n", b"404"),
        (b"\r\n\r\n", b"404"),
        (f"POST /api/v1/sensors/process HTTP/1.1\r\nContent-Length: {LONGEST_BODY + 1}\r\n\r\n".encode(), b"413"),
        (b"POST /api/v1/sensors/process HTTP/1.1\r\n\r\n", b"413"),
        (b"POST /api/v1/sensors/process HTTP/1.1\r\nX: " + b"y" * 9000, b"431"),
    ],
)
async def test_what_no_device_sends_is_refused_with_a_code(address, bytes_sent, status):
    answer = await raw(address, bytes_sent)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"]
    assert await ask(address)


async def test_half_a_request_is_not_waited_for_and_keeps_nobody_waiting(address):
    halves = [await asyncio.open_connection(*address) for _ in range(50)]
    for _, writer in halves:
        writer.write(b"POST /api/v1/sens")
    assert await ask(address)
    began = time.monotonic()
    assert await halves[0][0].read() == b""
    assert time.monotonic() - began < 3 * PATIENCE_S
    for _, writer in halves:
        writer.close()


async def test_a_hundred_at_once_are_all_answered(address):
    answers = await asyncio.gather(*(ask(address, raw_value=count) for count in range(1000, 1100)))
    assert all(answer is not None for answer in answers)
    assert len({answer.value for answer in answers}) == 100
