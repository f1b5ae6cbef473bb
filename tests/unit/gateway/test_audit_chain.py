"""A chain of entries: what was changed, left out or added in it is found."""

import msgspec
import pytest

from kaiser.contracts.events.identity import Audited
from kaiser.gateway.audit import chain
from kaiser.gateway.audit.chain import Check, Head
from kaiser.gateway.audit.reading import Wanted

AT = 1_777_500_000_000_000


def _entry(path: str, **more: object) -> Audited:
    fields = {
        "number": 0,
        "previous": "",
        "username": "ada",
        "user_id": "u1",
        "via": "s1",
        "address": "::1",
        "method": "POST",
        "path": path,
        "route": f"POST {path}",
        "status": 202,
        "code": "",
        "subject": "",
        "seq": 0,
        "at": AT,
    }
    return Audited(**(fields | more))


def _chain(count: int = 5) -> list[Audited]:
    first = chain.link([_entry(f"/{number}") for number in range(2)], chain.EMPTY)
    return first + chain.link([_entry(f"/{number}") for number in range(2, count)], chain.head_of(first[-1]))


def _faults(entries: list[Audited], known: Head | None = None, *, whole: bool = True) -> list[str]:
    check = Check(known)
    return [fault for entry in entries for fault in check.take(entry)] + check.end(whole=whole)


def test_a_chain_that_nobody_touched_is_whole_and_so_is_its_end() -> None:
    entries = _chain()
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert _faults(entries) == []
    assert _faults(entries, chain.head_of(entries[2])) == []
    assert _faults(entries[2:], whole=False) == []
    assert _faults([]) == []


def test_what_was_changed_left_out_put_in_or_exchanged_is_found() -> None:
    entries = _chain()
    changed = msgspec.structs.replace(entries[2], username="eve")
    rehashed = msgspec.structs.replace(changed, hash=chain.digest(changed))
    for wrong in (
        [*entries[:2], changed, *entries[3:]],
        [*entries[:2], rehashed, *entries[3:]],
        [*entries[:2], *entries[3:]],
        [*entries[:2], entries[3], entries[2], entries[4]],
        [*entries, entries[4]],
        entries[1:],
    ):
        assert _faults(wrong)


def test_a_chain_that_was_made_anew_or_cut_does_not_have_the_head_that_was_noted() -> None:
    noted = chain.head_of(_chain()[-1])
    forged = chain.link([_entry("/else", number=n) for n in range(5)], chain.EMPTY)
    assert _faults(forged) == []
    assert "not the one that was noted" in _faults(forged, noted)[0]
    assert "not the one that was noted" in _faults(_chain()[:4], noted)[0]


def test_a_head_is_read_as_it_was_written() -> None:
    head = chain.head_of(_chain()[-1])
    assert chain.read_head(head.words()) == head
    for wrong in ("", "5", "5:abc", f"x:{head.hash}"):
        with pytest.raises(ValueError, match=r"NUMBER|invalid"):
            chain.read_head(wrong)


def test_entries_are_found_by_time_path_and_outcome() -> None:
    refused = _entry("/devices/ESP_1", status=403)
    assert Wanted().takes(refused)
    assert Wanted(start=AT, end=AT + 1, path="/devices", refused=True).takes(refused)
    for wanted in (Wanted(start=AT + 1), Wanted(end=AT), Wanted(path="/zones")):
        assert not wanted.takes(refused)
    assert not Wanted(refused=True).takes(_entry("/x", status=409 - 300))
