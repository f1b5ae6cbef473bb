"""``python -m kaiser.fleet check FILE``: whether the simulated devices agree with messages of real ones.

A line is of the form of ``contracts/samples/wire-samples.md``. A device's message agrees if the simulator of that
generation says one on the same kind of topic, with the same QoS and retain flag, the same fields and the same JSON
types. A server's message agrees if the simulated device reacts to it as the wire contract says.
"""

import argparse
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final, cast, get_args

from kaiser.contracts.topics import DownlinkKind, DownlinkTopic, TopicError, UplinkKind, UplinkTopic, classify
from kaiser.fleet.life import Bench, a_spec, everything
from kaiser.fleet.message import Outgoing
from kaiser.fleet.spec import Generation

Shape = Any  # a JSON type's name, or a mapping of field names to shapes, or a list of one shape
Heard = tuple[UplinkKind, int, bool]

SAID_TO: Final[dict[tuple[DownlinkKind, Generation], tuple[UplinkKind, ...]]] = {
    (DownlinkKind.CONFIG, "dec"): (UplinkKind.CONFIG_RESPONSE, UplinkKind.CONFIG_RESPONSE),
    (DownlinkKind.CONFIG, "head"): (UplinkKind.CONFIG_RESPONSE, UplinkKind.CONFIG_RESPONSE, UplinkKind.INTENT_OUTCOME),
    (DownlinkKind.ACTUATOR_COMMAND, "dec"): (
        UplinkKind.ACTUATOR_STATUS,
        UplinkKind.ACTUATOR_RESPONSE,
        UplinkKind.ACTUATOR_STATUS,
    ),
    (DownlinkKind.ACTUATOR_COMMAND, "head"): (
        UplinkKind.INTENT_STAGE,
        UplinkKind.ACTUATOR_STATUS,
        UplinkKind.ACTUATOR_RESPONSE,
        UplinkKind.INTENT_OUTCOME,
    ),
    (DownlinkKind.ZONE_ASSIGN, "dec"): (UplinkKind.ZONE_ACK,),
    (DownlinkKind.ZONE_ASSIGN, "head"): (UplinkKind.ZONE_ACK,),
    (DownlinkKind.SUBZONE_ASSIGN, "dec"): (UplinkKind.SUBZONE_ACK,),
    (DownlinkKind.SUBZONE_ASSIGN, "head"): (UplinkKind.SUBZONE_ACK,),
    (DownlinkKind.SUBZONE_REMOVE, "head"): (UplinkKind.SUBZONE_ACK,),
    (DownlinkKind.BROADCAST_EMERGENCY, "dec"): (UplinkKind.ACTUATOR_ALERT,),
    (DownlinkKind.BROADCAST_EMERGENCY, "head"): (UplinkKind.ACTUATOR_ALERT, UplinkKind.ACTUATOR_STATUS),
    (DownlinkKind.SUBZONE_SAFE, "head"): (UplinkKind.ACTUATOR_STATUS,),
    (DownlinkKind.SYSTEM_COMMAND, "dec"): (UplinkKind.SYSTEM_COMMAND_RESPONSE,),
    (DownlinkKind.SYSTEM_COMMAND, "head"): (UplinkKind.SYSTEM_COMMAND_RESPONSE,),
    (DownlinkKind.SENSOR_COMMAND, "head"): (UplinkKind.SENSOR_DATA, UplinkKind.SENSOR_RESPONSE),
}
"""What a device answers; nothing to whatever is not named."""

EMERGENCIES: Final = {
    "emergency_stop": (UplinkKind.ACTUATOR_ALERT, UplinkKind.EMERGENCY_ACK),
    "clear_emergency": (UplinkKind.EMERGENCY_RESPONSE, UplinkKind.RECOVERY_CONFIRM),
}
"""What ``head`` answers to an emergency order."""


