"""Settings come from the environment, and every mistake is named at once."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from kaiser.service import CommonSettings, MqttSettings, PostgresSettings, SettingsError, load


class Options(msgspec.Struct, frozen=True, kw_only=True):
    slots: Annotated[int, Meta(ge=1, le=64)] = 1
    state_dir: Path


class Settings(CommonSettings, frozen=True, kw_only=True):
    mqtt: MqttSettings
    pg: PostgresSettings
    bridge: Options


GOOD = {"KAISER_PG_DSN": "host=db", "KAISER_BRIDGE_STATE_DIR": "/var/lib/kaiser"}


def test_groups_become_variables_and_defaults_hold() -> None:
    settings = load(Settings, GOOD | {"KAISER_MQTT_PORT": "8883", "KAISER_BRIDGE_SLOTS": "4"})
    assert (settings.mqtt.port, settings.mqtt.host) == (8883, "127.0.0.1")
    assert settings.bridge == Options(slots=4, state_dir=Path("/var/lib/kaiser"))
    assert settings.pg.dsn == "host=db"


def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("swordfish\n")
    settings = load(Settings, GOOD | {"KAISER_NATS_PASSWORD_FILE": str(tmp_path / "password")})
    assert settings.nats.password == "swordfish"


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            Settings,
            {
                "KAISER_MQTT_PORT": "70000",
                "KAISER_BRIDGE_SLOTS": "many",
                "KAISER_LOG_LEVEL": "loud",
                "KAISER_NATS_PASSWORD_FILE": "/nowhere/password",
            },
        )
    lines = str(caught.value).splitlines()
    named = [line.partition(":")[0] for line in lines]
    assert named == [
        "KAISER_NATS_PASSWORD_FILE",
        "KAISER_LOG_LEVEL",
        "KAISER_MQTT_PORT",
        "KAISER_PG_DSN",
        "KAISER_BRIDGE_SLOTS",
        "KAISER_BRIDGE_STATE_DIR",
    ]


def test_a_wrong_secret_is_not_printed() -> None:
    class Secret(msgspec.Struct):
        jwt_secret: Annotated[str, Meta(min_length=32)]

    with pytest.raises(SettingsError) as caught:
        load(Secret, {"KAISER_JWT_SECRET": "hunter2"})
    assert "hunter2" not in str(caught.value)
