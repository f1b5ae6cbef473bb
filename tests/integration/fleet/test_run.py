"""Simulated devices as a program."""

import asyncio
import json
import os
import subprocess
import sys
import time

import aiomqtt


def run(mosquitto, *options, **more) -> subprocess.Popen:
    command = [sys.executable, "-m", "kaiser.fleet", "run", "--personality", "dec", "--devices", "3", *options]
    place = ["--host", mosquitto.host, "--port", str(mosquitto.port), "--user", "device"]
    environment = os.environ | {"KAISER_MQTT_PASSWORD": mosquitto.password}
    return subprocess.Popen([*command, *place], env=environment, stdout=subprocess.PIPE, text=True, **more)


def test_the_program_ends_well_after_its_time(mosquitto, tmp_path):
    with run(mosquitto, "--duration", "3", "--sent-log", str(tmp_path / "sent")) as fleet:
        said, _ = fleet.communicate(timeout=20)
    assert fleet.returncode == 0
    assert said == f"3 devices sent {len((tmp_path / 'sent').read_text().splitlines())} readings\n"


def test_the_program_ends_when_nobody_reads_its_log_any_more(mosquitto):
    reading, writing = os.pipe()
    with run(mosquitto, "--sent-log", f"/dev/fd/{writing}", pass_fds=[writing], stderr=subprocess.PIPE) as fleet:
        os.close(writing)
        assert os.read(reading, 1)
        os.close(reading)
        said, complaint = fleet.communicate(timeout=20)
    assert fleet.returncode == 1
    assert "BrokenPipeError" in complaint
    assert mosquitto.password not in said + complaint


def test_clocks_can_be_wrong(mosquitto, tmp_path):
    with run(mosquitto, "--duration", "3", "--clock-error=-3600", "--sent-log", str(tmp_path / "sent")) as fleet:
        fleet.communicate(timeout=20)
    times = [json.loads(line)[0][4] for line in (tmp_path / "sent").read_text().splitlines()]
    assert times
    assert all(abs(time.time() - 3600 - at) < 60 for at in times)


async def test_garbage_comes_from_devices_of_their_own_and_others_go_on(mosquitto, tmp_path):
    options = ("--duration", "4", "--garbage", "2", "--sent-log", str(tmp_path / "sent"))
    async with aiomqtt.Client(
        mosquitto.host, mosquitto.port, username=mosquitto.username, password=mosquitto.password
    ) as client:
        await client.subscribe("kaiser/+/esp/ESP_BAD001/#")
        with run(mosquitto, *options) as fleet:
            heard = await anext(client.messages)
            await asyncio.to_thread(fleet.communicate, timeout=20)
    assert heard.topic.matches("kaiser/god/esp/ESP_BAD001/#")
    assert fleet.returncode == 0
    assert len((tmp_path / "sent").read_text().splitlines()) >= 30
