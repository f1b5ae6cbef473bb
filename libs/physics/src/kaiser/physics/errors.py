"""What can be refused, as one family. Codes are stable; words say what to do."""

__all__ = ("CalibrationError", "FamilyClash", "ParameterError", "PhysicsError", "PluginError")


class PhysicsError(ValueError):
    """The base of every error of this package.

    Attributes:
        code: Stable name of the reason, for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ParameterError(PhysicsError):
    """Parameters of a sensor are not what its family takes; the code is ``parameters``.

    Attributes:
        path: Where, such as ``$.altitude_m``; ``$`` for all of it.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__("parameters", message)
        self.path = path


class CalibrationError(PhysicsError):
    """The points cannot be a calibration, or a calibration is not of this family."""


class PluginError(PhysicsError):
    """A plug-in package cannot be loaded, or offers what is no family; the code is ``plugin``."""

    def __init__(self, message: str) -> None:
        super().__init__("plugin", message)


class FamilyClash(PhysicsError):  # noqa: N818 - what happened, not how bad it is
    """Two packages claim one sensor type or family name; the code is ``clash``."""

    def __init__(self, message: str) -> None:
        super().__init__("clash", message)
