import asyncio
import base64
import contextlib
import hashlib
import hmac
import json

import pytest
from tests.unit.logic.builders import SOIL, Site, below, readings, rule

from kaiser.contracts.codes import Code
from kaiser.contracts.rules import Notify
from kaiser.eventlog import BatchConsumer, ensure_consumer
from kaiser.logic.delivering.mail import Mail, SmtpSettings
from kaiser.logic.delivering.webhook import Webhooks, hooks_of
from kaiser.logic.notifying import MAX_TRIES, NOTIFICATIONS, Notifying, NotifySettings

from .conftest import until
from .servers import mail_server, web_server

SECRET = "whsec_" + base64.b64encode(b"only-for-tests-only-for-tests").decode()


@pytest.fixture
async def web():
    async with web_server() as hooked:
        yield hooked


@pytest.fixture
def says(tell):
    """A rule says things to targets, again each time."""
    site = Site()
    numbers = iter(range(1, 1000))

    async def says(*actions):
        rule_id = f"rule-{next(numbers)}"
        site.define(rule(below(30.0, fresh_s=3600), actions), rule_id)
        site.happens(readings((SOIL, 20.0), at=site.now), "TELEMETRY")
        site.now += 1_000_000
        return await tell(site)

    return says


@pytest.fixture
async def notifying(log, web, tmp_path):
    """Tells the servers of this test; gives what takes the log, the mail server, and settings of both."""
    async with mail_server(tmp_path) as (mail, port, certificate), contextlib.AsyncExitStack() as stack:

        async def start(**settings):
            hooks = {"office": {"url": f"{web.url}/hook", "secret": SECRET}}
            hooks["gone"] = {"url": "http://127.0.0.1:9/hook", "secret": SECRET}
            smtp = SmtpSettings(
                host="127.0.0.1", port=port, user="kaiser", password="only-for-tests", ca_file=certificate
            )
            webhooks = await stack.enter_async_context(Webhooks(hooks_of(json.dumps(hooks))))
            channels = {"webhook": webhooks, "email": Mail(smtp)}
            found = Notifying(channels, NotifySettings(**settings))
            await ensure_consumer(log, NOTIFICATIONS)
            consumer = BatchConsumer(log, NOTIFICATIONS, found.handle, service="logic", max_tries=MAX_TRIES)
            task = asyncio.create_task(consumer.run())
            stack.push_async_callback(_ended, task)
            return found, mail, consumer

        yield start


async def _ended(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def to(channel, target, message="The soil is dry: {value}"):
    return Notify(channel=channel, target=target, message=message)


async def test_a_webhook_gets_what_a_rule_says_signed(notifying, says, web):
    await notifying()
    await says(to("webhook", "office"))

    async def posted():
        return web.posts

    await until(posted)
    path, headers, body = web.posts[0]
    told = json.loads(body)
    assert (path, told["message"], told["id"]) == ("/hook", "The soil is dry: 20", headers["webhook-id"])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(b"only-for-tests-only-for-tests", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


async def test_one_that_fails_is_tried_again_under_the_same_id_and_others_pass_it(notifying, says, web):
    found, mail, _ = await notifying()
    web.statuses = [503, 429, 500]
    await says(to("webhook", "office", "first"))
    await says(to("email", "ann@example.org", "second"))

    async def delivered():
        return found.delivered == {"webhook": 1, "email": 1}

    await until(delivered)
    assert len(web.posts) == 4
    assert len({headers["webhook-id"] for _, headers, _ in web.posts}) == 1
    assert len(mail.mails) == 1


async def test_what_never_can_be_delivered_is_a_dead_letter(notifying, says, web, log):
    found, mail, consumer = await notifying()
    mail.unknown.add("nobody@example.org")
    web.statuses = [404]
    await says(to("webhook", "office"), to("webhook", "unheard-of"), to("email", "nobody@example.org"))
    await says(to("email", "ann@example.org"))

    async def settled():
        return consumer.stats.dead_lettered == 3 and mail.mails

    await until(settled)
    assert found.failed == {"webhook": 2, "email": 1}
    assert found.delivered == {"webhook": 0, "email": 1}
    letters = [(await log.js.get_msg("DEADLETTER", seq)).data for seq in (1, 2, 3)]
    assert all(Code.NOTIFICATION_FAILED.encode() in letter for letter in letters)


async def test_one_that_nobody_takes_is_given_up_in_time(notifying, says):
    found, _, consumer = await notifying(give_up_s=1)
    await says(to("webhook", "gone"))

    async def given_up():
        return consumer.stats.dead_lettered == 1

    await until(given_up)
    assert found.failed["webhook"] == 1


async def test_a_mail_goes_by_starttls_as_who_may_send_it(notifying, says):
    _, mail, _ = await notifying()
    mail.busy = 1
    await says(to("email", "ann@example.org", "Zu trocken: {value} %"))

    async def taken():
        return mail.mails

    await until(taken)
    (message,) = mail.mails
    assert (message["To"], message["Subject"]) == ("ann@example.org", "Kaiser: rule-1")
    assert message.get_content().startswith("Zu trocken: 20 %")
    assert message["Message-ID"] == "<rule-1.1.1.1@localhost>"


async def test_a_mail_server_without_a_certificate_to_trust_gets_no_password(tmp_path):
    from tests.unit.logic.builders import NOON

    from kaiser.contracts.events.logic import NotificationAsked
    from kaiser.logic.delivering import Undelivered

    asked = NotificationAsked(
        n=1, at=NOON, rule_id="r", version=1, run_id="r.1.1", step=1, path="actions[0]",
        channel="email", target="ann@example.org", message="x",
    )  # fmt: skip
    async with mail_server(tmp_path) as (mail, port, _):
        settings = SmtpSettings(host="127.0.0.1", port=port, user="kaiser", password="only-for-tests")
        with pytest.raises(Undelivered) as problem:
            await Mail(settings).deliver(asked, NOON)
        assert not problem.value.for_good
        assert mail.mails == []
