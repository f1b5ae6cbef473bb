"""The job that brings a schema up to date before its service comes."""

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from kaiser.local.ephemeral import Postgres
from kaiser.timescale import Database, migrate


def _start(*words: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kaiser.service", *words],
        env=os.environ | {"KAISER_LOG_FORMAT": "json"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _ended(job: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = job.communicate(timeout=60)
    return job.returncode, said


def _applied(postgres: Postgres) -> list[str]:
    with psycopg.connect(postgres.dsn("kaiser_ingest")) as connection:
        rows = connection.execute("SELECT migration_id FROM ingest._yoyo_migration ORDER BY 1").fetchall()
    return [row[0] for row in rows]


def test_two_jobs_at_once_and_one_more_afterwards_migrate_once(postgres: Postgres) -> None:
    jobs = [_start("migrate", "ingest", KAISER_PG_DSN=postgres.dsn("kaiser_ingest")) for _ in range(2)]
    for code, said in map(_ended, jobs):
        assert code == 0, said
    everything = sorted(file.name.removesuffix(".sql") for file in (files("kaiser.ingest") / "migrations").iterdir())
    assert _applied(postgres) == everything
    code, said = _ended(_start("migrate", "ingest", KAISER_PG_DSN=postgres.dsn("kaiser_ingest")))
    assert (code, _applied(postgres)) == (0, everything), said


def test_a_service_without_a_schema_has_nothing_to_migrate(postgres: Postgres) -> None:
    code, said = _ended(_start("migrate", "gateway", KAISER_PG_DSN=postgres.dsn("kaiser_gateway")))
    assert code == 0, said
    assert "nothing to migrate" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["migrate", "greenhouse"], "there is no service 'greenhouse'"),
        (["migrate", "ingest"], "KAISER_PG_DSN: is required"),
        (["ingest"], "usage:"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(words: list[str], sentence: str) -> None:
    variables = {} if sentence.startswith("KAISER") else {"KAISER_PG_DSN": "host=nowhere"}
    code, said = _ended(_start(*words, **variables))
    assert code == 2
    assert sentence in said


async def test_an_older_release_starts_on_the_schema_of_a_newer_one(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a roll-out is taken back."""
    older = tmp_path / "kaiser_of_last_year" / "migrations"
    older.mkdir(parents=True)
    (older.parent / "__init__.py").touch()
    first, *_ = sorted((files("kaiser.ingest") / "migrations").iterdir(), key=lambda file: file.name)
    (older / first.name).write_text(first.read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    database = Database(dsn=postgres.dsn("kaiser_ingest"), application_name="test")
    newer = await migrate(database, package="kaiser.ingest", schema="ingest")
    assert await migrate(database, package="kaiser_of_last_year", schema="ingest") == []
    assert await migrate(database, package="kaiser.ingest", schema="ingest") == []
    assert _applied(postgres) == sorted(newer)
