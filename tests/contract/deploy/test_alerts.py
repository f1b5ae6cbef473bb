"""Alerts are about metrics that there are, and each has an entry in the runbook."""

import re
from typing import Any, Final

import yaml

from .conftest import DEPLOY

DOCS: Final = DEPLOY.parent / "docs"
RULES: Final[list[dict[str, Any]]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "kubernetes/components/monitoring/alerts.yaml").read_text())["spec"]["groups"]
    for rule in group["rules"]
]
SERVICES: Final = ("actuator", "ingest", "logic", "safety")


def documented() -> set[str]:
    """Names of the page, with what Prometheus makes of a histogram."""
    page = (DOCS / "metrics.md").read_text()
    rows = re.findall(r"^\| `(kaiser_\w+)` \| (\w+)", page, re.MULTILINE)
    names: set[str] = {"up"}
    for name, kind in rows:
        for service in SERVICES:
            full = name.replace("SERVICE", service)
            names |= {f"{full}_{end}" for end in ("bucket", "sum", "count")} if kind == "histogram" else {full}
    return names


def test_every_alert_is_about_metrics_that_there_are() -> None:
    names = documented()
    for rule in RULES:
        patterns = re.findall(r'__name__=~"([^"]+)"', rule["expr"])
        used = re.findall(r"\b(?:kaiser_\w+|up)\b", re.sub(r'"[^"]*"', "", rule["expr"]))
        assert used or patterns, rule["alert"]
        assert set(used) <= names, rule["alert"]
        for pattern in patterns:
            assert len([name for name in names if re.fullmatch(pattern, name)]) == len(SERVICES), rule["alert"]


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    headings = re.findall(r"^### (\w+)$", (DOCS / "runbook.md").read_text(), re.MULTILINE)
    assert headings == [*dict.fromkeys(headings)]
    assert set(headings) == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
