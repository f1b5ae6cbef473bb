"""Traces of a whole suite, as a receiver of OTLP gets them: what follows from what, over all services."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from kaiser.local.tree import Tree

from .living import now, until
from .otlp import Receiver, Span
from .plant import PUMP, planted
from .suite import Suite, hearing, logged_in, standing
from .test_rules import FINE, SOUR, dosing, measured, measures, pumps

BOTH: Final = pytest.mark.parametrize("generation", ["dec", "head"])
CLIENTS: Final = "0af7651916cd43dd8448eb211c80319c"
"""Trace id of somebody who asks, and whose span this is."""
CALLER: Final = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def suite(
    receiver: Receiver, infra_tree: Tree, postgres_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Suite]:
    """A suite that records every trace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAISER_TRACE_ENDPOINT", receiver.endpoint)
        patch.setenv("KAISER_TRACE_RATIO", "1")
        with standing(tmp_path_factory.mktemp("suite"), infra_tree, postgres_template) as suite:
            yield suite


@pytest.fixture
async def api(suite: Suite) -> AsyncIterator[httpx.AsyncClient]:
    async with logged_in(suite.gateway) as client:
        yield client


def ways(trace: list[Span]) -> set[tuple[str, ...]]:
    """Names of spans from the root to each span of a trace."""
    by_id = {span.span_id: span for span in trace}

    def way(span: Span) -> tuple[str, ...]:
        parent = by_id.get(span.parent_id)
        return (*way(parent), span.name) if parent is not None else (span.name,)

    return {way(span) for span in trace}


async def traced(receiver: Receiver, trace_id: str, *wanted: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Wait until a trace has these ways; all that it has then."""
    return await until(
        lambda: now(ways(receiver.trace(trace_id))),  # type: ignore[no-any-return]
        lambda found: {*wanted} <= found,
    )


def lines(suite: Suite, service: str, **having: Any) -> list[dict[str, Any]]:
    """Lines of a service's log that have these values."""
    text = suite._asdict()[service].log.read_text()
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in found if having.items() <= line.items()]


SENT: Final = ("gateway POST", "actuator send", "safety decide", "actuator carry out", "bridge send")


@BOTH
async def test_one_post_is_one_trace_from_the_gateway_to_the_devices_answer(
    suite: Suite, api: httpx.AsyncClient, receiver: Receiver, generation: str
) -> None:
    esp_id = "ESP_A1DEC0" if generation == "dec" else "ESP_A14EAD"
    async with (
        planted(suite, api, esp_id, generation) as plant,
        hearing(suite.gateway, api, types=["command", "actuator_response"], esp_ids=[esp_id]),
    ):
        answer = await plant.command(PUMP, "ON")
        assert answer.json()["state"] == "succeeded"
        trace_id = answer.headers["X-Trace-ID"]
        answered = (*SENT, "bridge receive response")
        stated = (*SENT, "bridge receive status")
        await traced(receiver, trace_id, answered, stated, (*answered, "actuator hear"), (*answered, "gateway frame"))
    trace = receiver.trace(trace_id)
    assert {span.service for span in trace} == {"gateway", "actuator", "safety", "bridge"}
    assert [span.name for span in trace if not span.parent_id] == ["gateway POST"]
    assert len({span.span_id for span in trace}) == len(trace)
    sent = next(span for span in trace if span.name == "bridge send")
    assert sent.attributes["kaiser.command_id"] == answer.json()["command_id"]
    assert sent.attributes["kaiser.outcome"] == "delivered"
    said = lines(suite, "gateway", event="request", trace_id=trace_id)
    assert [line["command_id"] for line in said] == [answer.json()["command_id"]]
    assert said[0]["correlation_id"] == answer.json()["correlation_id"]


async def test_whoever_asks_within_a_trace_gets_it_continued_and_a_problem_names_it(
    suite: Suite, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    asked = {"traceparent": f"00-{CLIENTS}-{CALLER}-01"}
    answer = await api.post("/actuators/ESP_NOBODY/5/command", json={"command": "ON"}, headers=asked)
    assert (answer.status_code, answer.json()["trace_id"], answer.headers["X-Trace-ID"]) == (404, CLIENTS, CLIENTS)
    await traced(receiver, CLIENTS, ("gateway POST", "actuator send"))
    root = next(span for span in receiver.trace(CLIENTS) if span.name == "gateway POST")
    assert (root.parent_id, root.attributes["kaiser.status"]) == (CALLER, 404)
    not_recorded = {"traceparent": f"00-{CLIENTS[::-1]}-{CALLER}-00"}
    answer = await api.post("/actuators/ESP_NOBODY/5/command", json={"command": "ON"}, headers=not_recorded)
    assert answer.json()["trace_id"] == CLIENTS[::-1]
    assert [line["status"] for line in lines(suite, "gateway", event="request", trace_id=CLIENTS[::-1])] == [404]
    answer = await api.get("/nothing", headers={"traceparent": "00-no-such-thing"})
    assert len(answer.json()["trace_id"]) == len(CLIENTS)
    assert receiver.trace(CLIENTS[::-1]) == []


async def test_a_reading_is_one_trace_from_its_receipt_to_the_frame_and_to_the_command_of_a_rule(
    suite: Suite, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    esp_id, received = "ESP_A24EAD", ("bridge receive raw", "ingest convert")
    async with planted(suite, api, esp_id, "head") as plant:
        measures(plant, FINE)
        await measured(plant, above=6.5)
        body = {"rule": dosing(esp_id), "reason": "new tank", "enable": True, "expected_version": 0}
        (await api.put("/rules/dose-traced", json=body)).raise_for_status()
        async with hearing(suite.gateway, api, types=["sensor_data", "logic_execution"], esp_ids=[esp_id]) as heard:
            measures(plant, SOUR)
            await pumps(plant, 1.0)
            while not any(event["type"] == "sensor_data" for event in heard.events):
                await heard.more()
        run = await until(
            lambda: now([span for span in receiver.spans if span.name == "logic run"]), lambda found: len(found) > 0
        )
        way = (*received, "logic run", "logic do", *SENT[1:])
        found = await traced(receiver, run[0].trace_id, way, (*received, "ingest recorder"))
        assert run[0].attributes["kaiser.rule_id"] == "dose-traced"
        framed = await until(
            lambda: now([s for s in receiver.spans if s.name == "gateway frame"]),
            lambda spans: any((*received, "gateway frame") in ways(receiver.trace(s.trace_id)) for s in spans),
        )
        assert framed
        assert {way[0] for way in found} == {"bridge receive raw"}
        said = lines(suite, "actuator", trace_id=run[0].trace_id)
        assert all(line["span_id"] for line in said)


async def test_a_receiver_that_is_away_slow_or_mad_changes_nothing_and_is_counted(
    suite: Suite, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    async with planted(suite, api, "ESP_A3DEC0", "dec") as plant:
        for mood in ("refusing", "redirecting", "endless", "silent"):
            receiver.mood = mood
            await plant.done(PUMP, "ON")
            await plant.done(PUMP, "OFF")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{suite.gateway.url}/health/ready")).status_code == 200
            await until(
                lambda: client.get(f"{suite.gateway.url}/metrics"),
                lambda shown: 'kaiser_trace_spans_total{outcome="refused"} 0.0' not in shown.text,
            )
        receiver.mood = "well"
        receiver.let_go.set()
        answer = await plant.command(PUMP, "ON")
        await traced(receiver, answer.headers["X-Trace-ID"], SENT)
    assert lines(suite, "gateway", event="traces are not taken and get lost")
