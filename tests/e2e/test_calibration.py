"""A pH electrode of a simulated device: calibrated over REST by two buffers, and its history made anew."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import httpx
import pytest

from kaiser.fleet.device import Broker, Device
from kaiser.fleet.sensors import SensorSpec
from kaiser.fleet.sent import Sent
from kaiser.fleet.spec import DeviceSpec
from kaiser.local.ephemeral import PASSWORD, Mosquitto

ESP: Final = "ESP_0A1B2C"
ROM: Final = "28FF641E8C160350"
SENSOR: Final = f"/sensors/{ESP}/34/ph"
SPEC: Final = DeviceSpec(
    esp_id=ESP,
    sensors=(
        SensorSpec(gpio=34, sensor_type="ph", middle=1861, swing=0),
        SensorSpec(gpio=4, sensor_type="ds18b20", address=ROM, middle=352, swing=0),
    ),
    interval_s=0.3,
)
PER_PH: Final = -0.1775
COUNTS_A_PH: Final = PER_PH / 3.3 * 4095
LIMIT_S: Final = 20.0


@contextlib.asynccontextmanager
async def _living(mosquitto: Mosquitto, api: httpx.AsyncClient) -> AsyncIterator[None]:
    """The device, approved, with readings in the database."""
    broker = Broker(host=mosquitto.host, port=mosquitto.port, username="device", password=PASSWORD)
    device = Device(SPEC, broker, Sent())
    living = asyncio.create_task(device.run())
    try:
        await _until(lambda: api.get(f"/devices/{ESP}"), lambda answer: answer.is_success)
        (await api.post(f"/devices/{ESP}/approve", json={})).raise_for_status()
        await _until(lambda: api.get(f"{SENSOR}/latest"), lambda answer: answer.is_success)
        yield
    finally:
        device.stop()
        await asyncio.wait((living,), timeout=5)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def _until(look: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> Any:
    """What is seen, once it is enough."""
    seen: Any = None
    try:
        async with asyncio.timeout(LIMIT_S):
            while not enough(seen := await look()):  # noqa: ASYNC110 - it happens in other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(getattr(seen, "text", seen)) from None
    return seen


async def _latest(api: httpx.AsyncClient) -> dict[str, Any]:
    return (await api.get(f"{SENSOR}/latest")).raise_for_status().json()


async def _shown(api: httpx.AsyncClient) -> dict[str, Any]:
    return (await api.get(f"{SENSOR}/calibration")).raise_for_status().json()


async def _recomputes(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await _shown(api))["recomputes"]


async def _raw_history(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await api.get(f"{SENSOR}/history?resolution=raw")).raise_for_status().json()["readings"]


def _counts(readings: list[dict[str, Any]]) -> dict[str, float]:
    return {reading["reading_id"]: reading["raw"] for reading in readings}


async def _calibrate(api: httpx.AsyncClient) -> dict[str, Any]:
    """What comes of the buffers 7 and 4: the count of the first is the sensor's own."""
    started = (await api.post(f"{SENSOR}/calibration", json={"kind": "ph"})).raise_for_status().json()
    taken = await api.post(f"{SENSOR}/calibration/points", json={"reference": 7.0})
    assert (taken.status_code, taken.json()["points"]) == (201, 1)
    (point,) = (await _shown(api))["sessions"][-1]["points"]
    assert point["raw"] in range(1861, 1869)
    assert point["reading_id"]
    assert point["temperature_c"] == pytest.approx(22.0, abs=0.5), "of the probe in the same tank"
    four = {"reference": 4.0, "raw": point["raw"] - 3 * COUNTS_A_PH, "temperature_c": 25.0}
    (await api.post(f"{SENSOR}/calibration/points", json=four)).raise_for_status()
    done = await api.post(f"{SENSOR}/calibration/finish", json={})
    assert done.json()["session_id"] == started["session_id"]
    return done.raise_for_status().json()


