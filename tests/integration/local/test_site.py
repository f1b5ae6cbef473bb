"""The files of a site do what they are for: a service reaches NATS by TLS, and is reached by it."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kaiser.contracts.streams import STREAMS
from kaiser.eventlog import connect, ensure_streams
from kaiser.local import nats
from kaiser.local.ephemeral import Server
from kaiser.local.ephemeral_services import Service
from kaiser.local.ports import free_port
from kaiser.local.readiness import nats_greets
from kaiser.local.secrets import Secrets
from kaiser.local.site.parts import Options
from kaiser.local.site.writing import write_site


class SiteNats(Server):
    """A NATS server with the configuration of a site, moved from a container's folders to ours."""

    def __init__(self, folder: Path, site: Path) -> None:
        port = free_port()
        text = (site / "nats.conf").read_text().replace("/site/", f"{site}/").replace('"/data"', f'"{folder}"')
        folder.mkdir()
        (folder / "nats.conf").write_text(
            text.replace("4222", str(port)).replace("127.0.0.1:8222", f"127.0.0.1:{free_port()}")
        )
        super().__init__(folder, nats.command(folder), port=port)

    def _serves(self) -> bool:
        return nats_greets(self.port)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_site(tmp_path / "site", tmp_path / "secrets", Options(), now=dt.datetime.now(dt.UTC))
    return tmp_path / "site"


@pytest.fixture
def gateway(site: Path, tmp_path: Path) -> Iterator[Service]:
    server = SiteNats(tmp_path / "nats", site / "nats")
    own = site / "gateway"
    environment = {
        "KAISER_NATS_URL": f"tls://localhost:{server.port}",
        "KAISER_NATS_USER": "gateway",
        "KAISER_NATS_PASSWORD_FILE": str(own / "nats-password"),
        "SSL_CERT_FILE": str(own / "ca.crt"),
        "KAISER_GATEWAY_PORT": str(free_port()),
        "KAISER_GATEWAY_CERT_FILE": str(own / "tls.crt"),
        "KAISER_GATEWAY_KEY_FILE": str(own / "tls.key"),
        "KAISER_JWT_SECRET_FILE": str(own / "jwt"),
        "KAISER_ADMIN_PASSWORD_FILE": str(own / "admin-password"),
    }
    service = Service("gateway", tmp_path / "gateway", environment)
    try:
        server.start()
        asyncio.run(_make_streams(environment["KAISER_NATS_URL"], site.parent))
        yield service.start()
    finally:
        service.stop()
        server.kill()


async def _make_streams(url: str, folder: Path) -> None:
    password = Secrets(folder / "secrets").value("nats-operator")
    trusting = ssl.create_default_context(cafile=str(folder / "site" / "nats" / "ca.crt"))
    async with await connect(url, name="test", user="operator", password=password, tls=trusting) as log:
        await ensure_streams(log, STREAMS)


def test_a_client_that_trusts_the_authority_logs_in_and_another_one_is_not_even_heard(
    gateway: Service, site: Path, tmp_path: Path
) -> None:
    url = f"https://localhost:{gateway.environment['KAISER_GATEWAY_PORT']}/api/v1/auth/login"
    body = {"username": "admin", "password": Secrets(tmp_path / "secrets").value("admin")}
    trusting = ssl.create_default_context(cafile=str(site / "gateway" / "ca.crt"))
    assert httpx.post(url, json=body, verify=trusting).status_code == 200
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.post(url, json=body)
    with pytest.raises(httpx.TransportError):
        httpx.post(url.replace("https", "http"), json=body)
