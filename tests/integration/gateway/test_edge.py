"""What the gateway says with every answer, whom it holds back, and what its log says of it."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kaiser.local import ephemeral_services
from kaiser.local.ephemeral import PASSWORD, Postgres
from kaiser.local.ephemeral_services import Service
from kaiser.local.errors import NotReadyError
from kaiser.local.ports import free_port

from .clients import base_url, client_of, socket_of, subscribe
from .conftest import Standing

PAGE = "https://plants.example"
ME = "/api/v1/auth/me"


@pytest.fixture(scope="module")
def strict(
    standing: Standing, shared_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Another gateway of the same site, which grants twenty requests and little more, and believes a proxy."""
    options = {"user_per_s": "2", "address_per_s": "4", "body_bytes": "4096", "origins": PAGE, "proxies": "127.0.0.1"}
    folder = tmp_path_factory.mktemp("strict")
    service = ephemeral_services.gateway(folder, standing.nats, shared_postgres, **options)
    try:
        yield service.start()
    finally:
        service.kill()


def from_(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@pytest.fixture
async def stranger(strict: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url(strict), timeout=30) as http:
        yield http


def lines(gateway: Service, **wanted: Any) -> list[dict[str, Any]]:
    """Lines of the access log with these values."""
    entries = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
    return [entry for entry in entries if ({"event": "request"} | wanted).items() <= entry.items()]


async def line_of(gateway: Service, **wanted: Any) -> dict[str, Any]:
    """The one line with these values, which is written when the answer has been sent."""
    async with asyncio.timeout(10):
        while not lines(gateway, **wanted):  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)
    (line,) = lines(gateway, **wanted)
    return line


