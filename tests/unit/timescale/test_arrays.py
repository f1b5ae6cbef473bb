import struct

import pytest

from kaiser.timescale import BadData, DatabaseAway, float8_array, int8_array, timestamp_array, translated


def test_a_column_of_integers_is_an_array_as_postgresql_writes_it():
    wire = int8_array([1, -2, 2**63 - 1]).wire
    assert wire == struct.pack(">iiIii", 1, 0, 20, 3, 1) + struct.pack(">iqiqiq", 8, 1, 8, -2, 8, 2**63 - 1)


def test_a_column_of_numbers_has_nan_for_null():
    wire = float8_array([0.0, None, -1.5]).wire
    assert wire[:20] == struct.pack(">iiIii", 1, 0, 701, 3, 1)
    (first, second, third) = struct.unpack(">4xd4xd4xd", wire[20:])
    assert (first, third) == (0.0, -1.5)
    assert second != second  # noqa: PLR0124


def test_a_column_of_times_counts_from_2000():
    wire = timestamp_array([946_684_800_000_001]).wire
    assert wire == struct.pack(">iiIii", 1, 0, 1184, 1, 1) + struct.pack(">iq", 8, 1)


@pytest.mark.parametrize("n", [1, 31, 32, 33, 1000])
def test_long_and_short_columns_are_written_alike(n):
    column = [(-7) ** (i % 20) for i in range(n)]
    expected = struct.pack(">iiIii", 1, 0, 20, n, 1) + b"".join(struct.pack(">iq", 8, x) for x in column)
    assert int8_array(column).wire == expected


def test_an_empty_column_is_an_empty_array():
    assert int8_array([]).wire == struct.pack(">iiI", 0, 0, 20)


def test_a_number_beyond_64_bits_is_refused():
    with pytest.raises(OverflowError):
        int8_array([2**63])


def test_only_refused_values_are_bad_data():
    import psycopg

    for error in (psycopg.errors.NumericValueOutOfRange("x"), psycopg.errors.NotNullViolation("x")):
        with pytest.raises(BadData), translated():
            raise error
    for error in (
        psycopg.errors.UndefinedTable("x"),
        psycopg.errors.DiskFull("x"),
        psycopg.errors.AdminShutdown("x"),
        psycopg.OperationalError("connection refused"),
        psycopg.InterfaceError("the connection is closed"),
        TimeoutError(),
    ):
        with pytest.raises(DatabaseAway), translated():
            raise error
