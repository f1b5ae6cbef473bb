"""Answers on ``query.ingest.*`` and ``command.ingest.*``: NATS requests, shared out over all instances."""

from typing import Final

from kaiser.contracts import commands, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.past import StateAtQuery
from kaiser.contracts.queries import (
    CalibrationQuery,
    DeviceQuery,
    DevicesQuery,
    EquipmentQuery,
    HealthQuery,
    HistoryQuery,
    LatestQuery,
    Problem,
    SensorsQuery,
    ZonesQuery,
)
from kaiser.ingest.as_of import AsOf
from kaiser.ingest.calibrations import Calibrations
from kaiser.ingest.orders import Orders
from kaiser.ingest.queries import Queries
from kaiser.service.answering import Answerer, Requests

KEPT: Final = "readings are kept and will be there later"


def questions(queries: Queries) -> Requests:
    """What may be asked."""
    return {
        subjects.query("ingest", "devices"): (DevicesQuery, queries.devices),
        subjects.query("ingest", "device"): (DeviceQuery, queries.device),
        subjects.query("ingest", "zones"): (ZonesQuery, queries.zones),
        subjects.query("ingest", "health"): (HealthQuery, queries.health),
        subjects.query("ingest", "sensors"): (SensorsQuery, queries.sensors),
        subjects.query("ingest", "latest"): (LatestQuery, queries.latest),
        subjects.query("ingest", "history"): (HistoryQuery, queries.history),
    }


def commanded(orders: Orders) -> Requests:
    """What may be ordered, and asked of the registry itself."""
    return {
        subjects.command("ingest", "approve_device"): (commands.ApproveDevice, orders.approve),
        subjects.command("ingest", "reject_device"): (commands.RejectDevice, orders.reject),
        subjects.command("ingest", "rename_device"): (commands.RenameDevice, orders.rename),
        subjects.command("ingest", "set_device_board"): (commands.SetDeviceBoard, orders.set_board),
        subjects.command("ingest", "describe_device"): (commands.DescribeDevice, orders.describe),
        subjects.command("ingest", "retire_device"): (commands.RetireDevice, orders.retire),
        subjects.command("ingest", "rotate_device_key"): (commands.RotateDeviceKey, orders.rotate_key),
        subjects.command("ingest", "assign_zone"): (commands.AssignZone, orders.assign_zone),
        subjects.command("ingest", "order_subzone"): (commands.OrderSubzone, orders.order_subzone),
        subjects.command("ingest", "configure_device"): (commands.ConfigureDevice, orders.configure),
        subjects.command("ingest", "configure_again"): (commands.ConfigureAgain, orders.configure_again),
        subjects.query("ingest", "equipment"): (EquipmentQuery, orders.equipment),
    }


def calibrated(calibrations: Calibrations) -> Requests:
    """What may be ordered and asked about parameters and calibrations of sensors."""
    return {
        subjects.command("ingest", "set_sensor_parameters"): (
            commands.SetSensorParameters,
            calibrations.set_parameters,
        ),
        subjects.command("ingest", "start_calibration"): (commands.StartCalibration, calibrations.start),
        subjects.command("ingest", "take_calibration_point"): (commands.TakeCalibrationPoint, calibrations.take_point),
        subjects.command("ingest", "finish_calibration"): (commands.FinishCalibration, calibrations.finish),
        subjects.command("ingest", "abandon_calibration"): (commands.AbandonCalibration, calibrations.abandon),
        subjects.command("ingest", "recompute_readings"): (commands.RecomputeReadings, calibrations.recompute),
        subjects.query("ingest", "calibration"): (CalibrationQuery, calibrations.shown),
    }


def bygone(as_of: AsOf) -> Answerer:
    """Answers what was, from the log."""
    return Answerer("ingest", {subjects.query("ingest", "state_at"): (StateAtQuery, as_of.state_at)})


def answerer(*asked: Requests) -> Answerer:
    """Answers what :func:`questions`, :func:`commanded` and :func:`calibrated` give."""
    return Answerer(
        "ingest", *asked, kept=KEPT, late=Problem(Code.DATABASE_ERROR, f"the database does not answer; {KEPT}")
    )