async def test_an_address_that_asks_too_much_waits_and_no_other_one(stranger: httpx.AsyncClient) -> None:
    answers = [await stranger.get(ME, headers=from_("192.0.2.1")) for _ in range(60)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert {answer.status_code for answer in answers} == {401, 429}
    assert refused.json()["code"] == "TOO_MANY_REQUESTS"
    assert refused.headers["retry-after"] == "1"
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("40", "0")
    assert (await stranger.get(ME, headers=from_("192.0.2.2"))).status_code == 401


async def test_a_user_who_asks_too_much_waits_wherever_they_are_and_stops_all_the_same(
    standing: Standing, strict: Service
) -> None:
    async with client_of(standing.gateway, "operator") as client, client_of(standing.gateway, "viewer") as other:
        client.base_url = other.base_url = base_url(strict)
        answers = [await client.get(ME, headers=from_(f"198.51.100.{number}")) for number in range(40)]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["ratelimit-limit"] == "20"
        assert answers[0].headers["ratelimit-remaining"] == "19"
        stop = {"scope": {"kind": "site"}, "reason": "smoke"}
        stops = [
            (await client.post("/api/v1/emergency-stops", json=stop, headers=from_("198.51.100.1"))).status_code
            for _ in range(30)
        ]
        assert stops == [202] * 30
        assert (await other.get(ME, headers=from_("198.51.100.1"))).status_code == 200


async def test_whoever_shares_an_answer_is_counted_and_is_not_held_back_for_another(
    standing: Standing, strict: Service
) -> None:
    async with client_of(standing.gateway, "engineer") as client, client_of(standing.gateway, "admin") as other:
        user = {"username": "eve", "password": PASSWORD * 2, "role": "engineer"}
        (await other.post("/api/v1/users", json=user)).raise_for_status()
        login = await other.post("/api/v1/auth/login", json={"username": "eve", "password": PASSWORD * 2})
        eve = {"Authorization": f"Bearer {login.json()['tokens']['access_token']}"}
        client.base_url = base_url(strict)

        async def is_held_back(number: int, headers: dict[str, str]) -> bool:
            answer = await client.get("/api/v1/devices", headers=from_(f"198.51.100.{number}") | headers)
            return answer.status_code == 429  # and no device, for nobody is there who knows of any

        mine = await asyncio.gather(*(is_held_back(number, {}) for number in range(40)))
        assert mine.count(True) >= 10, "each of those who shared is one request"
        both = await asyncio.gather(*(is_held_back(100 + number, eve if number % 2 else {}) for number in range(20)))
        assert not any(both[1::2])
        assert any(both[::2])


async def test_who_is_no_proxy_does_not_say_whom_it_asks_for(standing: Standing) -> None:
    async with client_of(standing.gateway, "viewer") as client:
        await client.get(ME, headers=from_("203.0.113.9") | {"X-Request-ID": "not-a-proxy"})
    line = await line_of(standing.gateway, request_id="not-a-proxy")
    assert line["address"] == "127.0.0.1"


@pytest.mark.parametrize("chunked", [False, True], ids=["of a length", "in chunks"])
async def test_a_body_that_is_too_large_is_refused(stranger: httpx.AsyncClient, chunked: bool) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 1000

    content = parts() if chunked else b" " * 50_000
    headers = {"Content-Type": "application/json"} | from_("192.0.2.3")
    answer = await stranger.post("/api/v1/auth/login", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_who_leaves_before_their_body_is_whole_is_no_fault_of_ours(standing: Standing) -> None:
    port = int(standing.gateway.environment["KAISER_GATEWAY_PORT"])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: here\r\nX-Request-ID: half\r\nContent-Length: 9\r\n\r\n{")
    await writer.drain()
    writer.close()
    assert (await line_of(standing.gateway, request_id="half"))["status"] == 400


async def test_pages_of_origins_that_are_named_may_use_it_and_no_others(
    standing: Standing, stranger: httpx.AsyncClient
) -> None:
    wish = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}
    named = await stranger.options(ME, headers={"Origin": PAGE} | wish)
    assert named.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in named.headers
    assert (await stranger.get(ME, headers={"Origin": PAGE})).headers["access-control-allow-origin"] == PAGE
    for origin in ("https://other.example", "https://plants.example.evil.example", "null"):
        answer = await stranger.get(ME, headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") != origin
        assert answer.headers.get("access-control-allow-origin") != "*"
    async with httpx.AsyncClient(base_url=base_url(standing.gateway)) as http:
        assert "access-control-allow-origin" not in (await http.get(ME, headers={"Origin": PAGE})).headers


async def test_every_answer_has_the_headers_that_browsers_heed(standing: Standing) -> None:
    async with httpx.AsyncClient(base_url=base_url(standing.gateway)) as http:
        answers = [await http.get(path) for path in (ME, "/api/v1/nothing", "/schema/swagger", "/nothing")]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers
    assert [answer.headers.get("cache-control") for answer in answers[:2]] == ["no-store"] * 2
    assert "script-src 'self' 'unsafe-inline'" in answers[2].headers["content-security-policy"]


async def test_a_request_is_known_by_its_id_on_both_sides(standing: Standing) -> None:
    async with httpx.AsyncClient(base_url=base_url(standing.gateway)) as http:
        assert (await http.get(ME, headers={"X-Request-ID": "mine-1"})).headers["x-request-id"] == "mine-1"
        forged = (await http.get(ME, headers={"X-Request-ID": 'x" "user": "root'})).headers["x-request-id"]
        assert '"' not in forged
        assert forged != (await http.get(ME)).headers["x-request-id"]
    line = await line_of(standing.gateway, request_id="mine-1")
    assert (line["method"], line["route"], line["status"], line["user"]) == ("GET", ME, 401, "")
    assert line["bytes"] > 0
    assert line["duration_ms"] > 0


async def test_the_log_has_the_route_and_who_asked_and_no_secret(standing: Standing) -> None:
    async with client_of(standing.gateway, "viewer") as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
        await client.get("/api/v1/devices/ESP_5EC2E7/board?token=in-the-query")
        ticket = (await client.post("/api/v1/auth/ws-ticket")).json()["ticket"]
        async with socket_of(client) as ws:
            await subscribe(ws, client)
        tokens = (await client.post("/api/v1/auth/login", json={"username": "admin", "password": PASSWORD})).json()[
            "tokens"
        ]
        async with asyncio.timeout(10):  # the socket's line is written when it has ended
            while not lines(standing.gateway, route="/ws", user="viewer"):
                assert (await client.get(ME)).status_code == 200
    assert await line_of(standing.gateway, route="/api/v1/devices/{esp_id}/board", user="viewer", address="127.0.0.1")
    text = standing.gateway.log.read_text()
    for secret in (token, ticket, tokens["access_token"], tokens["refresh_token"], PASSWORD, "in-the-query"):
        assert secret not in text


async def test_who_waits_at_one_gateway_waits_at_all_of_them(standing: Standing, strict: Service) -> None:
    """Others are not held back: what is counted is a name with an address."""
    guess = {"username": "guessed", "password": "wrong wrong wrong"}
    async with httpx.AsyncClient(timeout=30) as http:
        statuses = [
            (await http.post(f"{base_url(standing.gateway)}/api/v1/auth/login", json=guess)).status_code
            for _ in range(7)
        ]
        assert statuses[-1] == 429
        login = f"{base_url(strict)}/api/v1/auth/login"
        # Fewer than it grants to those of whom it has counted every failure itself
        answers = [await http.post(login, json=guess) for _ in range(4)]
        answer = next(each for each in answers if each.status_code == 429)
        assert answer.json()["detail"].startswith("too many failed logins")
        right = {"username": "admin", "password": PASSWORD}
        assert (await http.post(login, json=right)).status_code == 200


@pytest.mark.parametrize("wrong", ["*", "https://plants.example/"])
async def test_it_does_not_start_with_origins_that_are_none(standing: Standing, tmp_path: Path, wrong: str) -> None:
    settings = {"KAISER_GATEWAY_ORIGINS": wrong, "KAISER_GATEWAY_PORT": str(free_port())}
    service = Service("gateway", tmp_path / "wrong", standing.gateway.environment | settings)
    with pytest.raises(NotReadyError, match="KAISER_GATEWAY_ORIGINS"):
        service.start()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-out", "cert.pem", "-days", "2", *subject],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return tmp_path / "cert.pem"


async def test_with_a_certificate_it_speaks_https_and_has_browsers_insist_on_that(
    standing: Standing, tmp_path: Path, certificate: Path
) -> None:
    settings = {
        "KAISER_GATEWAY_PORT": str(free_port()),
        "KAISER_GATEWAY_CERT_FILE": str(certificate),
        "KAISER_GATEWAY_KEY_FILE": str(tmp_path / "key.pem"),
    }
    service = Service("gateway", tmp_path / "tls", standing.gateway.environment | settings)
    trust = ssl.create_default_context(cafile=certificate)
    try:
        service.start()
        base = f"https://127.0.0.1:{settings['KAISER_GATEWAY_PORT']}"
        async with httpx.AsyncClient(base_url=base, verify=trust) as http:
            answer = await http.get(ME)
        assert answer.headers["strict-transport-security"].startswith("max-age=")
    finally:
        service.kill()
