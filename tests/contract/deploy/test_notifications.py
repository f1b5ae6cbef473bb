"""The way out for what rules have to say: opened for logic alone, and only where it is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from kaiser.logic.settings import LogicSettings
from kaiser.service.settings import variables

from .conftest import DEPLOY

KNOWN = {name for name, _ in variables(LogicSettings)}


def known(name: str) -> bool:
    return name in KNOWN or name.removesuffix("_FILE") in KNOWN


def test_compose_gives_logic_a_way_out_and_settings_that_it_has() -> None:
    usual = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    more = yaml.safe_load((DEPLOY / "compose" / "notifications.yaml").read_text())
    assert set(more["services"]) == {"logic"}
    assert [name for name in more["services"]["logic"]["environment"] if not known(name)] == []
    assert set(more["services"]["logic"]["networks"]).isdisjoint(usual["networks"])
    assert not any((network or {}).get("internal") for network in more["networks"].values())
    assert set(more["services"]["logic"]["secrets"]) == set(more["secrets"])


def test_kubernetes_opens_three_ports_for_logic_and_nobody_else(tmp_path: Path) -> None:
    folder = DEPLOY / "kubernetes"
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": [os.path.relpath(folder / "overlays" / "dev", tmp_path)],
                "components": [os.path.relpath(folder / "components" / "notifications", tmp_path)],
            }
        )
    )
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [each for each in yaml.safe_load_all(done.stdout) if each]
    (policy,) = [
        each for each in found if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "notifications"
    ]
    assert policy["spec"]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "logic"}}
    assert [port["port"] for port in policy["spec"]["egress"][0]["ports"]] == [443, 465, 587]
    (logic,) = [each for each in found if each["kind"] == "Deployment" and each["metadata"]["name"] == "logic"]
    (container,) = logic["spec"]["template"]["spec"]["containers"]
    assert {"KAISER_NOTIFY_WEBHOOKS_FILE", "KAISER_PG_DSN"} <= {each["name"] for each in container["env"]}
    assert [each["name"] for each in container["env"] if not known(each["name"])] == []
    assert {each["name"] for each in container["volumeMounts"]} >= {"notifications", "site"}
