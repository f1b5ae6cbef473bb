"""The ledger of a site; :mod:`kaiser.local.ledger` has the arithmetic."""

import time
from argparse import Namespace

import httpx
import msgspec

from kaiser.ctl import reaching
from kaiser.ctl.errors import UnreachableError, UsageError
from kaiser.ctl.printing import show
from kaiser.ctl.site import Site
from kaiser.local.ledger import BrokerHop, Hops, in_words, take_broker_hop, take_hops


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger in figures."""

    balanced: bool
    handed_over: dict[str, int]
    acknowledged: int
    dropped: int
    in_the_log: int
    finished: int
    stored: int
    never_finished: int
    not_stored: int
    not_in_the_log: int
    dead_letters: dict[str, int]


def ledger(site: Site, arguments: Namespace) -> int:
    """Print the ledger; 1 if it does not balance."""
    broker, hops = reaching.run(_take(site, arguments.minutes))
    show(
        arguments,
        _balance(broker, hops),
        lambda _: f"kaiser: the last {arguments.minutes} minutes\n{in_words(broker, hops)}",
    )
    return int(not hops.balanced)


async def _take(site: Site, minutes: int) -> tuple[BrokerHop, Hops]:
    if "bridge" not in site.health:
        raise UsageError("this needs the bridge's health port: say where it is with --health bridge=URL.")
    now, url = time.time_ns() // 1000, site.health["bridge"]
    dsn = reaching.database_of(site).conninfo()
    async with reaching.event_log(site) as log:
        hops = await take_hops(log, dsn, since_us=now - minutes * 60_000_000, until_us=now)
    try:
        return await take_broker_hop(url), hops
    except httpx.TransportError as error:
        raise UnreachableError(f"the bridge does not answer at {url}: {error!r}") from error


def _balance(broker: BrokerHop, hops: Hops) -> Balance:
    return Balance(
        balanced=hops.balanced,
        handed_over=broker.handed_over,
        acknowledged=broker.acknowledged,
        dropped=broker.dropped,
        in_the_log=len(hops.raw),
        finished=len(hops.finished),
        stored=len(hops.rows),
        never_finished=len(hops.unfinished),
        not_stored=len(hops.unstored),
        not_in_the_log=len(hops.unexplained),
        dead_letters=hops.dead_letters,
    )
