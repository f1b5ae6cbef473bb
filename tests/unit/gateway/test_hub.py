"""Who gets which message, and how far that makes them; without a log and without sockets."""

import json
import random

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from kaiser.contracts.events.safeguards import AlertCleared, AlertRaised
from kaiser.contracts.events.telemetry import Readings
from kaiser.eventlog import Delivery
from kaiser.gateway import positions
from kaiser.gateway.filters import Filters
from kaiser.gateway.hub import Client, Hub
from kaiser.gateway.metrics import GatewayMetrics
from kaiser.gateway.passing import Batch, Said
from kaiser.gateway.positions import NoCursorError
from kaiser.gateway.recent import Recent

from .test_showing import SAMPLES

ZONES = {"ESP_A": "tent", "ESP_B": "attic"}


def delivery(stream: str, seq: int, data: bytes, event_type: str = "") -> Delivery:
    headers = f"NATS/1.0\r\nce-type: {event_type}\r\n\r\n".encode()
    return Delivery("x", data, f"$JS.ACK.{stream}.c.1.{seq}.{seq}.{seq * 1000}.0", headers)


def readings(seq: int, *esp_ids: str, value: float = 1.0) -> Batch:
    columns = json.loads((SAMPLES / f"{Readings.TYPE}.json").read_bytes())
    body = {
        name: [column[0]] * len(esp_ids) if isinstance(column, list) else column for name, column in columns.items()
    }
    body |= {
        "esp_id": esp_ids,
        "zone_id": [ZONES[esp_id] for esp_id in esp_ids],
        "value": [value] * len(esp_ids),
        "pending": [False] * len(esp_ids),
        "sensor_id": [hash(esp_id) & 0xFFFF for esp_id in esp_ids],
    }
    return Batch(delivery("TELEMETRY", seq, msgspec.json.encode(body)))


def alert(seq: int, esp_id: str, event_type: str = AlertCleared.TYPE, **fields: object) -> Said:
    body = json.loads((SAMPLES / f"{event_type}.json").read_bytes()) | {"esp_id": esp_id} | fields
    return Said(delivery("SAFETY", seq, json.dumps(body).encode(), event_type), str)


@pytest.fixture
def hub() -> Hub:
    made = Hub(GatewayMetrics(CollectorRegistry()), lambda esp_id: ZONES.get(esp_id, ""), recent_bytes=1_000_000)
    made.open("TELEMETRY", 0)
    made.open("SAFETY", 0)
    return made


def client(hub: Hub, **options) -> Client:
    """A client for which everything comes live."""
    delivery = options.pop("delivery", "frames")
    filters = Filters(**{name: frozenset(wanted) for name, wanted in options.items()})
    made = Client(1_000_000)
    hub.begin(made, filters, delivery, hub.positions())
    for stream in hub.streams:
        made.join(stream, hub.streams[stream].position)
    return made


def taken(hub: Hub, of: Client) -> list[dict]:
    messages: list[bytes] = []
    while of.outbox.waiting:
        messages += of.outbox.take(*hub.standing(of))
    return [event for message in messages for event in json.loads(message).get("events", [])]


@pytest.mark.parametrize(
    ("filters", "seqs"),
    [
        ({}, [1, 2, 1, 2]),
        ({"types": ["sensor_data"]}, [1, 2]),
        ({"types": ["alert"]}, [1, 2]),
        ({"esp_ids": ["ESP_A"]}, [1, 1]),
        ({"zones": ["attic"]}, [2, 2]),
        ({"zones": ["attic"], "esp_ids": ["ESP_A"]}, []),
        ({"zones": ["cellar"]}, []),
    ],
)
def test_a_client_gets_what_its_filters_let_through(hub: Hub, filters: dict, seqs: list[int]) -> None:
    one = client(hub, **filters)
    for seq, esp_id in ((1, "ESP_A"), (2, "ESP_B")):
        hub.passed(readings(seq, esp_id))
        hub.passed(alert(seq, esp_id))
    assert sorted(event["seq"] for event in taken(hub, one)) == sorted(seqs)


def test_a_client_that_wants_something_else_now_gets_nothing_of_what_it_wanted(hub: Hub) -> None:
    one = client(hub, esp_ids=["ESP_A"])
    hub.passed(readings(1, "ESP_A"))
    hub.begin(one, Filters(esp_ids=frozenset({"ESP_B"})), "frames", hub.positions())
    for stream in hub.streams:
        one.join(stream, hub.streams[stream].position)
    hub.passed(readings(2, "ESP_A"))
    hub.passed(readings(3, "ESP_B"))
    assert [event["seq"] for event in taken(hub, one)] == [3]
    hub.halt(one)
    hub.halt(one)
    hub.passed(readings(4, "ESP_B"))
    assert taken(hub, one) == []


