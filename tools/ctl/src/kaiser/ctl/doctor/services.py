"""Services: whether they are ready, and whether they wait for connections to the database."""

from collections.abc import Iterator, Mapping

from kaiser.ctl.findings import Finding, ok, wrong
from kaiser.ctl.services import Report, metrics, reports

Samples = Mapping[str, list[tuple[dict[str, str], float]]]


def service_findings(health: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that services say of themselves."""
    yield readiness(reports(health))
    yield pools({name: found for name, url in health.items() if (found := metrics(url)) is not None})


def readiness(found: Mapping[str, Report]) -> Finding:
    """Whether services are ready, and why not."""
    check = "services"
    faults = []
    for name, report in found.items():
        if not report.ready:
            parts = [
                f"{part}: {each.words or each.state}" for part, each in report.checks.items() if each.state != "ok"
            ]
            faults.append(f"{name} is not ready ({report.words or '; '.join(parts)})")
    if faults:
        return wrong(check, "; ".join(faults), "see its log ('make logs SERVICE=…'), and its entry in docs/runbook.md")
    return ok(check, f"{len(found)} services are ready")


def pools(found: Mapping[str, Samples]) -> Finding:
    """Whether anybody waits for a connection of a pool, or the broker drops messages."""
    check = "pools and queues"
    faults = []
    for name, samples in found.items():
        for _, value in samples.get(f"kaiser_{name}_database_waiting", ()):
            if value:
                faults.append(f"{value:.0f} callers of {name} wait for a connection to the database")
        for _, value in samples.get("kaiser_broker_dropped_messages", ()):
            if value:
                faults.append(f"the broker dropped {value:.0f} messages since its start")
    if faults:
        advice = (
            "see 'database connections' above; a broker drops when the bridge is away for longer than its queue lasts"
        )
        return wrong(check, "; ".join(faults), advice)
    return ok(check, "nobody waits for a connection, and the broker dropped nothing")
