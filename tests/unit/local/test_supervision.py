"""The supervisor's configuration."""

import configparser
from pathlib import Path

from kaiser.local.layout import Layout
from kaiser.local.ports import Ports
from kaiser.local.programs import Program, programs
from kaiser.local.supervision import render
from kaiser.local.tree import Tree


def _parsed(layout: Layout, *wanted: Program) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(" ;",))
    parser.read_string(render(layout, wanted))
    return parser


def test_a_percent_sign_is_doubled_because_supervisor_expands_variables(tmp_path: Path) -> None:
    program = Program(name="x", command=("echo", "100%"), port=1, environment={"RATE": "5%"})

    section = _parsed(Layout(tmp_path, Ports()), program)["program:x"]

    assert section["command"] == "echo 100%%"
    assert section["environment"] == 'RATE="5%%"'


def test_words_with_spaces_stay_words(tmp_path: Path) -> None:
    program = Program(name="x", command=("/opt/my python", "-m", "x"), port=1)

    assert _parsed(Layout(tmp_path, Ports()), program)["program:x"]["command"] == "'/opt/my python' -m x"


def test_only_the_owner_reaches_the_supervisor(tmp_path: Path) -> None:
    assert _parsed(Layout(tmp_path, Ports()))["unix_http_server"]["chmod"] == "0600"


def test_a_home_with_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("deep" * 30), Ports())

    assert len(str(layout.supervisor_socket)) < 108
    assert layout.supervisor_socket == Layout(tmp_path / ("deep" * 30), Ports()).supervisor_socket


def test_no_password_stands_in_a_service_s_environment_or_command(tmp_path: Path) -> None:
    layout = Layout(tmp_path, Ports())
    everything = programs(layout, Tree(tmp_path))

    text = render(layout, everything)

    for secret in (tmp_path / "secrets").iterdir():
        assert secret.read_text() not in text


def test_every_service_has_a_health_port_of_its_own(tmp_path: Path) -> None:
    ports = [program.port for program in programs(Layout(tmp_path, Ports()), Tree(tmp_path))]

    assert len(set(ports)) == len(ports) == 9