def test_a_cursor_says_how_far_a_client_is_though_nothing_was_for_it(hub: Hub) -> None:
    one = client(hub, esp_ids=["ESP_A"])
    for seq in range(1, 5):
        hub.passed(readings(seq, "ESP_B"))
    hub.pass_by("SAFETY", 9)
    _, cursor = hub.standing(one)
    assert positions.read(cursor) == {"TELEMETRY": 4, "SAFETY": 9}


def test_a_client_that_is_ahead_of_this_gateway_gets_nothing_twice(hub: Hub) -> None:
    one = client(hub)
    one.join("TELEMETRY", 2)
    for seq in range(1, 5):
        hub.passed(readings(seq, "ESP_A"))
        _, cursor = hub.standing(one)
        assert positions.read(cursor)["TELEMETRY"] == max(2, seq)
    assert [event["seq"] for event in taken(hub, one)] == [3, 4]


def test_of_a_sensor_the_latest_value_and_of_an_alert_every_step_comes_to_who_wants_the_latest(hub: Hub) -> None:
    one = client(hub, delivery="latest-only")
    for seq in range(1, 50):
        hub.passed(readings(seq, "ESP_A", "ESP_B"))
        hub.passed(alert(seq, "ESP_A"))
    events = taken(hub, one)
    assert [event["seq"] for event in events if event["type"] == "sensor_data"] == [49, 49]
    assert [event["seq"] for event in events if event["type"] == "alert"] == list(range(1, 50))


def test_a_grave_alert_is_in_a_hurry_and_a_reading_is_not(hub: Hub) -> None:
    one, hurries = client(hub), []
    one.on_news = hurries.append
    hub.passed(readings(1, "ESP_A"))
    hub.passed(alert(1, "ESP_A"))
    hub.passed(alert(2, "ESP_A", AlertRaised.TYPE, severity="critical"))
    assert hurries == [False, False, True]


@pytest.mark.parametrize("seed", range(20))
def test_past_and_live_meet_without_a_gap_wherever_a_client_joins(hub: Hub, seed: int) -> None:
    dice = random.Random(seed)
    one = Client(1_000_000)
    after, at = 0, dice.randrange(1, 50)
    got: list[int] = []
    for seq in range(1, 100):
        hub.passed(readings(seq, dice.choice(["ESP_A", "ESP_B"])))
        if seq == at:
            hub.begin(one, Filters(), "frames", {"TELEMETRY": 0, "SAFETY": 0})
        if seq >= at and "TELEMETRY" in one.reached:
            for message in list(hub.streams["TELEMETRY"].behind(after))[: dice.randrange(1, 6)]:
                hub.catch_up(message, one)
                after = message.seq
            if after == seq:
                one.join("TELEMETRY", after)
        if dice.random() < 0.3:
            got += [event["seq"] for event in taken(hub, one)]
            now, _ = hub.standing(one)
            assert got == list(range(1, now["TELEMETRY"] + 1)) or not got
    for message in hub.streams["TELEMETRY"].behind(after) if "TELEMETRY" in one.reached else ():
        hub.catch_up(message, one)
    got += [event["seq"] for event in taken(hub, one)]
    assert got == list(range(1, 100))


def test_memory_lets_the_oldest_go_and_says_from_where_on_it_is_whole() -> None:
    recent: Recent[Batch] = Recent(0, limit_bytes=3 * readings(1, "ESP_A").size)
    for seq in range(1, 8):
        recent.add(readings(seq, "ESP_A"))
    recent.pass_by(9)
    assert [message.seq for message in recent.behind(0)] == [5, 6, 7]
    assert (recent.covers(4), recent.covers(3), recent.position) == (True, False, 9)
    assert [message.seq for message in recent.behind(6)] == [7]
    assert list(recent.behind(9)) == []
    assert recent.position_at(7) == 6
    assert recent.position_at(0) == 4
    assert recent.position_at(100) == 9


@pytest.mark.parametrize("cursor", ["", "x", "W10", "eyJhIjoxLjV9", "eyJhIjotMX0", "ü", "A" * 10_000])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(NoCursorError):
        positions.read(cursor)


def test_a_cursor_comes_back_as_it_was_written() -> None:
    assert positions.read(positions.write({"TELEMETRY": 17, "LOGIC": 0})) == {"TELEMETRY": 17, "LOGIC": 0}


def test_what_is_kept_is_found_by_its_sequence_however_much_was_let_go() -> None:
    message = readings(1, "ESP_A")
    recent: Recent[Batch] = Recent(0, limit_bytes=50 * message.size)
    for seq in range(1, 3001):
        recent.add(readings(seq, "ESP_A"))
        assert len(recent) <= 50
    kept = [each.seq for each in recent.behind(0)]
    assert kept == list(range(recent.floor + 1, 3001))
    assert [each.seq for each in recent.behind(2990)] == list(range(2991, 3001))
    assert list(recent.behind(3000)) == []
    assert recent.covers(recent.floor)
    assert not recent.covers(recent.floor - 1)
