"""Where the broker is, from the command line or the environment."""

import argparse
import os
from pathlib import Path
from typing import Any


def add_broker_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--host``, ``--port``, ``--user`` and ``--password-file``, with ``KAISER_MQTT_…`` as defaults."""
    environment = os.environ
    parser.add_argument("--host", default=environment.get("KAISER_MQTT_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(environment.get("KAISER_MQTT_PORT", "1883")))
    parser.add_argument("--user", default=environment.get("KAISER_MQTT_USER"))
    parser.add_argument("--password-file", type=Path, default=environment.get("KAISER_MQTT_PASSWORD_FILE"))


def broker_of(options: argparse.Namespace) -> dict[str, Any]:  # keywords of several types
    """``host``, ``port``, ``username`` and ``password``; the password also from ``KAISER_MQTT_PASSWORD``."""
    password = os.environ.get("KAISER_MQTT_PASSWORD")
    if options.password_file:
        password = Path(options.password_file).read_text().strip()
    return {"host": options.host, "port": options.port, "username": options.user, "password": password}
