"""Ports: read from the environment, and refused with a sentence that helps."""

import os
import socket

import pytest

from kaiser.local.errors import LocalError, PortTakenError
from kaiser.local.ports import Ports, free_ports, ports_from, require_free


def test_ports_are_the_documented_ones_by_default() -> None:
    assert ports_from({}) == Ports(mqtt=1883, nats=4222, postgres=5433, gateway=8080)


def test_a_port_is_set_by_its_variable() -> None:
    assert ports_from({"KAISER_MQTT_PORT": "21883", "KAISER_PG_PORT": ""}).mqtt == 21883


@pytest.mark.parametrize("text", ["none", "-1", "0", "65536", "1.5", "²"])
def test_what_is_no_port_is_refused_by_the_name_of_its_variable(text: str) -> None:
    with pytest.raises(LocalError, match="KAISER_NATS_PORT"):
        ports_from({"KAISER_NATS_PORT": text})


def test_two_programs_on_one_port_are_refused_by_both_names() -> None:
    with pytest.raises(LocalError, match="KAISER_MQTT_PORT and KAISER_NATS_PORT"):
        ports_from({"KAISER_MQTT_PORT": "4222"})


def test_a_taken_port_names_its_holder_and_the_variable_to_set() -> None:
    ports = free_ports()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", ports.nats))
        holder.listen()

        with pytest.raises(PortTakenError, match=rf"port {ports.nats} is taken by .*{os.getpid()}.*KAISER_NATS_PORT"):
            require_free(ports)


def test_free_ports_are_free() -> None:
    require_free(free_ports())
