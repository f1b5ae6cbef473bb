"""Simulated devices as a program."""

import os
import subprocess
import sys


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
        _, complaint = fleet.communicate(timeout=20)
    assert fleet.returncode == 1
    assert "BrokenPipeError" in complaint