def shape(value: Any) -> Shape:  # any JSON value
    """Names and JSON types, without the values; ``1`` and ``1.0`` are two types."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@cache
def vocabulary(generation: Generation) -> list[tuple[Heard, Shape]]:
    """Every kind and shape of message that the simulator says."""
    found = []
    for message in everything(generation):
        heard = _heard(message)
        if heard is not None:
            found.append((heard, shape(json.loads(message.payload))))
    return found


def judge(line: dict[str, Any]) -> str:
    """What is wrong; empty if the simulator agrees, or if the line is none that it can agree with."""
    generations = [g for g in get_args(Generation) if line.get("generation") in (g, "both", "any")]
    payload = line.get("payload")
    if not isinstance(payload, dict):
        return ""
    to_device = line.get("direction") == "server_to_device"
    if line.get("expect") != ("send" if to_device else "accept"):
        return ""
    check_one = _reacts if to_device else _says
    return "; ".join(filter(None, (check_one(line, payload, generation) for generation in generations)))


def _says(line: dict[str, Any], payload: dict[str, Any], generation: Generation) -> str:
    topic = classify(line["topic"])
    if not isinstance(topic, UplinkTopic):
        return "is no device's topic"
    heard, wanted = (topic.kind, line["qos"], line["retain"]), shape(payload)
    shapes = [known for said, known in vocabulary(generation) if said == heard]
    if not shapes:
        return f"{generation} never says {topic.kind} with QoS {line['qos']} and retain {line['retain']}"
    if wanted in shapes:
        return ""
    nearest = min(shapes, key=lambda known: len(known.items() ^ wanted.items()) if _flat(known, wanted) else 99)
    return f"{generation} says {topic.kind} otherwise: {nearest}"


def _flat(*shapes: Shape) -> bool:
    return all(isinstance(value, str) for one in shapes for value in one.values())


def _reacts(line: dict[str, Any], payload: dict[str, Any], generation: Generation) -> str:
    topic = classify(line["topic"])
    if not isinstance(topic, DownlinkTopic):
        return "is no topic to devices"
    bench = _prepared(topic, payload, generation)
    said = bench.hear_bytes(line["topic"], json.dumps(payload).encode())
    kinds = [heard[0] for message in said if (heard := _heard(message)) is not None]
    expected = SAID_TO.get((topic.kind, generation), ())
    if topic.kind is DownlinkKind.DEVICE_EMERGENCY and generation == "head":
        expected = EMERGENCIES.get(str(payload.get("command")), ())
    for kind in expected:
        if kinds.count(kind) < expected.count(kind):
            return f"{generation} does not answer {topic.kind} with {kind}, but with {[str(k) for k in kinds]}"
    if not expected and kinds:
        return f"{generation} answers {topic.kind} with {[str(k) for k in kinds]} instead of nothing"
    return ""


def _prepared(topic: DownlinkTopic, payload: dict[str, Any], generation: Generation) -> Bench:
    """A device that has what the message is about."""
    esp_id = topic.esp_id or "ESP_0A1B2C"
    bench = Bench(a_spec(generation, esp_id, kaiser_id=topic.kaiser_id or "god"))
    if topic.kind is DownlinkKind.ACTUATOR_COMMAND:
        pump = {"gpio": topic.gpio, "actuator_type": "pwm", "actuator_name": "a"}
        probe = {"gpio": 5, "sensor_type": "ph", "sensor_name": "a"}
        bench.hear("config", sensors=[probe], actuators=[pump], correlation_id="c")
    if topic.kind in (DownlinkKind.SUBZONE_REMOVE, DownlinkKind.SUBZONE_SAFE):
        names = {"subzone_id": payload.get("subzone_id"), "parent_zone_id": "", "assigned_gpios": [25]}
        bench.hear("subzone/assign", **names)
    return bench


def _heard(message: Outgoing) -> Heard | None:
    topic = classify(message.topic)
    if isinstance(topic, TopicError) or not isinstance(topic, UplinkTopic):
        return None
    return topic.kind, message.qos, message.retain


def register(commands: Any) -> None:  # argparse keeps the type of its subparsers to itself
    """Add the subcommand."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "check", help="compare the simulated devices with messages of real ones, one a line"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="lines in the form of wire-samples.jsonl")
    parser.set_defaults(run=lambda options: _run(options.file))


def _run(path: Path) -> int:
    wrong = lines = 0
    for number, text in enumerate(path.read_text().splitlines(), start=1):
        if text.strip():
            lines += 1
            if problem := judge(cast("dict[str, Any]", json.loads(text))):
                wrong += 1
                sys.stdout.write(f"{number:>5}  {problem}\n")
    sys.stdout.write(f"{lines} lines, the simulated devices differ from {wrong}\n")
    return 1 if wrong else 0
