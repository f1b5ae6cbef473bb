"""Drives the simulated fleet against a site, and watches from outside what becomes of each reading."""

import asyncio
import ipaddress
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from kaiser.ctl import reaching
from kaiser.ctl.api import Api, api_of, tls_of
from kaiser.ctl.errors import CtlError, UnreachableError, UsageError
from kaiser.ctl.load.counting import Outcome, outcome
from kaiser.ctl.printing import show
from kaiser.ctl.site import Broker, Site
from kaiser.local.observing import Key, Observed, Vantage, watching

SIMULATED: Final = "ESP_1"
"""Names of the load's devices begin so: their numbers start at 0x100000."""
SETTLE_S: Final = 0.5
_HAS_SENT: Final = frozenset({0, 1})
"""The fleet's exit codes after it has written what it sent; 1 is for readings that were not acknowledged."""


class _Sent(msgspec.Struct):
    esp_id: str
    gpio: int
    sensor_type: str
    address: str
    raw: int
    ts: int
    acked: bool
    sent_us: int

    @property
    def key(self) -> Key:
        return (self.esp_id, self.gpio, self.sensor_type, self.address, self.ts, self.raw)


def load_test(site: Site, arguments: Namespace) -> int:
    """Load a site, and say what became of each reading; 1 if one is lost."""
    if find_spec("kaiser.fleet") is None:
        raise UsageError(
            "the simulated fleet is not in the image: run this from a checkout, with --url, --nats and --mqtt."
        )
    broker = site.need_broker()
    with api_of(site) as api:
        if not arguments.yes and (reasons := list(_why_not(site, broker, api))):
            raise UsageError(f"this looks like a site in use ({'; '.join(reasons)}): say --yes if it is to be loaded.")
        found = reaching.run(_run(site, broker, api, arguments))
    show(arguments, found, lambda found: "\n".join(_in_words(found, arguments)))
    return int(not found.whole)


async def _run(site: Site, broker: Broker, api: Api, arguments: Namespace) -> Outcome:
    nats = site.need_nats()
    url = site.need_gateway().url
    async with reaching.event_log(site):  # says why not, where a watcher would wait for ever
        pass

    async def token() -> str:
        return api.token

    vantage = Vantage(
        nats_url=nats.url,
        nats_user=nats.user,
        nats_password=nats.password,
        socket_url=f"ws{url.removeprefix('http')}/ws",
        token=token,
        tls=tls_of(site),
    )
    with tempfile.TemporaryDirectory(prefix="kaiserctl-") as folder:
        log = Path(folder) / "sent.jsonl"
        async with watching(vantage) as seen:
            await _drive(broker, log, arguments)
            sent, unacknowledged = _read(log)
            await _settle(sent, seen, arguments.patience)
            return outcome(sent, unacknowledged, seen.rows, seen.pushes, missed=seen.missed)


async def _drive(broker: Broker, log: Path, arguments: Namespace) -> None:
    """Let the devices send, in a process of their own, so that they do not wait for who watches."""
    told = {
        "KAISER_MQTT_HOST": broker.host,
        "KAISER_MQTT_PORT": str(broker.port),
        "KAISER_MQTT_USER": broker.user,
        "KAISER_MQTT_PASSWORD": broker.password,
    }
    words = {
        "--rate": arguments.rate,
        "--seconds": arguments.duration,
        "--devices": arguments.devices,
        "--sensors": arguments.sensors,
        "--sent-log": log,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kaiser.fleet", "load"),
        *(str(word) for pair in words.items() for word in pair),
        env={name: value for name, value in os.environ.items() if not name.startswith("KAISER_")} | told,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in _HAS_SENT:
        last = complaint.decode().strip().splitlines()[-1:]
        raise UnreachableError(f"the devices could not send to {broker.host}:{broker.port}: {''.join(last)}")


def _read(log: Path) -> tuple[dict[Key, int], int]:
    """Each acknowledged reading and when it was sent, and how many were not acknowledged."""
    decode = msgspec.json.Decoder(_Sent).decode
    with log.open("rb") as lines:
        every = [decode(line) for line in lines]
    acknowledged = {each.key: each.sent_us for each in every if each.acked}
    if not every:
        raise CtlError("nothing was sent: give it more time with --duration, or a higher --rate.")
    return acknowledged, sum(not each.acked for each in every)


async def _settle(sent: dict[Key, int], seen: Observed, patience_s: float) -> None:
    """Wait until everything has arrived, or for as long as patience lasts."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while asyncio.get_running_loop().time() < deadline:
        so_far = outcome(sent, 0, seen.rows, seen.pushes, missed=seen.missed)
        if so_far.whole:
            return
        await asyncio.sleep(SETTLE_S)


def _why_not(site: Site, broker: Broker, api: Api) -> Iterator[str]:
    """What makes a site look like one that real devices use."""
    hosts = {urlsplit(site.need_gateway().url).hostname or "", broker.host}
    if far := sorted(host for host in hosts if not _is_loopback(host)):
        yield f"{' and '.join(far)} is another machine"
    online = [each["esp_id"] for each in api.pages("/devices") if each["online"]]
    if real := [name for name in online if not name.startswith(SIMULATED)]:
        yield f"{len(real)} devices are online, {real[0]} one of them"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in_words(found: Outcome, arguments: Namespace) -> Iterator[str]:
    yield f"{arguments.devices} devices, {arguments.rate} readings/s for {arguments.duration:g} s"
    yield f"  sent          {found.sent:>9,}"
    yield f"  acknowledged  {found.acknowledged:>9,}  by the broker"
    for words, count, latency in (("stored", found.stored, found.to_row), ("seen", found.seen, found.to_socket)):
        took = f"  p50 {latency.p50_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms from the device" if latency else ""
        yield f"  {words:<12}  {count:>9,}{took}"
    if found.missed:
        yield f"  missed        {found.missed:>9,}  of which the WebSocket client was told"
    if found.whole:
        yield "  nothing was lost"
    else:
        late = found.sent - found.acknowledged
        yield f"  LOST: {late:,} not acknowledged, {found.lost:,} not stored, {found.unseen:,} not seen"
