"""What ``dec`` devices ask over plain HTTP before they publish a reading: the value of a count (wire contract, 4.2).

The device's parser is written by hand: it knows ``Content-Length`` in this case only, wants no space behind the colons
of texts, reads the body line by line, and stops at an empty one. HTTP libraries write header names in lower case
(uvicorn) or do not say how they write them, and here every byte counts, so the answer is made by hand, too.

The firmware sends no credentials. So the endpoint computes and does nothing else: it stores nothing and tells nothing
that whoever asks has not said. It is off unless asked for, and has a port of its own.
"""

import asyncio
import contextlib
import math
import re
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from kaiser.ingest.sensors import Facet, Sensor

_log = structlog.get_logger(__name__)

PATH: Final = "/api/v1/sensors/process"
LONGEST_HEAD: Final = 4096
LONGEST_BODY: Final = 4096
PATIENCE_S: Final = 2.0
"""For all of a request: the device sends it in one piece."""
AT_ONCE: Final = 512

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,6})[ \t]*\r\n", re.IGNORECASE)
_UNSAFE = re.compile(r'["\\\x00-\x1f]')


class ProcessRequest(msgspec.Struct, frozen=True):
    """A count that a device wants to know the value of.

    Attributes:
        timestamp: Milliseconds since its start; nothing follows from it.
    """

    esp_id: str
    gpio: int
    sensor_type: str
    raw_value: float
    timestamp: int = 0


_decode = msgspec.json.Decoder(ProcessRequest).decode


def processed(request: ProcessRequest, sensor: Sensor, now_s: int) -> bytes:
    """The body of an answer, as the device's parser needs it.

    A count that cannot be converted goes back as it came, with quality ``error``: any other answer would make the
    device publish nothing, and after five of them it would publish counts of unknown quality for a minute.
    """
    value, quality = request.raw_value, "fair"
    unit = "raw"
    if sensor.convert is not None:
        try:
            converted, quality, _ = sensor.convert(request.raw_value, None)
        except Exception:  # noqa: BLE001  # whatever a plug-in raises, the device is owed an answer
            converted, quality = None, "error"
        if converted is not None and math.isfinite(converted):
            value, unit = converted, sensor.unit
    number = f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else "0"
    text = _UNSAFE.sub("", unit)
    body = f'{{"processed_value":{number},"unit":"{text}","quality":"{quality}","timestamp":{now_s}}}\n\n'
    return body.encode()


def response(status: str, body: bytes) -> bytes:
    """A whole answer."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def refusal(status: str, code: str, detail: str) -> bytes:
    """A whole answer to what no device sends."""
    return response(status, msgspec.json.encode({"code": code, "detail": detail}) + b"\n\n")


class Processing:
    """The endpoint.

    Args:
        sensor_of: A sensor by facet, with its conversion.
        now_s: Unix seconds.
    """

    def __init__(self, sensor_of: Callable[[Facet], Sensor], now_s: Callable[[], int]) -> None:
        self.answered = 0
        self._sensor_of = sensor_of
        self._now_s = now_s
        self._connections = 0

    async def serve(self, host: str, port: int) -> None:
        """Answer until cancelled.

        Raises:
            OSError: The port is taken.
        """
        server = await asyncio.start_server(self._connected, host, port, limit=LONGEST_HEAD)
        _log.info("devices may ask for values", host=host, port=port)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= AT_ONCE:
                async with asyncio.timeout(PATIENCE_S):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # gone, or too slow to be a device
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return refusal("431 Request Header Fields Too Large", "PAYLOAD_TOO_LARGE", "the head is too long")
        line = head.partition(b"\r\n")[0].split(b" ")
        if line[:2] != [b"POST", PATH.encode()]:
            return refusal("404 Not Found", "NOT_FOUND", f"there is POST {PATH} and nothing else")
        length = _LENGTH.search(head)
        if length is None or int(length[1]) > LONGEST_BODY:
            return refusal(
                "413 Content Too Large", "PAYLOAD_TOO_LARGE", f"at most {LONGEST_BODY} bytes, and say how many"
            )
        return self.answer(await reader.readexactly(int(length[1])))

    def answer(self, body: bytes) -> bytes:
        """The whole answer to the body of a request."""
        try:
            request = _decode(body)
        except msgspec.MsgspecError as error:
            return refusal("400 Bad Request", "INVALID_PAYLOAD_FORMAT", str(error))
        self.answered += 1
        sensor = self._sensor_of((request.esp_id, request.gpio, request.sensor_type, ""))
        return response("200 OK", processed(request, sensor, self._now_s()))
