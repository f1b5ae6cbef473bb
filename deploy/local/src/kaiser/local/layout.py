"""Where one Kaiser on this machine keeps its things, and which ports it has."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from kaiser.local.ports import Ports, ports_from
from kaiser.local.secrets import Secrets
from kaiser.local.tree import home

_LONGEST_SOCKET_PATH: Final = 100


class Layout:
    """Folders, files and ports of one Kaiser.

    Args:
        root: The folder for everything; several run side by side in several folders.
        ports: Its ports on the loopback address.
        nats_sync: How often JetStream forces its files to disk; see :func:`kaiser.local.nats.prepare`.
    """

    def __init__(self, root: Path, ports: Ports, *, nats_sync: str | None = None) -> None:
        self.root = root
        self.ports = ports
        self.nats_sync = nats_sync
        self.secrets = Secrets(root / "secrets")
        self.postgres = root / "data" / "postgres"
        self.mosquitto = root / "data" / "mosquitto"
        self.nats = root / "data" / "nats"
        self.bridge_state = root / "data" / "bridge"
        self.archive = root / "data" / "archive"
        self.run = root / "run"
        self.logs = root / "log"

    def make_folders(self) -> None:
        """Make the folders that nobody else makes."""
        for folder in (self.run, self.logs, self.bridge_state):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def log(self, program: str) -> Path:
        """File with everything a program printed, rotated by supervisor."""
        return self.logs / f"{program}.log"

    @property
    def supervisor_socket(self) -> Path:
        """Socket of the supervisor; in a private folder under /tmp where the home's own path is too long for one."""
        path = self.run / "supervisor.sock"
        if len(str(path)) <= _LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"kaiser-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / "supervisor.sock"


def layout_from_environment() -> Layout:
    """The layout that ``KAISER_HOME`` and the port variables ask for.

    Raises:
        LocalError: A port variable is wrong.
    """
    return Layout(home(), ports_from(os.environ), nats_sync=os.environ.get("KAISER_NATS_SYNC") or None)
