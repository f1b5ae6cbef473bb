"""The folders of a site as Secrets, for ``kubectl apply``."""

import json
from pathlib import Path

from kaiser.local.site.parts import PARTS

SUPERUSER_SECRET = "kaiser-superuser"  # noqa: S105 - its name
"""CloudNativePG wants the superuser's name and password in a Secret of their own."""


def secret_name(part: str) -> str:
    """Name of the Secret of a part."""
    return f"kaiser-{part}"


def secrets(folder: Path) -> str:
    """A List of Secrets as JSON, which kubectl takes as it takes YAML.

    Args:
        folder: Folder that :func:`kaiser.local.site.writing.write_site` wrote.
    """
    found = [_secret(secret_name(part), _files(folder / part)) for part in PARTS]
    superuser = {"username": "postgres", "password": (folder / "postgres" / "password").read_text()}
    found.append(_secret(SUPERUSER_SECRET, superuser, kind="kubernetes.io/basic-auth"))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": found}, indent=2)


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def _secret(name: str, values: dict[str, str], *, kind: str = "Opaque") -> dict[str, object]:
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "kaiser"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": values}
