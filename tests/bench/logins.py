"""What guessing at passwords costs those who are in: ``GET /auth/me`` while others log in as fast as they can."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import connect, ensure_streams
from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Nats
from kaiser.local.ephemeral_services import Service

GUESSERS = 8
REQUESTS = 1000
EVERY_S = 0.005


async def ask(http: httpx.AsyncClient) -> list[float]:
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        (await http.get("/auth/me")).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(EVERY_S)
    return took


async def guess(http: httpx.AsyncClient, number: int, statuses: list[int]) -> None:
    """Another name from another address each time, so that nothing but hashing holds it back."""
    count = 0
    while True:
        count += 1
        body = {"username": f"nobody-{number}-{count}", "password": "wrong wrong wrong"}
        from_ = {"X-Forwarded-For": f"10.{number}.{count // 256 % 256}.{count % 256}"}
        statuses.append((await http.post("/auth/login", json=body, headers=from_)).status_code)


def say(words: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=100)
    print(f"{words:28} p50 {cuts[49]:5.1f} ms  p99 {cuts[98]:5.1f} ms  max {max(took):5.1f} ms")


async def measure(gateway: Service) -> None:
    base = f"http://127.0.0.1:{gateway.environment['KAISER_GATEWAY_PORT']}/api/v1"
    async with (
        httpx.AsyncClient(base_url=base, timeout=60) as http,
        httpx.AsyncClient(base_url=base, timeout=60) as them,
    ):
        answer = await http.post("/auth/login", json={"username": "admin", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['tokens']['access_token']}"
        say("nobody else", await ask(http))
        statuses: list[int] = []
        guessing = [asyncio.create_task(guess(them, number, statuses)) for number in range(GUESSERS)]
        say(f"{GUESSERS} guess at passwords", await ask(http))
        for task in guessing:
            task.cancel()
        await asyncio.gather(*guessing, return_exceptions=True)
        outcomes = ", ".join(f"{statuses.count(status)} x {status}" for status in sorted(set(statuses)))
        print(f"guesses answered: {outcomes}")


class NoDatabase:
    """The gateway reads its address and needs none."""

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:1/kaiser"


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kaiser-bench-") as home:
        nats = Nats(Path(home) / "nats")
        gateway = ephemeral_services.gateway(Path(home) / "gateway", nats, NoDatabase(), proxies="127.0.0.1")
        try:
            async with await connect(nats.start().url, name="bench") as log:
                await ensure_streams(log, STREAMS)
            gateway.start()
            await measure(gateway)
        finally:
            gateway.kill()
            nats.kill()


if __name__ == "__main__":
    asyncio.run(main())
