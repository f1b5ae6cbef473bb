"""The audit: the gateway verifies its chain, in a process of its own, for tools import no service."""

import os
import subprocess
import sys
from argparse import Namespace
from typing import Final

from kaiser.ctl import reaching
from kaiser.ctl.errors import UNREACHABLE
from kaiser.ctl.site import Site

CANNOT_TELL: Final = 2
"""The gateway's own code for a log or a file that cannot be read."""


def verify(site: Site, arguments: Namespace) -> int:
    """Verify the chain in the log, or in an export."""
    words = [sys.executable, "-m", "kaiser.gateway", "audit"]
    if arguments.known:
        words += ["--known", arguments.known]
    if arguments.json:
        words += ["--json"]
    environment = dict(os.environ)
    if arguments.file:
        words += ["--file", arguments.file]
    else:
        environment |= _as_operator(site)
    done = subprocess.run(words, env=environment, check=False)  # noqa: S603 - our own program
    return UNREACHABLE if done.returncode == CANNOT_TELL else done.returncode


def _as_operator(site: Site) -> dict[str, str]:
    reaching.run(_answers(site))  # a service would wait for ever
    where = site.need_nats()
    given = {"KAISER_NATS_URL": where.url}
    if where.user:
        given |= {"KAISER_NATS_USER": where.user, "KAISER_NATS_PASSWORD": where.password or ""}
    if site.ca_file is not None:
        given["SSL_CERT_FILE"] = str(site.ca_file)
    return given


async def _answers(site: Site) -> None:
    async with reaching.event_log(site):
        pass
