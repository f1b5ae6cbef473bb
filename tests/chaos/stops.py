"""Somebody who asks for an emergency stop every second, as at a button, and asks again until it holds."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx

from kaiser.local.ephemeral import PASSWORD
from kaiser.local.ephemeral_services import Service

DRILL: Final = {"scope": {"kind": "zone", "zone_id": "drill"}, "reason": "drill"}
"""Nobody is there, so that nothing but the log is asked."""
EVERY_S: Final = 1.0
AGAIN_S: Final = 0.2


class Stops:
    """Emergency stops that were asked for.

    Attributes:
        took_s: How long each took until it was acknowledged.
        refusals: Answers on the way that said no, as problems.
    """

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.took_s: list[float] = []
        self.refusals: list[dict[str, Any]] = []
        self._api = api

    async def ask_for_ever(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(EVERY_S)

    async def ask(self) -> None:
        """One stop, until it holds."""
        began = time.monotonic()
        while not await self.holds():  # noqa: ASYNC110 - the log is what is waited for
            await asyncio.sleep(AGAIN_S)
        self.took_s.append(time.monotonic() - began)

    async def holds(self) -> bool:
        """Ask once."""
        with contextlib.suppress(httpx.HTTPError):
            answer = await self._api.post("/emergency-stops", json=DRILL)
            if answer.status_code == 202:
                return True
            self.refusals.append(answer.json())
        return False


@contextlib.asynccontextmanager
async def asking_for_stops(gateway: Service) -> AsyncIterator[Stops]:
    """Stops all the time, for the block."""
    base = f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/api/v1"
    async with httpx.AsyncClient(base_url=base, timeout=30) as api:
        answer = await api.post("/auth/login", json={"username": "admin", "password": PASSWORD})
        api.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
        stops = Stops(api)
        asking = asyncio.create_task(stops.ask_for_ever())
        try:
            yield stops
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
