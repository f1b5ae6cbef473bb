"""The demo's fleet: a process of its own, with a log of everything that the broker took from it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from kaiser.local.layout import Layout
from kaiser.local.observing import Key
from kaiser.local.ports import LOOPBACK

DEVICES: Final = 50
SENSORS: Final = 5
STOP_TIMEOUT_S: Final = 15.0


class FleetProcess:
    """Simulated devices against a running suite.

    Args:
        layout: The suite.

    Attributes:
        sent: Readings that the broker took, as far as they were read with :meth:`read`.
    """

    def __init__(self, layout: Layout) -> None:
        self.sent = 0
        self._log = layout.run / "fleet-sent.jsonl"
        self._output = layout.log("fleet")
        self._environment = os.environ | {
            "KAISER_MQTT_HOST": LOOPBACK,
            "KAISER_MQTT_PORT": str(layout.ports.mqtt),
            "KAISER_MQTT_USER": "device",
            "KAISER_MQTT_PASSWORD_FILE": str(layout.secrets.path("mqtt-device")),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: IO[str] | None = None
        self._rest = ""

    def start(self) -> None:
        """Start the devices."""
        self._log.unlink(missing_ok=True)
        self._log.touch()
        command = [sys.executable, "-m", "kaiser.fleet", "run", "--devices", str(DEVICES), "--sensors", str(SENSORS)]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--sent-log", str(self._log)],
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the demo, which stops the fleet in its turn
            )
        self._lines = self._log.open()

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def log(self) -> Path:
        """File with what the fleet printed."""
        return self._output

    def stop(self) -> None:
        """Let the devices disconnect, and wait; a no-op when they are gone."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def read(self) -> list[tuple[Key, int]]:
        """What was sent since the last call, with unix microseconds."""
        if self._lines is None:
            return []
        *whole, self._rest = (self._rest + self._lines.read()).split("\n")
        found = []
        for line in whole:
            key, sent_at = json.loads(line)
            found.append((tuple(key), sent_at))
        self.sent += len(found)
        return found

    def close(self) -> None:
        """Let go of the log."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None
