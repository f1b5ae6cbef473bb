"""The ``dec`` generation, bugs included: QoS 0 only, retained by mistake, deaf after its first reconnect."""

from kaiser.fleet.dec.firmware import DecFirmware

__all__ = ("DecFirmware",)
