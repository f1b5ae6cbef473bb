"""The ``head`` generation (esp32dev build): real QoS, a registration gate, answers with correlation ids."""

from kaiser.fleet.head.firmware import HeadFirmware

__all__ = ("HeadFirmware",)
