"""The manifests say what the code says: settings, secrets, consumers and arrows; and no pod may more than it must."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from kaiser.contracts.streams import PERMISSIONS
from kaiser.ingest.consumers import CONVERTER, RECORDER
from kaiser.local import nats
from kaiser.local.backup.site import Settings, find_site
from kaiser.local.postgres import SCHEMAS
from kaiser.local.programs import SERVICES
from kaiser.local.site.kubernetes import SUPERUSER_SECRET, secrets
from kaiser.service.settings import variables

from .conftest import DEPLOY, Manifests
from .services import WITH_DATABASE, check, talks_to

OPERATORS: Final = {"ScaledObject", "PrometheusRule", "ServiceMonitor", "Cluster"}
"""Kinds that operators bring; their schemas are not Kubernetes'."""
MADE_ELSEWHERE: Final = {"kaiser-ingress", "kaiser-archive-store", "kaiser-backup-store"}
"""Secrets that are not the site's: the certificate under the public name, and keys of stores."""
TO_STORES: Final = ("archive", "backup")
"""Policies that let somebody reach a store wherever it is."""


def _newest(count: int) -> list[str]:
    known = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    versions = {tuple(map(int, re.findall(r"\d+", path.name)[:2])) for path in known.glob("v1.*-strict")}
    return [f"{major}.{minor}" for major, minor in sorted(versions)[-count:]]


@pytest.mark.parametrize("version", _newest(2))
def test_every_object_is_one_that_kubernetes_takes_to_the_letter(manifests: Manifests, version: str) -> None:
    for found in manifests.objects:
        if found["kind"] not in OPERATORS:
            kubernetes_validate.validate(found, version, strict=True)


def test_no_two_objects_are_one(manifests: Manifests) -> None:
    names = [(found["kind"], found["metadata"]["name"]) for found in manifests.objects]
    assert len(names) == len(set(names))
    assert {found["metadata"].get("namespace") for found in manifests.objects} == {"kaiser"}


def test_every_service_runs_and_nothing_else_but_the_broker_and_the_jobs(manifests: Manifests) -> None:
    jobs = {"database", *(f"migrate-{service}" for service in WITH_DATABASE)}
    assert set(manifests.workloads()) == {*SERVICES, "mosquitto", *jobs, *_backup(manifests)}
    assert set(PERMISSIONS) == set(SERVICES)


def test_every_container_has_requests_and_limits(manifests: Manifests) -> None:
    for name, container in manifests.containers().items():
        for kind in ("requests", "limits"):
            assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][kind]), name


def test_every_container_is_confined(manifests: Manifests) -> None:
    for name, container in manifests.containers().items():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
    for name, pod in manifests.pods().items():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"], name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name


def test_every_image_has_a_version(manifests: Manifests) -> None:
    for name, container in manifests.containers().items():
        _, _, tag = container["image"].partition(":")
        assert tag not in ("", "latest"), name


def test_every_pod_has_an_account_of_its_own_without_token_and_without_rights(manifests: Manifests) -> None:
    accounts = {found["metadata"]["name"]: found for found in manifests.of("ServiceAccount")}
    assert not [found for found in manifests.objects if "Role" in found["kind"]]
    for account in accounts.values():
        assert account["automountServiceAccountToken"] is False
    for name, pod in manifests.pods().items():
        expected = "migration" if name not in (*SERVICES, "mosquitto", "backup") else name
        assert pod["spec"]["serviceAccountName"] == expected
        assert expected in accounts
        assert pod["spec"]["automountServiceAccountToken"] is False, name


def test_every_port_has_a_name_and_is_meant_by_it(manifests: Manifests) -> None:
    named: dict[str, set[str]] = {}
    for name, pod in manifests.pods().items():
        ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", ())]
        assert all("name" in port for port in ports), name
        named[name] = {port["name"] for port in ports}
    for service in manifests.of("Service"):
        pods = named[service["spec"]["selector"]["app.kubernetes.io/name"]]
        for port in service["spec"]["ports"]:
            assert port["name"], service
            assert port["targetPort"] in pods, service


def test_every_service_says_when_it_has_started_lives_and_is_ready(manifests: Manifests) -> None:
    for service in SERVICES:
        (container,) = manifests.pods()[service]["spec"]["containers"]
        paths = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert paths["startupProbe"] == paths["livenessProbe"] == {"path": "/health/live", "port": "health"}
        assert paths["readinessProbe"] == {"path": "/health/ready", "port": "health"}


