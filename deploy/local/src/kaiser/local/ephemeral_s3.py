"""A real S3-compatible service for tests: SeaweedFS, all of it in one process, out of a wheel."""

import json
import sys
from pathlib import Path
from typing import Final

from kaiser.local.ephemeral import PASSWORD, Server
from kaiser.local.ports import free_port
from kaiser.storage import S3Options, S3Store, StoreError

KEY: Final = "kaiser"
BUCKET: Final = "tests"


class SeaweedFs(Server):
    """A service with one key, which may do everything; a bucket is made by the first write to it.

    Args:
        folder: Where it keeps its data.

    Attributes:
        options: How it is reached.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        accounts = folder / "accounts.json"
        key = {"accessKey": KEY, "secretKey": PASSWORD}
        rights = ["Admin", "Read", "List", "Tagging", "Write"]
        accounts.write_text(json.dumps({"identities": [{"name": KEY, "credentials": [key], "actions": rights}]}))
        port = free_port()
        inner = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
        command = [
            *(str(Path(sys.executable).parent / "weed"), "-logtostderr", "server", f"-dir={folder}"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", f"-filer.localSocket={folder}/filer"),
            *("-s3", f"-s3.port={port}", f"-s3.config={accounts}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *(f"-{name}={free_port()}" for name in (*inner, "s3.port.grpc")),
            *("-volume.max=0", "-master.volumeSizeLimitMB=64", "-volume.minFreeSpace=0"),
        ]
        super().__init__(folder, command, port=port)
        self.options = S3Options(
            endpoint=f"http://{self.host}:{port}", access_key=KEY, secret_key=PASSWORD, timeout_s=10
        )

    def store(self, prefix: str = "") -> S3Store:
        """A store on it."""
        return S3Store(BUCKET, prefix, self.options)

    def _serves(self) -> bool:
        """Its parts find each other one after the other, and only a write shows that all of them have."""
        if not super()._serves():
            return False
        try:
            self.store().put("ready", b"ready")
        except StoreError:
            return False
        return True
