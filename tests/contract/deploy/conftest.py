"""A site that was written, and the manifests as kubectl renders them."""

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from kaiser.local.site.parts import Options
from kaiser.local.site.writing import write_site

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
OVERLAYS: Final = ("dev", "production")


@pytest.fixture(scope="session")
def written_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of all parts."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder / "site", folder / "secrets", Options(), now=dt.datetime.now(dt.UTC))
    return folder / "site"


@pytest.fixture(scope="session")
def site(written_site: Path) -> dict[str, dict[str, str]]:
    """Files of all parts, by part and name."""
    return {part.name: {file.name: file.read_text() for file in part.iterdir()} for part in written_site.iterdir()}


@pytest.fixture(scope="session", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> "Manifests":
    """The objects of an overlay."""
    kubectl = Path(sys.executable).parent / "kubectl"
    rendered = subprocess.run(
        [kubectl, "kustomize", DEPLOY / "kubernetes" / "overlays" / request.param],
        capture_output=True,
        text=True,
        check=True,
    )
    return Manifests(request.param, [found for found in yaml.safe_load_all(rendered.stdout) if found])


class Manifests:
    """Rendered objects.

    Attributes:
        overlay: Name of the overlay.
        objects: All of them.
    """

    def __init__(self, overlay: str, objects: list[dict[str, Any]]) -> None:
        self.overlay = overlay
        self.objects = objects

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Objects of some kinds."""
        return [found for found in self.objects if found["kind"] in kinds]

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The one object of a kind and a name."""
        (found,) = [found for found in self.of(kind) if found["metadata"]["name"] == name]
        return found

    def workloads(self) -> dict[str, dict[str, Any]]:
        """Whatever makes pods, by name."""
        return {found["metadata"]["name"]: found for found in self.of("Deployment", "StatefulSet", "Job", "CronJob")}

    def pods(self) -> dict[str, dict[str, Any]]:
        """Pod templates by the name of their workload."""
        return {
            name: (found["spec"]["jobTemplate"]["spec"] if found["kind"] == "CronJob" else found["spec"])["template"]
            for name, found in self.workloads().items()
        }

    def containers(self) -> dict[str, dict[str, Any]]:
        """All containers by workload and name."""
        return {
            f"{name}/{container['name']}": container
            for name, pod in self.pods().items()
            for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
        }

    def environment(self, name: str) -> dict[str, str]:
        """Variables of a workload's only container, with those of config maps."""
        (container,) = self.pods()[name]["spec"]["containers"]
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.named("ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {one["name"]: one.get("value", name) for one in container.get("env", ())}
