"""Events may grow; they may not break those who read them."""

import msgspec
import pytest

from kaiser.contracts.compatibility import breaks
from kaiser.contracts.events import codec
from kaiser.contracts.events.codec import EventDecoder, UnknownEventError


class MovedV2(msgspec.Struct, frozen=True):
    zone_id: str
    moved_by: str = "unknown"


def _schema(struct: type) -> dict:
    (schema,), definitions = msgspec.json.schema_components((struct,), ref_template="#/$defs/{name}")
    return {**schema, "$defs": definitions}


def _breaks(old: type, new: type) -> list[str]:
    return list(breaks({"moved": _schema(old)}, {"moved": _schema(new)}))


def _struct(name: str = "Moved", /, **fields: object) -> type:
    return msgspec.defstruct(name, list(fields.items()))


def test_an_old_version_is_upcast_to_the_newest() -> None:
    decoder = EventDecoder({"moved.v2": MovedV2}, {"moved.v1": ("moved.v2", lambda body: {"zone_id": body["zone"]})})
    assert decoder.decode("moved.v1", b'{"zone":"north"}') == MovedV2("north")
    assert decoder.decode("moved.v2", b'{"zone_id":"north","moved_by":"eve"}') == MovedV2("north", "eve")


def test_an_upcaster_that_leads_nowhere_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"moved\.v1 leads to moved\.v9"):
        EventDecoder({"moved.v2": MovedV2}, {"moved.v1": ("moved.v9", dict)})


def test_a_reader_of_a_few_types_is_not_concerned_by_the_old_versions_of_others(monkeypatch) -> None:
    """Every service has readers of its own, and each of them is made when its module is imported."""
    upcasters = {
        "moved.v0": ("moved.v1", lambda body: {"zone": body["place"]}),
        "moved.v1": ("moved.v2", lambda body: {"zone_id": body["zone"]}),
    }
    monkeypatch.setattr(codec, "UPCASTERS", upcasters)
    assert EventDecoder({"moved.v2": MovedV2}).decode("moved.v0", b'{"place":"north"}') == MovedV2("north")
    with pytest.raises(UnknownEventError, match=r"moved\.v1"):
        EventDecoder({"other.v1": MovedV2}).decode("moved.v1", b"{}")


def test_a_type_that_nothing_reads_is_named() -> None:
    with pytest.raises(UnknownEventError, match=r"gone\.v1"):
        EventDecoder({}, {}).decode("gone.v1", b"{}")


def test_a_field_with_a_default_may_be_added() -> None:
    new = msgspec.defstruct("Moved", [("zone_id", str), ("by", str, "")])
    assert _breaks(_struct(zone_id=str), new) == []


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (_struct(zone_id=str, by=str), _struct(zone_id=str), "moved.by"),
        (_struct(zone_id=str), _struct(zone_id=int), "moved.zone_id"),
        (_struct(zone_id=str), _struct(zone_id=str, by=str), "moved.by"),
        (_struct(zone_id=list[str]), _struct(zone_id=list[int]), "moved.zone_id[]"),
        (_struct(zone_id=str | None), _struct(zone_id=str), "moved.zone_id"),
        (_struct(inner=_struct("By", a=str)), _struct(inner=_struct("By", b=str)), "moved.inner.a"),
    ],
)
def test_a_change_that_breaks_readers_names_the_field(old: type, new: type, field: str) -> None:
    assert any(sentence.startswith(f"{field}:") for sentence in _breaks(old, new))


def test_a_released_event_may_not_vanish() -> None:
    assert list(breaks({"moved": _schema(MovedV2)}, {})) == [
        "moved: was released and is gone; keep it or add an upcaster"
    ]
