"""Alerts and dashboards are about metrics that there are, and each alert has an entry in the runbook."""

import importlib.util
import json
import re
from typing import Any, Final

import yaml

from .conftest import DEPLOY

DOCS: Final = DEPLOY.parent / "docs"
MONITORING: Final = DEPLOY / "kubernetes" / "components" / "monitoring"
RULES: Final[list[dict[str, Any]]] = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]["groups"]
    for rule in group["rules"]
]
SERVICES: Final = ("actuator", "ingest", "logic", "safety")


def documented() -> set[str]:
    """Names of the page, with what Prometheus makes of a histogram."""
    page = (DOCS / "metrics.md").read_text()
    rows = re.findall(r"^\| `(kaiser_\w+)` \| (\w+)", page, re.MULTILINE)
    names: set[str] = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}  # not of our own
    for name, kind in rows:
        for service in SERVICES:
            full = name.replace("SERVICE", service)
            names |= {f"{full}_{end}" for end in ("bucket", "sum", "count")} if kind == "histogram" else {full}
    return names


def unknown(expression: str) -> list[str]:
    """What an expression asks for that no service shows."""
    names = documented()
    patterns = re.findall(r'__name__=~"([^"]+)"', expression)
    used = re.findall(r"\b(?:kaiser_\w+|process_\w+|up)\b", re.sub(r'"[^"]*"', "", expression))
    assert used or patterns, expression
    unmatched = [each for each in patterns if sum(re.fullmatch(each, name) is not None for name in names) != 4]
    return unmatched + [name for name in used if name not in names]


def test_every_alert_is_about_metrics_that_there_are() -> None:
    for rule in RULES:
        assert not unknown(rule["expr"]), rule["alert"]


def test_the_dashboard_is_as_its_code_has_it_and_about_metrics_that_there_are() -> None:
    spec = importlib.util.spec_from_file_location("dashboards", MONITORING / "dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    written = (MONITORING / "dashboards" / "kaiser.json").read_text()
    assert written == code.text(), "run deploy/kubernetes/components/monitoring/dashboards.py"
    for panel in json.loads(written)["panels"]:
        for target in panel.get("targets", ()):
            assert not unknown(target["expr"]), panel["title"]


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    headings = re.findall(r"^### (\w+)$", (DOCS / "runbook.md").read_text(), re.MULTILINE)
    assert headings == [*dict.fromkeys(headings)]
    assert set(headings) == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
