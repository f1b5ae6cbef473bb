"""Secrets: made once, random, and nobody else's to read."""

from pathlib import Path

from kaiser.local.secrets import Secrets


def test_a_secret_is_kept_between_starts(tmp_path: Path) -> None:
    first = Secrets(tmp_path / "secrets").value("admin")

    assert Secrets(tmp_path / "secrets").value("admin") == first


def test_no_two_secrets_are_alike(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")

    assert len({secrets.value(name) for name in ("admin", "jwt", "nats-bridge")}) == 3
    assert all(len(secrets.value(name)) >= 32 for name in ("admin", "jwt", "nats-bridge"))


def test_only_the_owner_reads_a_secret(tmp_path: Path) -> None:
    path = Secrets(tmp_path / "secrets").path("admin")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
