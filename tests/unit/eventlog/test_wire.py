import asyncio
import contextlib
import inspect

import pytest
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.aio.transport import Transport

from kaiser.eventlog.wire import Wire, cancellable, hpub, pub


def test_nats_py_still_has_the_private_names_that_the_wire_uses():
    client = Client()
    own = ("_pending", "_pending_data_size", "_transport", "_process_op_err", "_process_err", "_send_publish", "_sinks")
    for name in own:
        assert hasattr(Wire() if name == "_sinks" else client, name), name
    parameters = list(inspect.signature(Client._process_msg).parameters)
    assert parameters == ["self", "sid", "subject", "reply", "data", "headers"]
    assert "_id" in inspect.getsource(Subscription.__init__)
    assert {"write", "drain"} <= set(dir(Transport))


def test_commands_are_those_of_the_protocol():
    assert pub("a.b", "", b"") == b"PUB a.b  0\r\n\r\n"
    assert pub("a.b", "in.1", b"xyz") == b"PUB a.b in.1 3\r\nxyz\r\n"
    assert b"".join(hpub("a.b", "in.1", b"NATS/1.0\r\nk: v\r\n\r\n", b"xyz")) == (
        b"HPUB a.b in.1 18 21\r\nNATS/1.0\r\nk: v\r\n\r\nxyz\r\n"
    )


def test_what_is_written_without_a_connection_waits_for_the_next_one():
    wire = Wire()
    wire.write((b"one", b"two"))
    assert wire._pending == [b"one", b"two"]
    assert wire._pending_data_size == 6


async def test_a_cancellation_is_not_lost_where_the_answer_comes_at_the_same_moment():
    answer = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(cancellable(asyncio.wait_for(answer, 10)))
    await asyncio.sleep(0)
    answer.set_result("here")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_what_waits_for_a_task_that_asks_is_cancelled_with_it_all_the_same():
    answer = asyncio.get_running_loop().create_future()

    async def opens():
        await asyncio.create_task(cancellable(asyncio.wait_for(answer, 10)))
        await asyncio.Event().wait()  # what is never reached

    opening = asyncio.create_task(opens())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answer.set_result("here")
    opening.cancel()
    _, pending = await asyncio.wait((opening,), timeout=5)
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await opening
    assert not pending


async def test_an_answer_is_given_where_nobody_cancels():
    answer = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(cancellable(asyncio.wait_for(answer, 10)))
    await asyncio.sleep(0)
    answer.set_result("here")
    assert await asking == "here"
