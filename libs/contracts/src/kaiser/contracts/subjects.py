"""The subject grammar of the event log: every NATS subject that Kaiser uses, built and read in one place.

Device ids and kaiser ids become tokens by :func:`token`: letters, digits, ``_`` and ``-`` stand for themselves, the
empty string (a ``dec`` device that was provisioned without a kaiser id) is ``~``, and every other byte is ``=XX``.
The mapping is reversible and never yields a character that means something to NATS (``.``, ``*``, ``>``, white space).
"""

import re
from functools import lru_cache
from typing import Final

import xxhash

PARTITIONS: Final = 8
"""Partitions of telemetry. A device is always in the same one, so its readings stay in order."""

EMPTY: Final = "~"

_SAFE = re.compile(r"[A-Za-z0-9_-]")
_ESCAPE = re.compile(r"=([0-9A-F]{2})")


class SubjectError(ValueError):
    """A subject that is not of the grammar; the message says which part."""


@lru_cache(maxsize=65_536)
def token(text: str) -> str:
    """``text`` as one NATS token; reversed by :func:`untoken`."""
    if not text:
        return EMPTY
    return "".join(c if _SAFE.fullmatch(c) else "".join(f"={b:02X}" for b in c.encode()) for c in text)


def untoken(tok: str) -> str:
    """The text behind a token.

    Raises:
        SubjectError: ``tok`` was not made by :func:`token`.
    """
    if tok == EMPTY:
        return ""
    raw = re.sub(_ESCAPE, lambda m: chr(int(m[1], 16)), tok).encode("latin-1", "replace")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise SubjectError(f"token {tok!r} does not decode as UTF-8") from error
    if token(text) != tok:
        raise SubjectError(f"token {tok!r} is not in canonical form")
    return text


@lru_cache(maxsize=65_536)
def partition(esp_id: str) -> int:
    """The telemetry partition of a device, 0 to ``PARTITIONS`` - 1, the same in every process and release."""
    return xxhash.xxh3_64_intdigest(esp_id.encode()) % PARTITIONS


def telemetry_raw(kaiser_id: str, part: int) -> str:
    """Record batches of raw readings, as the bridge took them."""
    return f"telemetry.raw.{token(kaiser_id)}.{part}"


def telemetry_reading(kaiser_id: str, part: int) -> str:
    """Record batches of finished readings, as ingest converted them."""
    return f"telemetry.reading.{token(kaiser_id)}.{part}"


def device(kaiser_id: str, esp_id: str, event: str) -> str:
    """An event in the life of one device; ``event`` is a token such as ``discovered`` or ``zone_acked``."""
    return f"device.{token(kaiser_id)}.{token(esp_id)}.{event}"


def registry(kaiser_id: str, esp_id: str, event: str) -> str:
    """A decision of the registry about one device."""
    return f"device.{token(kaiser_id)}.{token(esp_id)}.registry.{event}"


def registry_of(esp_id: str) -> str:
    """Filter for all decisions about one device, whatever kaiser id it talked under: its aggregate."""
    return f"device.*.{token(esp_id)}.registry.>"


def calibration(kaiser_id: str, esp_id: str, event: str) -> str:
    """A decision about the parameters or the calibration of a sensor of one device."""
    return f"device.{token(kaiser_id)}.{token(esp_id)}.calibration.{event}"


def calibration_of(esp_id: str) -> str:
    """Filter for all decisions about the sensors of one device, whatever kaiser id it talked under: its aggregate."""
    return f"device.*.{token(esp_id)}.calibration.>"


def heartbeat(kaiser_id: str, esp_id: str) -> str:
    """The heartbeats of one device."""
    return f"heartbeat.{token(kaiser_id)}.{token(esp_id)}"


def health(kaiser_id: str, esp_id: str, kind: str) -> str:
    """What a device says of itself between heartbeats: diagnostics, counters, queue pressure."""
    return f"health.{token(kaiser_id)}.{token(esp_id)}.{kind}"


def actuator(kaiser_id: str, esp_id: str, gpio: int, event: str) -> str:
    """An event of one actuator; GPIO 255 stands for the whole device, as in the wire contract."""
    return f"actuator.{token(kaiser_id)}.{token(esp_id)}.{gpio}.{event}"


