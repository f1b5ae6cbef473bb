"""Raw counts to physical values: one module a sensor family, with calibration and plug-ins. No I/O."""

from kaiser.physics.calibration import Calibration, DryWet, Electrode, Kind, Linear, Point, Table
from kaiser.physics.errors import CalibrationError, FamilyClash, ParameterError, PhysicsError, PluginError
from kaiser.physics.family import Family
from kaiser.physics.generic import RAW
from kaiser.physics.parameters import Parameters
from kaiser.physics.registry import BUILT_IN, AnyFamily, Families, families
from kaiser.physics.values import Conversion, Quality, Value

__all__ = (
    "BUILT_IN",
    "RAW",
    "AnyFamily",
    "Calibration",
    "CalibrationError",
    "Conversion",
    "DryWet",
    "Electrode",
    "Families",
    "Family",
    "FamilyClash",
    "Kind",
    "Linear",
    "ParameterError",
    "Parameters",
    "PhysicsError",
    "PluginError",
    "Point",
    "Quality",
    "Table",
    "Value",
    "families",
)
