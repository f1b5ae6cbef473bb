"""Answers on ``query.ingest.*`` and ``command.ingest.*``: NATS requests, shared out over all instances."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from kaiser.contracts import commands, subjects
from kaiser.contracts.codes import Code
from kaiser.contracts.queries import (
    CalibrationQuery,
    DeviceQuery,
    DevicesQuery,
    EquipmentQuery,
    HealthQuery,
    HistoryQuery,
    LatestQuery,
    Problem,
    Reply,
    SensorsQuery,
    ZonesQuery,
)
from kaiser.eventlog import now_us
from kaiser.ingest.calibrations import Calibrations
from kaiser.ingest.cursors import BadCursorError
from kaiser.ingest.orders import Orders
from kaiser.ingest.queries import Queries, Refusal
from kaiser.ingest.refusals import RegistryError
from kaiser.timescale import BadData, DatabaseAway

_log = structlog.get_logger(__name__)

Answer = Callable[[Any, int], Awaitable[Any]]  # each question has its own type, checked when it is decoded

QUEUE: Final = "ingest"
PATIENCE_S: Final = 3.0
"""After this the database counts as away; a frozen server would keep an asker waiting for ever."""
AT_ONCE: Final = 32
"""Questions in work; the rest wait, and are refused after ``PATIENCE_S``."""

_encode = msgspec.json.Encoder().encode


Requests = Mapping[str, tuple[type[msgspec.Struct], Answer]]
"""Subject to what a request on it says, and who answers it."""


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


class Api:
    """Answers questions and orders until it is closed."""

    def __init__(self, *asked: Requests) -> None:
        """Serve what :func:`questions`, :func:`commanded` and :func:`calibrated` give."""
        self._answers = {
            name: (msgspec.json.Decoder(kind), answer)
            for requests in asked
            for name, (kind, answer) in requests.items()
        }
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._working: set[asyncio.Task[None]] = set()

    async def serve(self, nc: Client) -> None:
        """Subscribe; nats-py subscribes again after a reconnect."""

        async def received(message: Msg) -> None:
            task = asyncio.create_task(self._reply(message), name="query")
            self._working.add(task)
            task.add_done_callback(self._working.discard)

        for name in self._answers:
            await nc.subscribe(name, queue=QUEUE, cb=received)

    async def close(self) -> None:
        """Let what is being answered come to its end."""
        if self._working:
            await asyncio.wait(self._working, timeout=PATIENCE_S)

    async def answer(self, name: str, body: bytes) -> Reply[Any]:
        """The reply to one request; never raises.

        Args:
            name: The subject.
            body: The question as JSON; empty for one without a word.
        """
        decoder, ask = self._answers[name]
        try:
            asked = decoder.decode(body or b"{}")
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _problem(Code.INVALID_PAYLOAD_FORMAT, str(error))
        task = asyncio.ensure_future(self._in_turn(ask, asked))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
        if not done:
            # Not awaited: psycopg ends a statement by asking the server to, which a frozen one never does.
            task.add_done_callback(_heard)
            task.cancel()
            return _problem(
                Code.DATABASE_ERROR, "the database does not answer; readings are kept and will be there later"
            )
        return _reply_of(task, name)

    async def _in_turn(self, ask: Answer, asked: object) -> object:
        async with self._turns:
            return await ask(asked, now_us())

    async def _reply(self, message: Msg) -> None:
        reply = await self.answer(message.subject, message.data)
        if message.reply:
            try:
                await message.respond(_encode(reply))
            except NatsError as error:
                _log.warning("an answer could not be sent", subject=message.subject, reason=repr(error))


def _reply_of(task: "asyncio.Future[Any]", name: str) -> Reply[Any]:
    try:
        return Reply(ok=task.result())
    except RegistryError as refusal:
        return _problem(refusal.code, str(refusal), refusal.where)
    except Refusal as refusal:
        return _problem(refusal.code, refusal.detail, refusal.where)
    except BadCursorError as error:
        return _problem(Code.VALUE_OUT_OF_RANGE, str(error), "cursor")
    except BadData as error:
        return _problem(Code.VALUE_OUT_OF_RANGE, str(error))
    except DatabaseAway as away:
        _log.warning("a question waits for the database", query=name, reason=str(away))
        return _problem(Code.DATABASE_ERROR, "the database is away; readings are kept and will be there later")
    except Exception:  # noqa: BLE001  # the asker is owed a reply, and the log has the rest
        _log.exception("a question could not be answered", query=name)
        return _problem(Code.SERVICE_ERROR, "the question could not be answered; the log of ingest says why")


def _problem(code: str, detail: str, where: str = "") -> Reply[Any]:
    return Reply(problem=Problem(code=code, detail=detail, where=where))


def _heard(task: "asyncio.Future[Any]") -> None:
    """Take note of an outcome that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
