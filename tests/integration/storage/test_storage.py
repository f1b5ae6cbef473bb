"""A folder and a bucket of a real service keep what they are given, and say so when they do not."""

import uuid
from pathlib import Path

import msgspec
import pytest

from kaiser.local.ephemeral_s3 import BUCKET, SeaweedFs
from kaiser.local.ports import free_port
from kaiser.storage import (
    Entries,
    FolderStore,
    MissingError,
    S3Options,
    S3Store,
    Store,
    StoreError,
    TakenError,
    open_store,
)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    server: SeaweedFs = request.getfixturevalue("s3_server")
    return server.store(f"a/{uuid.uuid4()}")


def test_what_was_put_is_there_and_another_put_replaces_it(store: Store) -> None:
    store.put("a/b/c", b"first")
    store.put("a/b/c", bytes(range(256)) * 40_000)
    assert store.get("a/b/c") == bytes(range(256)) * 40_000


def test_what_is_there_is_not_made_again(store: Store) -> None:
    store.create("a/b", b"first")
    with pytest.raises(TakenError, match="a/b"):
        store.create("a/b", b"second")
    assert store.get("a/b") == b"first"


def test_what_is_not_there_is_missing(store: Store) -> None:
    with pytest.raises(MissingError, match="nothing"):
        store.get("nothing")


def test_names_are_sorted_and_a_folder_shows_what_is_directly_below(store: Store) -> None:
    for name in ("b", "a/2", "a/1/x", "a/1/y", "ab"):
        store.put(name, b".")
    assert store.names() == ["a/1/x", "a/1/y", "a/2", "ab", "b"]
    assert store.names("a") == ["a/1/x", "a/1/y", "a/2"]
    assert store.entries() == Entries(["a"], ["ab", "b"])
    assert store.entries("a") == Entries(["1"], ["2"])
    assert store.entries("none") == Entries([], [])
    assert store.names("none") == []


def test_what_was_deleted_is_gone_and_may_be_deleted_again(store: Store) -> None:
    store.put("a/b", b".")
    store.put("a/c", b".")
    store.delete("a/b")
    store.delete("a/b")
    assert store.names() == ["a/c"]
    store.delete("a/c")
    assert store.names() == []


def test_more_than_a_page_is_listed(s3_server: SeaweedFs) -> None:
    store = s3_server.store(f"many/{uuid.uuid4()}")
    wanted = [f"{number:04}" for number in range(1100)]
    for name in wanted:
        store.put(name, b"")
    assert store.entries().files == store.names() == wanted


def test_wrong_keys_are_named_and_not_told(s3_server: SeaweedFs) -> None:
    wrong = S3Store(BUCKET, "", msgspec.structs.replace(s3_server.options, secret_key="not-this-one"))
    for attempt in (lambda: wrong.put("a", b"."), lambda: wrong.get("a"), wrong.entries, wrong.names):
        with pytest.raises(StoreError, match="wrong keys") as raised:
            attempt()
        assert "not-this-one" not in str(raised.value)


def test_a_service_that_is_away_is_an_error_and_not_an_empty_bucket(s3_server: SeaweedFs) -> None:
    options = msgspec.structs.replace(s3_server.options, endpoint=f"http://127.0.0.1:{free_port()}")
    away = S3Store(BUCKET, "", options)
    for attempt in (lambda: away.put("a", b"."), lambda: away.get("a"), away.entries):
        with pytest.raises(StoreError, match="cannot be"):
            attempt()


def test_a_service_that_does_not_answer_is_given_up(s3_server: SeaweedFs) -> None:
    store = S3Store(BUCKET, "frozen", msgspec.structs.replace(s3_server.options, timeout_s=0.2))
    store.put("a", b"before")
    s3_server.pause()
    try:
        with pytest.raises(StoreError):
            store.put("a", b"after")
    finally:
        s3_server.resume()
    assert s3_server.store("frozen").get("a") in (b"before", b"after")


def test_a_folder_without_the_right_to_write_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        FolderStore(tmp_path / "file").put("a", b".")


def test_an_address_is_a_bucket_with_a_prefix_or_a_folder(tmp_path: Path) -> None:
    assert open_store("s3://bucket/a/b/", S3Options()).where == "s3://bucket/a/b"
    assert open_store(str(tmp_path), S3Options()).where == str(tmp_path)
    for wrong in ("s3://", ""):
        with pytest.raises(ValueError, match="s3://BUCKET"):
            open_store(wrong, S3Options())
