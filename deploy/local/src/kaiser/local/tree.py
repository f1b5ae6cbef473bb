"""The Debian tree: PostgreSQL, TimescaleDB and Mosquitto unpacked into a folder of their own."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kaiser.local.errors import LocalError

CHECKOUT: Final = Path(__file__).resolve().parents[5]
RECIPE: Final = CHECKOUT / "deploy" / "local" / "debtree.sh"
INGREDIENTS: Final = (RECIPE, RECIPE.with_name("apt.sh"))


class Tree:
    """Programs of the Debian tree.

    Args:
        root: Folder that ``debtree.sh`` filled.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.postgres_bin = root / "usr" / "lib" / "postgresql" / "17" / "bin"
        self.mosquitto = root / "usr" / "sbin" / "mosquitto"

    @property
    def dynamic_security(self) -> Path:
        """Mosquitto's plugin, below the folder of this machine's architecture."""
        return next((self.root / "usr" / "lib").glob("*/mosquitto_dynamic_security.so"))


def home() -> Path:
    """The folder for everything that Kaiser keeps on this machine: ``KAISER_HOME``, or ``.kaiser`` in the checkout."""
    return Path(os.environ.get("KAISER_HOME") or CHECKOUT / ".kaiser").resolve()


def tree_folder() -> Path:
    """Where the tree of this checkout's recipe belongs.

    ``KAISER_TREE`` lets several checkouts and homes share one; by default it lies in the checkout, so that a second
    home needs no second download. A changed recipe gets a folder of its own, so nothing in use is ever replaced.
    """
    recipe = b"".join(path.read_bytes() for path in INGREDIENTS) + os.environ.get("KAISER_DEBIAN_SUITE", "").encode()
    shared = Path(os.environ.get("KAISER_TREE") or CHECKOUT / ".kaiser" / "tree").resolve()
    return shared / hashlib.sha256(recipe).hexdigest()[:12]


def ensure_tree() -> Tree:
    """The tree, made first if it is not there yet (about 8 s near a mirror); safe to call from several processes.

    Raises:
        LocalError: The tree could not be made; what ``debtree.sh`` printed says why.
    """
    folder = tree_folder()
    if not folder.exists():
        with locked(folder.with_suffix(".lock")):
            if not folder.exists():
                _make(folder)
    return Tree(folder)


def _make(folder: Path) -> None:
    print("kaiser: setting up PostgreSQL, TimescaleDB and Mosquitto (once)", flush=True)
    if subprocess.run([RECIPE, folder], check=False).returncode != 0:
        raise LocalError(f"the servers could not be set up in {folder}: see the lines above.")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes, by a file that stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
