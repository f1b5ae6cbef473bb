"""Pins of boards and what firmware understands (wire contract, sections 1.2, 6.7 and 7)."""

import pytest

from kaiser.contracts.boards import capabilities, limits, pins


def test_a_wroom_has_the_pins_of_the_contract_and_head_has_inputs_more():
    dec, head = pins("esp32_wroom", "dec"), pins("esp32_wroom", "head")
    assert dec.inputs == {4, 5, *range(14, 20), 21, 22, 23, 25, 26, 27, 32, 33}
    assert head.inputs - dec.inputs == {34, 35, 36, 39}
    assert head.outputs == dec.outputs == dec.inputs
    assert dec.analog & dec.inputs == {32, 33}, "the only ones of dec that read anything while Wi-Fi is on"
    assert dec.bus == {21, 22}


@pytest.mark.parametrize("generation", ["dec", "head"])
@pytest.mark.parametrize("board", ["esp32_wroom", "xiao_esp32c3", None])
def test_no_reserved_pin_is_handed_out(board, generation):
    found = pins(board, generation)
    assert not found.reserved & (found.inputs | found.outputs)


def test_a_xiao_has_only_pins_that_its_board_and_its_firmware_both_know():
    assert pins("xiao_esp32c3", "head").outputs == {4, 5, 21}


def test_an_unknown_board_counts_as_a_wroom():
    assert (pins(None, "dec"), limits(None, "dec")) == (pins("esp32_wroom", "dec"), limits("esp32_wroom", "dec"))


@pytest.mark.parametrize(
    ("board", "generation", "expected"),
    [
        ("esp32_wroom", "dec", (20, 12, 2048)),
        ("esp32_wroom", "head", (20, 12, 8192)),
        ("xiao_esp32c3", "dec", (10, 6, 1024)),
        ("xiao_esp32c3", "head", (10, 6, 1024)),
    ],
)
def test_a_board_holds_so_much(board, generation, expected):
    found = limits(board, generation)
    assert (found.sensors, found.actuators, found.packet_bytes) == expected


def test_the_generations_have_nothing_in_common_beyond_what_all_devices_do():
    assert not set(capabilities("dec")) & set(capabilities("head"))
