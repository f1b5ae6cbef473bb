"""The demo's fleet: a process of its own, which tells of everything that the broker took from it."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from kaiser.local.demo.matching import Sighting
from kaiser.local.errors import LocalError
from kaiser.local.layout import Layout
from kaiser.local.ports import LOOPBACK
from kaiser.local.supervision import last_lines

DEVICES: Final = 50
SENSORS: Final = 5
STOP_TIMEOUT_S: Final = 15.0
PIPE_BYTES: Final = 1 << 20
"""Most of a minute of readings."""
READ_BYTES: Final = 1 << 16


class FleetProcess:
    """Simulated devices against a running suite.

    What they sent comes through a pipe: a file would grow by two gigabytes a day, and a fleet whose demo was killed
    ends when nobody reads any more.

    Args:
        layout: The suite.

    Attributes:
        unacknowledged: Readings that were sent and that the broker has not acknowledged.
    """

    def __init__(self, layout: Layout) -> None:
        self.unacknowledged = 0
        self._layout = layout
        self._output = layout.log("fleet")
        self._process: subprocess.Popen[bytes] | None = None
        self._sent: _Lines | None = None
        self._report: _Lines | None = None

    def start(self) -> None:
        """Start the devices."""
        self._sent, self._report = _Lines(), _Lines()
        environment = os.environ | {
            "KAISER_MQTT_HOST": LOOPBACK,
            "KAISER_MQTT_PORT": str(self._layout.ports.mqtt),
            "KAISER_MQTT_USER": "device",
            "KAISER_MQTT_PASSWORD_FILE": str(self._layout.secrets.path("mqtt-device")),
        }
        command = [sys.executable, "-m", "kaiser.fleet", "run", "--devices", str(DEVICES), "--sensors", str(SENSORS)]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--sent-log", str(self._sent.path), "--report-file", str(self._report.path)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._sent.written, self._report.written),
                start_new_session=True,  # Ctrl-C is for the demo, which stops the fleet in its turn
            )
        for lines in (self._sent, self._report):
            lines.hand_over()

    @property
    def pid(self) -> int:
        """Its process id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def require_healthy(self, *, ended: bool = False) -> None:
        """Check that it is alive, or that it ended without an error once it was stopped.

        Raises:
            LocalError: It ended by itself, or a device died of a bug.
        """
        code = self._process.poll() if self._process is not None else None
        if code if ended else code is not None:
            wrong = "the fleet went wrong" if ended else "the fleet ended by itself"
            raise LocalError(f"{wrong}: see {self._output}, which ends with\n{last_lines(self._output)}")

    def stop(self) -> None:
        """Let the devices disconnect, and wait; a no-op when they are gone."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def read(self) -> list[Sighting]:
        """What the broker took since the last call, and when it was sent."""
        if self._sent is None or self._report is None:
            return []
        for line in self._report.read()[-1:]:
            counted = json.loads(line)
            self.unacknowledged = counted["sent"] - counted["acked"]
        return [(tuple(key), sent_at) for key, sent_at in map(json.loads, self._sent.read())]

    def close(self) -> None:
        """Let go of the pipes."""
        for lines in (self._sent, self._report):
            if lines is not None:
                lines.close()
        self._sent = self._report = None


class _Lines:
    """Lines through a pipe that another process opens like a file."""

    def __init__(self) -> None:
        self._read, self.written = os.pipe()
        os.set_blocking(self._read, False)
        self._rest = b""
        with contextlib.suppress(OSError):  # the system may allow less
            fcntl.fcntl(self.written, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def path(self) -> Path:
        """What the writer opens."""
        return Path(f"/dev/fd/{self.written}")

    def hand_over(self) -> None:
        """Leave writing to the other process."""
        os.close(self.written)

    def read(self) -> list[bytes]:
        """Whole lines that came since the last call."""
        parts = [self._rest]
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._read, READ_BYTES):
                parts.append(part)
        *lines, self._rest = b"".join(parts).split(b"\n")
        return lines

    def close(self) -> None:
        """Read no more."""
        os.close(self._read)
