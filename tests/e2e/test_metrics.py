"""The page of metrics names what a running suite shows, and nothing else."""

import re
from pathlib import Path
from typing import Final

import httpx

from .suite import Suite

PAGE: Final = Path(__file__).parents[2] / "docs" / "metrics.md"
OF_EACH: Final = ("actuator", "ingest", "logic", "safety")


async def test_every_metric_is_on_the_page_and_every_one_of_the_page_is_shown(suite: Suite) -> None:
    named = re.findall(r"^\| `(kaiser_\w+)`", PAGE.read_text(), re.MULTILINE)
    page = {name.replace("SERVICE", service) for name in named for service in OF_EACH}
    shown: set[str] = set()
    async with httpx.AsyncClient() as client:
        for service in (suite.bridge, suite.ingest, suite.actuator, suite.safety, suite.logic, suite.gateway):
            text = (await client.get(f"{service.url}/metrics")).raise_for_status().text
            shown |= set(re.findall(r"^# HELP (kaiser_\w+)", text, re.MULTILINE))
    assert {name for name in shown if not name.endswith("_created")} == page