async def test_an_electrode_is_calibrated_and_its_history_made_anew(
    mosquitto: Mosquitto, api: httpx.AsyncClient
) -> None:
    async with _living(mosquitto, api):
        probe = {"gpio": 4, "sensor_type": "ds18b20", "address": ROM}
        wish = {"parameters": {"volts_per_ph": PER_PH}, "compensate_from": probe}
        answer = await api.put(f"{SENSOR}/parameters", json=wish)
        assert (answer.status_code, answer.json()["changed"]) == (200, True)
        await _until(lambda: _latest(api), lambda reading: reading["quality"] != "poor")

        done = await _calibrate(api)
        found = done["calibration"]
        assert found["coefficients"]["volts_per_ph"] == pytest.approx(PER_PH, rel=0.02)
        assert found["residuals"] == pytest.approx([0.0, 0.0], abs=1e-6)
        assert found["rms"] == pytest.approx(0.0, abs=1e-6)
        shown = await _shown(api)
        assert (shown["in_force"]["session_id"], shown["seq"]) == (done["session_id"], done["seq"])

        # A reading that came before its probe's was converted with a temperature that is assumed, and says so
        live = await _until(lambda: _latest(api), lambda found: (found["quality"], found["flags"]) == ("good", []))
        assert live["value"] == pytest.approx(7.0, abs=0.1)

        before = await _raw_history(api)
        assert {reading["quality"] for reading in before[:2]} != {"good"}
        span = {"from": before[0]["measured_at"], "calibration": done["session_id"]}
        ordered = await api.post(f"{SENSOR}/calibration/recompute", json=span)
        assert (ordered.status_code, ordered.json()["changed"]) == (202, True)
        twice = await api.post(f"{SENSOR}/calibration/recompute", json=span)
        assert (twice.status_code, twice.json()["code"]) == (409, "RECOMPUTE_RUNNING")
        (settled,) = await _until(lambda: _recomputes(api), lambda found: found[0]["finished_at"] is not None)
        assert settled["by"] == "admin"
        assert settled["rows"] >= settled["changed"] > 0
        after = await _raw_history(api)
        assert {reading["quality"] for reading in after} == {"good"}
        assert [reading["value"] for reading in after] == pytest.approx([7.0] * len(after), abs=0.1)
        assert _counts(before).items() <= _counts(after).items()
        (minute, *_) = (await api.get(f"{SENSOR}/history?resolution=1m")).json()["rollups"]
        assert (minute["minimum"], minute["maximum"]) == (pytest.approx(7, abs=0.1), pytest.approx(7, abs=0.1))


async def test_what_can_not_be_calibrated_is_refused_with_a_code_and_a_field(
    mosquitto: Mosquitto, api: httpx.AsyncClient
) -> None:
    async with _living(mosquitto, api):
        for method, path, body, status, code, where in (
            ("POST", "calibration/points", {"reference": 7.0}, 404, "CALIBRATION_NOT_FOUND", "sensor"),
            ("POST", "calibration", {"kind": "dry_wet"}, 400, "CALIBRATION_REFUSED", "kind"),
            ("POST", "calibration", {"kind": "ph"}, 201, None, None),
            ("POST", "calibration", {"kind": "ph"}, 409, "CALIBRATION_OPEN", "sensor"),
            ("PUT", "parameters", {"parameters": {}}, 409, "CALIBRATION_OPEN", "sensor"),
            ("POST", "calibration/points", {"reference": 15.0}, 400, "CALIBRATION_REFUSED", "reference"),
            ("POST", "calibration/finish", {}, 400, "CALIBRATION_REFUSED", "points"),
            ("DELETE", "calibration?reason=spilled", None, 200, None, None),
            ("PUT", "parameters", {"parameters": {"volts": 1}}, 400, "VALUE_OUT_OF_RANGE", "parameters.volts"),
        ):
            answer = await api.request(method, f"{SENSOR}/{path}", json=body)
            problem = answer.json()
            assert (answer.status_code, problem.get("code"), problem.get("where")) == (status, code, where), answer.text
        assert [session["state"] for session in (await _shown(api))["sessions"]] == ["abandoned"]