def test_every_variable_is_known_to_its_service_and_all_that_are_needed_are_there(
    manifests: Manifests, site: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    for service in SERVICES:
        (folder := tmp_path / service).mkdir()
        check(service, manifests.environment(service), site[service], folder)


def test_every_secret_is_one_that_a_site_has(manifests: Manifests, written_site: Path) -> None:
    known = {found["metadata"]["name"]: found["stringData"] for found in json.loads(secrets(written_site))["items"]}
    referenced = set(_references(manifests.objects))
    assert referenced - MADE_ELSEWHERE <= set(known)
    assert SUPERUSER_SECRET in referenced
    assert not manifests.of("Secret"), "secrets come by reference"
    for name, container in manifests.containers().items():
        secret = {"migrate": name.partition("/")[0].removeprefix("migrate-")}.get(name[:7], name.partition("/")[0])
        for path in re.findall(r"/site/([\w.-]+)", json.dumps(container)):
            assert path in known[f"kaiser-{secret}"], (name, path)


def _backup(manifests: Manifests) -> set[str]:
    """The job that makes backups, where the overlay has one."""
    return {"backup"} if manifests.overlay == "production" else set()


def _references(found: Any) -> list[str]:
    """Names of all secrets below an object."""
    if isinstance(found, list):
        return [name for one in found for name in _references(one)]
    if not isinstance(found, dict):
        return []
    names = []
    for key, value in found.items():
        if key == "secretKeyRef":
            names.append(value["name"])
        elif key in ("secretName", "serverTLSSecret", "serverCASecret"):
            names.append(value)
        elif key == "superuserSecret":
            names.append(value["name"])
        else:
            names += _references(value)
    return names


def test_the_secrets_of_a_site_are_objects_of_kubernetes(written_site: Path) -> None:
    for found in json.loads(secrets(written_site))["items"]:
        kubernetes_validate.validate(found, _newest(1)[0], strict=True)


def test_every_service_outlives_the_loss_of_a_node(manifests: Manifests) -> None:
    budgets = {found["metadata"]["name"]: found["spec"] for found in manifests.of("PodDisruptionBudget")}
    for name in (*SERVICES, "mosquitto"):
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["selector"]["matchLabels"] == {"app.kubernetes.io/name": name}
    for name in SERVICES:
        spread = manifests.pods()[name]["spec"]["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(one["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": name} for one in spread)
        if manifests.overlay == "production":
            assert manifests.workloads()[name]["spec"]["replicas"] >= 2, name


def test_a_rolling_update_brings_the_new_before_it_takes_the_old(manifests: Manifests) -> None:
    for found in manifests.of("Deployment"):
        assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_selectors_find_their_own_pods_only(manifests: Manifests) -> None:
    for found in manifests.of("Deployment", "StatefulSet"):
        wanted = found["spec"]["selector"]["matchLabels"]
        hit = [name for name, pod in manifests.pods().items() if wanted.items() <= pod["metadata"]["labels"].items()]
        assert hit == [found["metadata"]["name"]]


class Arrows:
    """Who may talk to whom by the network policies, of the pods of one namespace."""

    FOREIGN: Final = {
        "nats": {"app.kubernetes.io/name": "nats"},
        "postgres": {"cnpg.io/cluster": "timescale"},
    }

    def __init__(self, manifests: Manifests) -> None:
        self.labels = {name: pod["metadata"]["labels"] for name, pod in manifests.pods().items()} | self.FOREIGN
        self.policies = manifests.of("NetworkPolicy")

    def out(self, name: str) -> set[str]:
        """Pods that a pod may open a connection to, by its own policies."""
        rules = [rule for policy in self._of(name) for rule in policy["spec"].get("egress", ())]
        return self._pods(rule.get("to") for rule in rules)

    def into(self, name: str) -> set[str]:
        """Pods that may open a connection to a pod, by its own policies."""
        rules = [rule for policy in self._of(name) for rule in policy["spec"].get("ingress", ())]
        return self._pods(rule.get("from") for rule in rules)

    def _of(self, name: str) -> list[dict[str, Any]]:
        return [policy for policy in self.policies if self._selects(policy["spec"]["podSelector"], name)]

    def _pods(self, peers: Any) -> set[str]:
        return {
            name
            for found in peers
            for peer in found or ()
            if "podSelector" in peer and "namespaceSelector" not in peer
            for name in self.labels
            if self._selects(peer["podSelector"], name)
        }

    def _selects(self, selector: dict[str, Any], name: str) -> bool:
        labels = self.labels[name]
        return selector.get("matchLabels", {}).items() <= labels.items() and all(
            one["operator"] == "In" and labels.get(one["key"]) in one["values"]
            for one in selector.get("matchExpressions", ())
        )


def test_the_network_policies_are_the_arrows_of_the_design(manifests: Manifests) -> None:
    arrows = Arrows(manifests)
    jobs = {"database", *(f"migrate-{service}" for service in WITH_DATABASE)}
    for service in SERVICES:
        assert arrows.out(service) == talks_to(service), service
        assert arrows.into(service) == set(), "services talk through the log"
    for job in jobs:
        assert (arrows.out(job), arrows.into(job)) == ({"postgres"}, set())
    assert arrows.out("mosquitto") == set()
    assert arrows.out("nats") == {"nats"}
    backup = _backup(manifests)
    assert arrows.into("nats") == {"nats", *SERVICES, *backup} == {"nats", *PERMISSIONS, *backup}
    assert arrows.into("postgres") == {"postgres", *WITH_DATABASE, *jobs, *backup}
    for name in backup:
        assert (arrows.out(name), arrows.into(name)) == ({"nats", "postgres"}, set())
    assert arrows.into("mosquitto") == {service for service in SERVICES if "mosquitto" in talks_to(service)}
    assert {"bridge"} == arrows.into("mosquitto")
    assert set(WITH_DATABASE) <= set(SCHEMAS)


def test_what_no_policy_names_reaches_nobody(manifests: Manifests) -> None:
    everything = manifests.named("NetworkPolicy", "nothing-else")["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in manifests.of("NetworkPolicy"):
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            assert rule.get("ports"), f"{policy['metadata']['name']} leaves every port open"
            open_to_all = "from" not in rule and "to" not in rule
            assert not open_to_all or policy["metadata"]["name"] in ("mosquitto", "timescale", *TO_STORES), policy


def test_scaling_follows_consumers_that_exist(manifests: Manifests) -> None:
    (scaler,) = manifests.of("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] in manifests.workloads()
    for scaled in manifests.of("ScaledObject"):
        target = scaled["spec"]["scaleTargetRef"]["name"]
        assert manifests.named("Deployment", target)["spec"]["replicas"] == scaled["spec"]["minReplicaCount"]
        followed = {(one["metadata"]["stream"], one["metadata"]["consumer"]) for one in scaled["spec"]["triggers"]}
        assert followed == {(spec.stream, spec.durable) for spec in (CONVERTER, RECORDER)}


def test_prometheus_finds_every_service(manifests: Manifests) -> None:
    if manifests.overlay != "production":
        assert not manifests.of("ServiceMonitor")
        return
    (monitor,) = manifests.of("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert [endpoint["port"] for endpoint in monitor["spec"]["endpoints"]] == ["health"]
    found = {
        service["spec"]["selector"]["app.kubernetes.io/name"]
        for service in manifests.of("Service")
        if wanted.items() <= service["metadata"]["labels"].items()
        and "health" in [port["name"] for port in service["spec"]["ports"]]
    }
    assert found == set(SERVICES)


def test_streams_are_kept_as_often_as_there_are_servers(manifests: Manifests) -> None:
    values = yaml.safe_load((DEPLOY / "kubernetes" / "charts" / "nats-values.yaml").read_text())
    if manifests.overlay == "dev":
        values |= yaml.safe_load((DEPLOY / "kubernetes" / "charts" / "nats-values-dev.yaml").read_text())
    cluster = values["config"]["cluster"]
    servers = cluster["replicas"] if cluster["enabled"] else 1
    assert {manifests.environment(service)["KAISER_STREAM_REPLICAS"] for service in SERVICES} == {str(servers)}


def test_a_nats_server_takes_the_users_as_the_chart_includes_them(written_site: Path, tmp_path: Path) -> None:
    (configuration := tmp_path / "nats-config").mkdir()
    (tmp_path / "nats-users").symlink_to(written_site / "nats")
    values = yaml.safe_load((DEPLOY / "kubernetes" / "charts" / "nats-values.yaml").read_text())
    include = values["config"]["merge"]["$include"]
    (configuration / "nats.conf").write_text(f'{{\n"port": 4222,\ninclude {include};\n"jetstream": {{}}\n}}\n')
    (program, *_) = nats.command(tmp_path)
    done = subprocess.run(
        [program, "-t", "-c", configuration / "nats.conf"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_backup_waits_for_a_bucket_and_knows_its_variables(
    manifests: Manifests, site: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    if not _backup(manifests):
        return
    job = manifests.named("CronJob", "backup")["spec"]
    assert job["suspend"]
    assert job["concurrencyPolicy"] == "Forbid"
    for name, text in site["backup"].items():
        (tmp_path / name).write_text(text)
    given = {name: value.replace("/site/", f"{tmp_path}/") for name, value in manifests.environment("backup").items()}
    assert not [name for name in given if name.startswith("KAISER_BACKUP") and not _known(name)]
    found = find_site(given)
    assert found.nats.password == site["backup"]["nats-password"]
    assert found.store(None).where == "s3://kaiser/backups"


def _known(name: str) -> bool:
    return name in {known for known, _ in variables(Settings)}
