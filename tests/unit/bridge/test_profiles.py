"""The bridge's cache of devices survives a restart, and can be lost."""

from pathlib import Path

from kaiser.bridge.profiles import Profile, Profiles, load, save


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    profiles = Profiles()
    profiles.add("ESP_9F03D4", Profile(kaiser_id="god", generation="head", boot="b17", announced_epoch=3))
    save(tmp_path / "state" / "profiles.json", profiles.encode())
    assert load(tmp_path / "state" / "profiles.json").get("ESP_9F03D4") == profiles.get("ESP_9F03D4")


def test_a_cache_that_is_gone_or_garbage_is_empty(tmp_path: Path) -> None:
    assert len(load(tmp_path / "none.json")) == 0
    (tmp_path / "garbage.json").write_bytes(b"\x00\xff")
    assert len(load(tmp_path / "garbage.json")) == 0


def test_only_a_fact_that_differs_is_a_change() -> None:
    profiles = Profiles()
    profile = profiles.add("ESP_9F03D4", Profile(kaiser_id="god", boot="b17"))
    profiles.encode()
    profiles.learn(profile, boot="b17", kaiser_id="god")
    assert not profiles.changed
    profiles.learn(profile, boot="b18")
    assert profiles.changed


def test_only_head_devices_with_a_kaiser_id_want_a_server_status() -> None:
    profiles = Profiles()
    profiles.add("ESP_000001", Profile(kaiser_id="god", generation="head"))
    profiles.add("ESP_000002", Profile(kaiser_id="barn", generation="dec"))
    profiles.add("ESP_000003", Profile(kaiser_id="", generation="head"))
    assert profiles.kaiser_ids() == {"god"}
