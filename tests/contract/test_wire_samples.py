"""Every line of the shared samples meets what ``wire-samples.md`` says of it."""

from pathlib import Path

import pytest

from kaiser.contracts import check
from kaiser.contracts.__main__ import main

SAMPLES = Path(__file__).parents[2] / "contracts" / "samples" / "wire-samples.jsonl"
LINES = SAMPLES.read_bytes().splitlines()


@pytest.mark.parametrize("text", LINES, ids=[f"line-{number}" for number in range(1, len(LINES) + 1)])
def test_a_sample_is_judged_as_it_expects(text):
    line = check.read_line(text)
    verdict = check.judge(line)
    assert line.expect is not None
    assert check.differs(line, verdict) == "", verdict


def test_the_answers_in_a_line_take_no_part_in_its_verdict():
    for text in LINES:
        line = check.read_line(text)
        lying = (
            text.replace(b'"expect":', b'"expected":').replace(b'"code":', b'"c0de":').replace(b'"result":', b'"r":')
        )
        assert check.judge(check.read_line(lying)) == check.judge(line)


def test_the_checker_exits_with_0_for_the_samples(capfdbinary):
    assert main(["check", str(SAMPLES)]) == 0
    said = capfdbinary.readouterr().out.decode()
    assert f"{len(LINES)} lines: {len(LINES)} as expected" in said
    assert "io.kaiser.telemetry.raw.v1" in said
    assert "MISSING_REQUIRED_FIELD" in said


def test_one_wrong_verdict_is_named_and_fails_the_check(tmp_path, capfdbinary):
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_bytes(LINES[0] + b"\n" + LINES[0].replace(b'"expect": "accept"', b'"expect": "refuse"') + b"\n")
    assert main(["check", str(wrong)]) == 1
    said = capfdbinary.readouterr().out.decode().splitlines()
    assert "WRONG" in said[1]
    assert "expected refuse" in said[1]
    assert said[2] == "2 lines: 1 as expected, 1 otherwise, 0 without expectation, 0 broken"


def test_a_wrong_code_fails_the_check(tmp_path, capfdbinary):
    wrong = tmp_path / "wrong.jsonl"
    line = next(text for text in LINES if b"MISSING_REQUIRED_FIELD" in text)
    wrong.write_bytes(line.replace(b"MISSING_REQUIRED_FIELD", b"DATABASE_ERROR"))
    assert main(["check", str(wrong)]) == 1
    assert "expected DATABASE_ERROR" in capfdbinary.readouterr().out.decode()


def test_a_line_without_an_expectation_is_judged_and_passes(tmp_path, capfdbinary):
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(LINES[0].replace(b'"expect": "accept"', b'"seen": 1') + b"\n\n")
    assert main(["check", str(plain)]) == 0
    assert "1 without expectation" in capfdbinary.readouterr().out.decode()


@pytest.mark.parametrize(
    "broken",
    [
        b"not json",
        b"[1]",
        b"{}",
        b'{"direction":"device_to_server","topic":"t"}',
        b'{"direction":"sideways","topic":"t","payload":{}}',
        b'{"direction":"device_to_server","topic":5,"payload":{}}',
        b'{"direction":"device_to_server","topic":"t","payload":"*","payload_encoding":"base64"}',
        b'{"direction":"device_to_server","topic":"t","payload":"*","payload_encoding":"rot13"}',
        b'{"direction":"server_to_device","topic":"t","payload":{}}',
        b'{"direction":"device_to_server","topic":"t","payload":{},"retain":"no"}',
        b'{"direction":"device_to_server","topic":"t","payload":"\xff"}',
        b'{"a":' * 100_000,
    ],
)
def test_a_broken_line_is_reported_by_number_and_fails_the_check(broken, tmp_path, capfdbinary):
    file = tmp_path / "broken.jsonl"
    file.write_bytes(LINES[0] + b"\n" + broken + b"\n" + LINES[1] + b"\n")
    assert main(["check", str(file)]) == 1
    said = capfdbinary.readouterr().out.decode().splitlines()
    assert said[1].split()[:2] == ["2", "BROKEN"]
    assert said[-1] == "3 lines: 2 as expected, 0 otherwise, 0 without expectation, 1 broken"


def test_a_missing_file_is_one_sentence_and_status_2(tmp_path, capsys):
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_no_command_shows_the_usage(capsys):
    assert main([]) == 2
    assert "check" in capsys.readouterr().out


def test_a_payload_keeps_its_numbers_and_repeated_fields_as_written():
    payload = b'{"a": 1.0, "a": 1e3, "b": "x  y"}'
    text = b'{"direction":"server_to_device","topic":"t","qos":1,"retain":false,"payload":%s}' % payload
    assert check.read_line(text).payload == b'{"a":1.0,"a":1e3,"b":"x  y"}'


def test_a_bare_nan_in_a_line_reaches_the_decoder_as_a_device_sends_it():
    line = LINES[3].replace(b'"value": 55.0', b'"value": NaN')
    verdict = check.judge(check.read_line(line))
    assert (verdict.word, verdict.why) == ("accept_flagged", "value_not_a_number")
