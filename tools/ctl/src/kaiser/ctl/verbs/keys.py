"""``kaiserctl keys``: keys of machines for the API, and of devices for the broker."""

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from kaiser.ctl.parsing import Run, Verbs, group, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site

SCOPES: Final = ("read", "control", "stop", "configure", "rules", "audit")


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    under = group(verbs, "keys", "keys of machines for the API, and of devices for the broker")
    leaf(under, "list", "keys of machines that were not revoked, and devices with keys", _verb("listed"))
    words = "make a key, which is printed this once: for a machine, or with --device for a device"
    examples = (
        'keys issue "nightly export" --scope read',
        'keys issue "tent controller" --scope read --scope control --zone north_tent --expires 2027-01-01T00:00:00Z',
        "keys issue --device ESP_9F03D4",
    )
    verb = leaf(under, "issue", words, _verb("issue"), examples=examples)
    verb.add_argument("name", nargs="?", help="what the key of a machine is for")
    verb.add_argument("--device", metavar="DEVICE", help="a device that is to have another key; the old one is void")
    verb.add_argument("--scope", action="append", dest="scopes", choices=SCOPES, help="what it is good for")
    verb.add_argument("--zone", action="append", dest="zones", help="a zone to confine it to; more than once")
    verb.add_argument("--expires", metavar="TIME", help="when it is void, ISO 8601 with offset; never by default")
    words = "make a key void, on every gateway; a device's with --device, which retires the device"
    verb = leaf(under, "revoke", words, _verb("revoke"), examples=("keys revoke 4f0c12ab9e01",))
    verb.add_argument("key_id", nargs="?", metavar="KEY", help="id of a machine's key")
    verb.add_argument("--device", metavar="DEVICE", help="a device that is not to log in any more")
    verb.add_argument("--reason", default="", help="why the device is retired")


def _verb(name: str) -> Run:
    def run(site: "Site", arguments: Namespace) -> int:
        from kaiser.ctl import keys

        return keys.VERBS[name](site, arguments)

    return run
