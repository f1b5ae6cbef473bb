"""The way out for traces: to a collector and nowhere else, for all services, and only where it is asked for."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import yaml

from kaiser.local.programs import SERVICES
from kaiser.service.settings import CommonSettings, variables

from .conftest import DEPLOY

NAMES: Final = {"KAISER_TRACE_ENDPOINT", "KAISER_TRACE_RATIO"}


def test_both_names_are_settings_of_every_service() -> None:
    assert {name for name, _ in variables(CommonSettings)} >= NAMES


def test_compose_traces_every_service_and_gives_none_a_way_out() -> None:
    usual = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    more = yaml.safe_load((DEPLOY / "compose" / "traces.yaml").read_text())
    assert set(more["services"]) == {*SERVICES, "jaeger"}
    for service in SERVICES:
        assert set(more["services"][service]["environment"]) == NAMES
        assert not NAMES & set(usual["services"][service]["environment"])
        assert all(more["networks"][name]["internal"] for name in more["services"][service]["networks"])
    assert set(more["networks"]).isdisjoint(usual["networks"])
    assert all(port.startswith("127.0.0.1:") for port in more["services"]["jaeger"]["ports"])


def test_kubernetes_opens_the_collectors_port_for_services_alone(tmp_path: Path) -> None:
    folder = DEPLOY / "kubernetes"
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": [os.path.relpath(folder / "overlays" / "dev", tmp_path)],
                "components": [os.path.relpath(folder / "components" / "traces", tmp_path)],
            }
        )
    )
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [each for each in yaml.safe_load_all(done.stdout) if each]
    (policy,) = [each for each in found if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "traces"]
    assert set(policy["spec"]["podSelector"]["matchExpressions"][0]["values"]) == set(SERVICES)
    assert [port["port"] for port in policy["spec"]["egress"][0]["ports"]] == [4318]
    settings = [each["data"] for each in found if each["kind"] == "ConfigMap" and set(each["data"]) >= NAMES]
    assert len(settings) == 1
    assert settings[0]["KAISER_TRACE_ENDPOINT"].endswith(":4318")
