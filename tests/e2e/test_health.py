"""Health of every service while something is taken from it: what is wrong, since when, and what that means."""

import re
from typing import Any, Final, Literal, NamedTuple

import httpx
import pytest

from .living import until
from .suite import Suite, without

SERVICES: Final = ("bridge", "ingest", "actuator", "safety", "logic", "gateway")
HAPPENS_WITHIN_S: Final = 40.0


class Outage(NamedTuple):
    """What is done to which server, and what is said of it.

    Attributes:
        said: Service to the check that is not well, what it says is wrong, and what it says that means. Those who are
            not named are well.
    """

    server: Literal["nats", "postgres", "mosquitto"]
    kill: bool
    said: dict[str, tuple[str, str, str]]


MEANWHILE_NATS: Final = {
    "bridge": ("nats", "the broker keeps what devices say"),
    "ingest": ("event log", "readings wait in the broker"),
    "actuator": ("event log", "no command is taken or sent"),
    "safety": ("event log", "nothing is switched on"),
    "logic": ("event log", "no rule runs"),
    "gateway": ("nats", "nothing can be asked or ordered"),
}
MEANWHILE_DATABASE: Final = {
    "ingest": "readings go on",
    "actuator": "commands go on",
    "safety": "emergency stops go on",
    "logic": "rules go on",
}
OUTAGES: Final = {
    "NATS hangs": Outage(
        "nats", kill=False, said={name: (check, "NATS", means) for name, (check, means) in MEANWHILE_NATS.items()}
    ),
    "NATS is dead": Outage(
        "nats",
        kill=True,
        said={name: (check, "lost the connection to NATS", means) for name, (check, means) in MEANWHILE_NATS.items()},
    ),
    "PostgreSQL hangs": Outage(
        "postgres",
        kill=False,
        said={name: ("database", "the database hangs", means) for name, means in MEANWHILE_DATABASE.items()},
    ),
    "PostgreSQL is dead": Outage(
        "postgres",
        kill=True,
        said={name: ("database", "the database is away", means) for name, means in MEANWHILE_DATABASE.items()},
    ),
    "the broker is dead": Outage(
        "mosquitto", kill=True, said={"bridge": ("uplink", "not connected to the broker", "no device is heard or told")}
    ),
}


async def ready(client: httpx.AsyncClient, suite: Suite, service: str) -> tuple[int, dict[str, Any]]:
    """What a service says of itself, and that it lives."""
    url = suite._asdict()[service].url
    assert (await client.get(f"{url}/health/live")).status_code == 200
    answer = await client.get(f"{url}/health/ready")
    return answer.status_code, answer.json()["checks"]


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_every_service_says_what_is_wrong_since_when_and_what_it_means(suite: Suite, outage: Outage) -> None:
    server = suite._asdict()[outage.server]
    async with httpx.AsyncClient(timeout=10) as client:
        if outage.kill:
            async with without(server):
                await told(client, suite, outage)
        else:
            server.pause()
            try:
                await told(client, suite, outage)
            finally:
                server.resume()
        for service in SERVICES:
            status, checks = await until(
                lambda service=service: ready(client, suite, service), lambda found: found[0] == 200, HAPPENS_WITHIN_S
            )
            assert not any(check.get("since") for check in checks.values()), status


async def told(client: httpx.AsyncClient, suite: Suite, outage: Outage) -> None:
    """Wait until every service has said it, and look at its words."""
    for service, (check, wrong, means) in outage.said.items():
        status, checks = await until(
            lambda service=service: ready(client, suite, service),
            lambda found, check=check, wrong=wrong: wrong in found[1][check]["words"],
            HAPPENS_WITHIN_S,
        )
        assert (status, means in checks[check]["words"]) == (503, True), checks
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", checks[check]["since"])
        sentences = [found for found in checks.values() if found["state"] != "ok"]
        assert all(found["words"] and found["since"] for found in sentences), checks
    for service in SERVICES:
        if service not in outage.said:
            assert (await ready(client, suite, service))[0] == 200
