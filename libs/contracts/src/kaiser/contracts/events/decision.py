"""What every decision about a device says. Times are unix microseconds."""

import msgspec


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What every decision says.

    Attributes:
        kaiser_id: Kaiser id that the device used last when it was decided.
        esp_id: Device.
        at: When, unix microseconds.
        by: User name of who decided; ``kaiser`` for what follows from something else.
        correlation_id: The request that it came from; shared by all events of one.
    """

    kaiser_id: str
    esp_id: str
    at: int
    by: str
    correlation_id: str = ""
