"""What each service can be told, and so whom it talks to: by the types of its settings."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_type_hints

from kaiser.local.programs import SERVICES
from kaiser.service import CommonSettings, MqttSettings, NatsSettings, PostgresSettings, load
from kaiser.service.settings import variables

SERVER_OF: Final = {NatsSettings: "nats", PostgresSettings: "postgres", MqttSettings: "mosquitto"}


def settings_of(service: str) -> type[CommonSettings]:
    """The settings struct of a service."""
    module = importlib.import_module(f"kaiser.{service}.settings")
    (found,) = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, CommonSettings) and kind.__module__ == module.__name__
    ]
    return found


def talks_to(service: str) -> set[str]:
    """The servers that a service has settings for."""
    return {SERVER_OF[kind] for kind in get_type_hints(settings_of(service)).values() if kind in SERVER_OF}


WITH_DATABASE: Final = tuple(service for service in SERVICES if "postgres" in talks_to(service))


def check(service: str, environment: Mapping[str, str], site: Mapping[str, str], folder: Path) -> None:
    """Check that a service would start with an environment and the files of its folder.

    Args:
        service: Its name.
        environment: Its variables.
        site: Files that it finds at ``/site``.
        folder: A folder for the test.

    Raises:
        AssertionError: A variable is unknown, or names a file that is not there.
        SettingsError: A variable is wrong or missing.
    """
    settings = settings_of(service)
    known = dict(variables(settings))
    given = {name: value for name, value in environment.items() if name.startswith("KAISER_")}
    unknown = {name for name in given if name not in known and name.removesuffix("_FILE") not in known}
    assert not unknown, f"{service} knows no {unknown}"
    for name, text in site.items():
        (folder / name).write_text(text)
    moved = {}
    for name, value in environment.items():
        for word in value.replace("=", " ").split():
            if word.startswith("/site/"):
                assert word.removeprefix("/site/") in site, f"{service} finds no {word}, which {name} names"
        moved[name] = value.replace("/site/", f"{folder}/")
    loaded = load(settings, moved)
    assert loaded.nats.user == service
    assert loaded.nats.password == site["nats-password"]
    assert loaded.health.host == "0.0.0.0"
