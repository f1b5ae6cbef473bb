"""A rebuild of a service's tables, as a process of its own with the rights and the settings that it needs.

The service's own code rebuilds its tables, and tools import no service, so this only says where everything is. The role
is the owner of the database: a service's role may not make schemas, and need not.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from kaiser.local import postgres
from kaiser.local.layout import Layout
from kaiser.local.programs import program_of


def rebuild(layout: Layout, options: Sequence[str]) -> int:
    """Run ``python -m kaiser.service rebuild`` on this home, and return its exit code.

    Args:
        layout: The home.
        options: What it is told; the projection among them.
    """
    service = next((option for option in options if option in postgres.SCHEMAS), "ingest")
    environ = {
        **os.environ,
        **program_of(layout, service).environment,
        "KAISER_ARCHIVE_FOLDER": str(layout.archive),
        "KAISER_PG_DSN": postgres.conninfo(port=layout.ports.postgres, user=postgres.OWNER),
        "KAISER_PG_PASSWORD_FILE": str(layout.secrets.path(f"postgres-{postgres.OWNER}")),
        "KAISER_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "kaiser.service", "rebuild", "--volume", str(layout.postgres), *options]
    return subprocess.run(command, env=environ, check=False).returncode
