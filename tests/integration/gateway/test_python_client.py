"""The client library against a real gateway: whatever dies, each event comes once and in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from kaiser.client import Filters, LiveStream, Login, NotAllowedError, Update, WishError, sensor_data
from kaiser.eventlog import EventLog
from kaiser.local.ephemeral import PASSWORD, Nats
from kaiser.local.ephemeral_services import Service

from .clients import brief, token_of
from .test_resuming import DEVICES, batch


def url_of(gateway: Service) -> str:
    return f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}"


class Ids:
    """Reads a stream in the background; ``ids`` are those of the readings that came."""

    def __init__(self, stream: LiveStream) -> None:
        self.ids: list[int] = []
        self.updates: list[Update] = []
        self._stream = stream
        self._changed = asyncio.Condition()

    async def _read(self) -> None:
        async for update in self._stream.updates():
            async with self._changed:
                self.updates.append(update)
                self.ids += [int(sensor_data(event).reading_id) for event in update.events]
                self._changed.notify_all()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read meanwhile, from when the first connection stands."""
        task = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(30):
                while not self._stream.connections or not self._stream.cursor:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.02)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, count: int) -> list[int]:
        async with asyncio.timeout(90), self._changed:
            await self._changed.wait_for(lambda: len(self.ids) >= count)
        return self.ids


async def test_readings_come_typed_and_filtered(gateway: Service, log: EventLog) -> None:
    login = Login(url_of(gateway), "admin", PASSWORD)
    ids = Ids(LiveStream(url_of(gateway), login, filters=Filters(esp_ids=frozenset({DEVICES[1]}))))
    async with ids.reading():
        await log.publish_all([batch(number, esp_id=DEVICES[number % 2]) for number in range(20)])
        assert await ids.until(10) == list(range(1, 20, 2))
    (event, *_), *_ = (update.events for update in ids.updates)
    assert sensor_data(event).value == 22.0


async def test_a_gateway_that_is_killed_again_and_again_loses_and_doubles_nothing(
    gateway: Service, log: EventLog
) -> None:
    stream = LiveStream(url_of(gateway), token_of(gateway))
    ids = Ids(stream)
    async with ids.reading():
        for life in range(4):
            await log.publish_all([batch(200 * life + number) for number in range(100)])
            await asyncio.to_thread(gateway.kill)
            await log.publish_all([batch(200 * life + number) for number in range(100, 200)])
            gateway.start()
        assert await ids.until(800) == list(range(800))
    assert stream.connections > 1
    assert not any(update.missed for update in ids.updates)


async def test_a_log_that_is_killed_again_and_again_loses_and_doubles_nothing(
    gateway: Service, log: EventLog, nats_server: Nats
) -> None:
    ids = Ids(LiveStream(url_of(gateway), token_of(gateway), delivery="immediate"))
    async with ids.reading():
        for life in range(3):
            await log.publish_all([batch(100 * life + number) for number in range(100)])
            await asyncio.to_thread(nats_server.kill)
            nats_server.start()
        assert await ids.until(300) == list(range(300))


async def test_a_cursor_that_was_kept_goes_on_in_another_life_of_the_client(gateway: Service, log: EventLog) -> None:
    first = LiveStream(url_of(gateway), token_of(gateway))
    ids = Ids(first)
    async with ids.reading():
        await log.publish_all([batch(number) for number in range(50)])
        await ids.until(50)
    await log.publish_all([batch(number) for number in range(50, 80)])
    again = Ids(LiveStream(url_of(gateway), token_of(gateway), cursor=first.cursor))
    async with again.reading():
        assert await again.until(30) == list(range(50, 80))


async def test_a_socket_outlives_its_first_token(gateway: Service, log: EventLog) -> None:
    asked, first = asyncio.Semaphore(0), token_of(gateway)

    async def credentials() -> str:
        asked.release()
        return brief(first, expires_s=4)

    stream = LiveStream(url_of(gateway), credentials)
    ids = Ids(stream)
    async with ids.reading():
        async with asyncio.timeout(60):
            for _ in range(4):
                await asked.acquire()
        await log.publish(batch(1))
        await ids.until(1)
    assert stream.connections == 1


async def test_whose_sessions_end_again_and_again_comes_back_each_time(gateway: Service, log: EventLog) -> None:
    login, tokens = Login(url_of(gateway), "admin", PASSWORD), []

    async def fresh() -> str:
        tokens.append(await login())
        return tokens[-1]

    stream = LiveStream(url_of(gateway), fresh)
    async with Ids(stream).reading(), httpx.AsyncClient(base_url=url_of(gateway)) as http:
        for ended in range(1, 4):
            out = await http.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {tokens[-1]}"})
            assert out.status_code == 204
            async with asyncio.timeout(60):
                while stream.connections == ended:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.02)


@pytest.mark.parametrize("wrong", ["x", ""])
async def test_a_token_that_is_not_taken_ends_the_stream(gateway: Service, wrong: str) -> None:
    with pytest.raises(NotAllowedError):
        await anext(LiveStream(url_of(gateway), wrong).updates())


async def test_a_password_that_is_wrong_ends_the_stream(gateway: Service) -> None:
    with pytest.raises(NotAllowedError):
        await anext(LiveStream(url_of(gateway), Login(url_of(gateway), "admin", "wrong")).updates())


async def test_a_filter_that_nothing_can_match_is_refused(gateway: Service) -> None:
    stream = LiveStream(url_of(gateway), token_of(gateway), filters=Filters(types=frozenset({"sensor_dat"})))
    with pytest.raises(WishError, match="sensor_dat"):
        await anext(stream.updates())


async def test_a_snapshot_comes_before_the_stream_and_says_who_is_away(gateway: Service, log: EventLog) -> None:
    stream = LiveStream(url_of(gateway), token_of(gateway), snapshot=True)
    ids = Ids(stream)
    async with ids.reading():
        await log.publish(batch(1))
        await ids.until(1)
    parts = [update.snapshot for update in ids.updates if update.snapshot is not None]
    assert [part.of for part in parts] == ["emergency-stops", "alerts", "devices", "actuators", "sensors"]
    assert all("is not running" in part.problem for part in parts)
    kinds = ["complete" if update.complete else "events" for update in ids.updates if not update.snapshot]
    assert kinds[:2] == ["complete", "events"]
