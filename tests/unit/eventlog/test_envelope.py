from types import SimpleNamespace

import pytest

from kaiser.eventlog import Delivery, Event, from_msg
from kaiser.eventlog.envelope import decode_headers, encode_headers, rfc3339, unix_us


def event(**changes):
    values = {"subject": "fact.a", "type": "io.kaiser.fact.v1", "data": b"{}", "source": "kaiser/test"}
    return Event(**values | changes)


def received(sent: Event) -> SimpleNamespace:
    return SimpleNamespace(subject=sent.subject, data=sent.data, headers=decode_headers(encode_headers(sent)))


def test_an_event_comes_back_as_it_was_sent():
    sent = event(time=1_732_000_000_123_456, traceparent="00-aa-bb-01", about="ESP_1", headers={"correlation-id": "c1"})
    back = from_msg(received(sent))
    assert back == Event(**{name: getattr(sent, name) for name in sent.__struct_fields__} | {"headers": back.headers})
    assert back.headers == {"correlation-id": "c1"}


def test_headers_are_those_of_the_cloudevents_binding():
    headers = decode_headers(encode_headers(event(id="one", time=0)))
    assert headers == {
        "ce-specversion": "1.0",
        "ce-type": "io.kaiser.fact.v1",
        "ce-source": "kaiser/test",
        "ce-datacontenttype": "application/json",
        "content-type": "application/json",
        "ce-id": "one",
        "ce-time": "1970-01-01T00:00:00.000000Z",
        "Nats-Msg-Id": "one",
    }


@pytest.mark.parametrize("text", ["Euro € 😀", 'a "quoted" 100%', "two\r\nNats-TTL: 1s", "käse"])
def test_text_outside_printable_ascii_is_percent_encoded_and_comes_back(text):
    raw = encode_headers(event(id=text))
    assert raw.isascii()
    assert b"\r\nNats-TTL" not in raw
    assert from_msg(received(event(id=text))).id == text


def test_the_example_of_the_binding_is_encoded_as_it_says():
    assert b"ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80\r\n" in encode_headers(event(about="Euro € 😀"))


def test_a_further_header_cannot_smuggle_in_another_one():
    assert decode_headers(encode_headers(event(headers={"note": "a\r\nb: c"})))["note"] == "a  b: c"


def test_ids_are_never_the_same():
    assert len({event().id for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("us", [0, 1, 999_999, 1_732_000_000_000_001, 4_102_444_800_000_000])
def test_times_keep_their_microseconds(us):
    assert unix_us(rfc3339(us)) == us


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01T00:00:00"])
def test_what_is_no_time_with_a_zone_is_zero(text):
    assert unix_us(text) == 0


def test_a_foreign_message_can_still_be_named():
    foreign = from_msg(SimpleNamespace(subject="fact.a", data=b"?", headers=None))
    assert (foreign.subject, foreign.type, foreign.id, foreign.time, foreign.data) == ("fact.a", "", "", 0, b"?")


def test_the_status_of_a_server_message_is_read():
    raw = b"NATS/1.0 409 Consumer Deleted\r\n\r\n"
    assert decode_headers(raw) == {"Status": "409", "Description": "Consumer Deleted"}
    beat = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 5\r\n\r\n"
    assert decode_headers(beat)["Nats-Last-Consumer"] == "5"


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.FACTS.reader.2.17.23.1732000000123456789.4",
        "$JS.ACK._.hash.FACTS.reader.2.17.23.1732000000123456789.4",
        "$JS.ACK.hub.hash.FACTS.reader.2.17.23.1732000000123456789.4.random",
    ],
)
def test_a_delivery_reads_both_forms_of_the_acknowledgement_subject(reply):
    delivery = Delivery("fact.a", b"{}", reply, encode_headers(event(id="one")))
    assert (delivery.stream, delivery.consumer, delivery.deliveries) == ("FACTS", "reader", 2)
    assert (delivery.seq, delivery.consumer_seq, delivery.pending) == (17, 23, 4)
    assert delivery.stored_at == 1_732_000_000_123_456
    assert (delivery.id, delivery.type, delivery.event.source) == ("one", "io.kaiser.fact.v1", "kaiser/test")