def command_event(kaiser_id: str, esp_id: str, gpio: int, event: str) -> str:
    """An event of a command to one actuator."""
    return actuator(kaiser_id, esp_id, gpio, f"command.{event}")


def commands_of(esp_id: str, gpio: int) -> str:
    """Filter for all commands to one actuator, whatever kaiser id its device talked under: its aggregate."""
    return f"actuator.*.{token(esp_id)}.{gpio}.command.>"


def shadow_event(kaiser_id: str, esp_id: str, gpio: int, event: str) -> str:
    """An event of the shadow of one actuator."""
    return actuator(kaiser_id, esp_id, gpio, f"shadow.{event}")


def safety(kind: str, esp_id: str, gpio: int) -> str:
    """An event of safety about one actuator; ``kind`` is ``limits``, ``decision``, ``stop`` or ``alert``."""
    return f"safety.{kind}.{token(esp_id)}.{gpio}"


def interlock(interlock_id: str) -> str:
    """An event of one interlock."""
    return f"safety.interlock.{token(interlock_id)}"


def emergency(event: str) -> str:
    """An event of emergency stops: ``requested`` or ``released``."""
    return f"safety.emergency.{event}"


def rule(rule_id: str, event: str) -> str:
    """A decision about one rule."""
    return f"logic.rule.{token(rule_id)}.{event}"


def rule_of(rule_id: str) -> str:
    """Filter for all decisions about one rule: its aggregate."""
    return f"logic.rule.{token(rule_id)}.>"


RULES_DEFINED: Final = "logic.rule.*.defined"
"""Filter for the definitions of all rules."""


def run(rule_id: str) -> str:
    """What the runs of one rule do, and why it did not run."""
    return f"logic.run.{token(rule_id)}"


def refused(rule_id: str) -> str:
    """What a run of one rule asked for and was refused at once."""
    return f"logic.refused.{token(rule_id)}"


LOGIC_ORDER: Final = "logic.order"
"""In which order logic took what it saw, where that is not the order of their times."""


def downlink(kaiser_id: str, esp_id: str, kind: str) -> str:
    """A message on its way to a device. The broadcast goes to the device id ``broadcast``."""
    return f"downlink.{token(kaiser_id)}.{token(esp_id)}.{kind}"


def downlink_report(kaiser_id: str, esp_id: str, outcome: str) -> str:
    """What became of a downlink: ``delivered``, ``expired`` or ``refused``."""
    return device(kaiser_id, esp_id, f"downlink_{outcome}")


def user(user_id: str, event: str) -> str:
    """An event of one user account."""
    return f"identity.user.{token(user_id)}.{event}"


USERS: Final = "identity.user.>"
"""All users: one aggregate, for a name is one user's and somebody has to be left who looks after them."""

SESSIONS: Final = "identity.session.>"
KEYS: Final = "identity.key.>"
AUDIT: Final = "identity.audit.>"
"""What was done: one chain, whoever did it."""


def session(session_id: str, event: str) -> str:
    """An event of one session."""
    return f"identity.session.{token(session_id)}.{event}"


def session_of(session_id: str) -> str:
    """Filter for all events of one session: its aggregate."""
    return f"identity.session.{token(session_id)}.>"


def key(key_id: str, event: str) -> str:
    """An event of one machine's key."""
    return f"identity.key.{token(key_id)}.{event}"


def key_of(key_id: str) -> str:
    """Filter for all events of one machine's key: its aggregate."""
    return f"identity.key.{token(key_id)}.>"


def audit(user_id: str) -> str:
    """What one user or machine did; ``~`` for whoever it was that could not log in."""
    return f"identity.audit.{token(user_id)}"


def deadletter(service: str) -> str:
    """What a service could not use, with the reason and the bytes."""
    return f"deadletter.{service}"


DEAD_LETTERS: Final = "deadletter.*"
"""Filter for the dead letters of all services."""
SETTLED: Final = "deadletter.settled.>"
"""Filter for what people decided about dead letters."""


def settled(letter_id: str) -> str:
    """What was decided about one dead letter: its aggregate."""
    return f"deadletter.settled.{token(letter_id)}"


def query(service: str, name: str) -> str:
    """A request to the owner of a projection, answered over NATS request/reply."""
    return f"query.{service}.{name}"


def command(service: str, name: str) -> str:
    """A request to the owner of an aggregate to decide something, answered over NATS request/reply."""
    return f"command.{service}.{name}"
