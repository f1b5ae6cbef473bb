"""From where on something is wrong."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """From where on something is wrong.

    Attributes:
        skew_s: Seconds between two clocks.
        min_free: Percent of a disk that has to be free.
        full: Percent of a stream's limit that is worth knowing; ten less than nothing left is wrong.
        stuck_s: Seconds without an acknowledgement while there is something to take.
        letters: Dead letters in the last hour.
        archive_behind_s: Age of the oldest message that ought to be archived and is not.
        days: Days that a certificate is still good for.
    """

    skew_s: float = 1.0
    min_free: float = 10.0
    full: float = 80.0
    stuck_s: float = 60.0
    letters: int = 100
    archive_behind_s: float = 900.0
    days: float = 30.0
