"""The command line itself: help, examples, exit codes, which site is meant, and where secrets come from."""

import json
import shlex
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from kaiser.ctl import documenting, session
from kaiser.ctl.errors import UsageError
from kaiser.ctl.finding import find_site
from kaiser.ctl.main import parser

PAGE = Path(__file__).parents[3] / "docs" / "kaiserctl.md"
VERBS = dict(documenting._verbs(parser(), ""))
EXAMPLES = [line.strip() for verb in VERBS.values() for line in (verb.epilog or "").splitlines()[1:]]
BY_ENVIRONMENT = ("backup", "rebuild")
"""They go by what the services are told, as they run where those do."""
WITHOUT: dict[str, str] = {}


def test_the_page_has_every_verb_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert documenting.written(page) == page, "run: .venv/bin/python -m kaiser.ctl.documenting docs/kaiserctl.md"


@pytest.mark.parametrize("name", sorted(name for name in VERBS if not name.startswith(BY_ENVIRONMENT)))
def test_every_verb_has_help_and_takes_what_names_a_site_behind_it(name: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*name.split(), "--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_command_line(example: str) -> None:
    line, _, _ = example.partition("      #")
    line = line.partition(" < ")[0].partition(" > ")[0]
    words = shlex.split(line)
    assert words[0] == "kaiserctl"
    assert callable(parser().parse_args(words[1:]).run)


def test_the_page_names_no_verb_that_there_is_not() -> None:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("    kaiserctl ") and "#" in line:
            parser().parse_args(shlex.split(line.partition("#")[0])[1:])


def test_wrong_usage_is_exit_code_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kaiser.ctl", "events", "--url", "http://127.0.0.1:1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kaiserctl: say which stream with --stream, or of what with --aggregate.\n"


def test_an_absent_gateway_is_exit_code_3(tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("kaiser_key")
    words = ["users", "list", "--url", "http://127.0.0.1:1", "--token-file", str(token)]
    done = subprocess.run([sys.executable, "-m", "kaiser.ctl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("kaiserctl: no Kaiser answers at http://127.0.0.1:1")


def test_a_home_has_its_own_addresses_and_secrets(tmp_path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "admin").write_text("as long as you like")
    (secrets / "nats-operator").write_text("another one")
    site = find_site(Namespace(home=str(tmp_path)), {"KAISER_NATS_PORT": "14222"})
    assert site.home is not None
    assert (site.gateway.user, site.gateway.password) == ("admin", "as long as you like")
    assert (site.nats.url, site.nats.password) == ("nats://127.0.0.1:14222", "another one")
    assert sorted(path.name for path in secrets.iterdir()) == ["admin", "nats-operator"]  # none is made by looking


def test_whoever_names_a_site_gets_nothing_of_the_home(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("KAISER_HOME", str(tmp_path))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "admin").write_text("the home's")
    site = find_site(Namespace(url="https://kaiser.example/"), WITHOUT)
    assert site.gateway.url == "https://kaiser.example"
    assert (site.home, site.nats, site.database, site.gateway.password) == (None, None, None, "")


def test_a_secret_comes_from_a_variable_or_a_file_and_the_argument_counts_first(tmp_path) -> None:
    file, other = tmp_path / "token", tmp_path / "other"
    file.write_text("of the file\n")
    other.write_text("of the argument\n")
    at = {"KAISER_CTL_URL": "https://kaiser.example"}
    told = Namespace(token_file=str(other))
    assert find_site(Namespace(), at | {"KAISER_CTL_TOKEN": "of the variable"}).gateway.token == "of the variable"
    assert find_site(Namespace(), at | {"KAISER_CTL_TOKEN_FILE": str(file)}).gateway.token == "of the file"
    assert find_site(told, at | {"KAISER_CTL_TOKEN": "of the variable"}).gateway.token == "of the argument"


def test_names_of_before_there_was_kaiserctl_still_count() -> None:
    site = find_site(Namespace(), {"KAISER_URL": "https://kaiser.example", "KAISER_TOKEN": "t"})
    assert (site.gateway.url, site.gateway.token) == ("https://kaiser.example", "t")


@pytest.mark.parametrize(
    ("name", "value"),
    [("health", "bridge"), ("health", "bridge=8081"), ("mqtt", "kaiser.example"), ("token_file", "/none")],
)
def test_what_cannot_be_understood_is_wrong_usage(name: str, value: str) -> None:
    with pytest.raises(UsageError):
        find_site(Namespace(**{"url": "https://kaiser.example", name: value}), WITHOUT)


def test_tokens_are_kept_where_only_their_owner_may_read(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("KAISER_CTL_SESSIONS", str(tmp_path / "sessions"))
    file = session.keep("https://kaiser.example", {"access_token": "a", "refresh_token": "r", "expires_in": 900})
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(file.read_text()) == {"access_token": "a", "refresh_token": "r"}
    assert session.forget("https://kaiser.example")
    assert not session.forget("https://kaiser.example")


def test_options_may_stand_before_the_verb_or_behind_it() -> None:
    for words in (["--json", "status"], ["status", "--json"]):
        assert parser().parse_args(words).json
