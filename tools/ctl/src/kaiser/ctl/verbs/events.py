"""``kaiserctl events``, ``why`` and ``state``: the log as it is, why something happened, how something was."""

from argparse import Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    examples: tuple[str, ...] = (
        "events --stream DEVICES --from 2026-04-01T00:00:00Z --most 20",
        "events --aggregate device/ESP_9F03D4",
        "events --stream ACTUATORS --type actuator.command --json",
    )
    verb = leaf(verbs, "events", "browse the log, oldest first", _events, examples=examples)
    verb.add_argument("--stream", help="such as DEVICES; needed without --aggregate")
    verb.add_argument("--subject", help="NATS filter, such as 'device.*.ESP_9F03D4.>'")
    verb.add_argument("--aggregate", metavar="KIND/ID", help="of one thing, such as device/ESP_9F03D4")
    verb.add_argument("--type", dest="kind", help="what the type begins with")
    verb.add_argument("--from", dest="start", metavar="TIME", help="ISO 8601 with offset, or unix seconds")
    verb.add_argument("--to", dest="end", metavar="TIME", help="the same")
    verb.add_argument("--most", type=int, default=100, help="events at most, by default 100")
    examples = ("why ACTUATORS/1207",)
    verb = leaf(verbs, "why", "say why an event happened, down to who or what caused it", _why, examples=examples)
    verb.add_argument("event", metavar="STREAM/SEQ", help="which event")
    examples = ("state device ESP_9F03D4 --at 2026-04-01T12:00:00Z", "state user ada")
    verb = leaf(verbs, "state", "show something as it was at a time", _state, examples=examples)
    verb.add_argument("kind", metavar="KIND", help="device, user, session, key or dead-letter")
    verb.add_argument("id", metavar="ID", help="of which one")
    verb.add_argument("--at", metavar="TIME", help="ISO 8601 with offset, or unix seconds; now by default")


def _events(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.events import events

    return events(site, arguments)


def _why(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.events import why

    return why(site, arguments)


def _state(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.events import state

    return state(site, arguments)
