"""What each service says of itself on its health port."""

from collections.abc import Mapping
from typing import Final

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S: Final = 3.0


class Finding(msgspec.Struct, frozen=True):
    """What a service says of a part of itself."""

    state: str
    words: str = ""


class Report(msgspec.Struct, frozen=True):
    """What a service says of itself; ``words`` is why it cannot be asked, and empty if it can."""

    ready: bool
    checks: dict[str, Finding] = {}
    words: str = ""


def reports(health: Mapping[str, str]) -> dict[str, Report]:
    """What each service says.

    Args:
        health: Service to the URL of its health port.
    """
    return {name: _report(url) for name, url in health.items()}


def metrics(url: str) -> dict[str, list[tuple[dict[str, str], float]]] | None:
    """Every sample of a service's metrics with its labels, by name; None if it does not answer."""
    try:
        answer = httpx.get(f"{url}/metrics", timeout=TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return None
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _report(url: str) -> Report:
    try:
        answer = httpx.get(f"{url}/health/ready", timeout=TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return Report(ready=False, words=f"its health port does not answer ({url})")
    try:
        return msgspec.json.decode(answer.content, type=Report)
    except msgspec.MsgspecError:
        return Report(ready=False, words=f"its health port answers {answer.status_code} ({url})")
