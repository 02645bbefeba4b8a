"""The files of deploy/ say what the code does: settings, ports, paths, routes, commands, time limits, metric names."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import uvicorn
import yaml
from typer.core import TyperGroup
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api.middleware.network import BODY_LIMITS, FORM_BYTES
from app.cli.config_sources import list_settings
from app.cli.doctor.network import PROXIES_VARIABLE
from app.cli.main import app as cli
from app.cli.serve import make_uvicorn_options
from app.cli.uvicorn_server import compute_end_limit_s
from app.core.config import ALIASES, LimitSettings, Settings
from app.core.extras import read_extras
from app.core.metrics import Observer
from app.core.security import LOOPBACK_NAMES, RAY_AUTH_VARIABLE, tell_open_ray
from app.main import create_app
from app.providers.tier.ray_node import STORE_BYTES
from app.storage.data_folder import ATTACHMENTS_FOLDER
from app.weights.catalog import find_known

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("prompter.service", "prompter-worker.service", "prompter-head.service")
FILES = ("Containerfile", "compose.yaml", "kubernetes.yaml", *UNITS, "nginx.conf", "grafana.json")
STOP_S = compute_end_limit_s(LimitSettings().stop_s)
OF_DATABASE = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
"""Read by the image of PostgreSQL."""
OF_RAY = {
    RAY_AUTH_VARIABLE,
    "RAY_AUTH_TOKEN",
    "RAY_USAGE_STATS_REPORT_URL",
    "RAY_gcs_storage",
    "RAY_gcs_storage_path",
}
PORT = 8000
RAY_PORT = 6399
IN_CLUSTER = ("head", "worker", "gateway1", "gateway2")
"""The services of the compose file with a part of Ray in them."""


@cache
def text_of(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


@cache
def read_yaml(name: str) -> list[Any]:
    return list(yaml.safe_load_all(text_of(name)))


@cache
def known_names() -> frozenset[str]:
    """Every name of the environment that the server or its libraries read."""
    rows = list_settings(Settings(_env_file=None), {}, {})
    return frozenset({*(row.name for row in rows), *ALIASES, PROXIES_VARIABLE})


def test_every_file_is_checked_here() -> None:
    assert {path.name for path in DEPLOY.iterdir() if not path.name.startswith(".")} - {"tls"} == set(FILES)


# -- settings and commands


@pytest.mark.parametrize("name", FILES)
def test_settings_that_a_file_names_exist(name: str) -> None:
    named = set(re.findall(r"\bPROMPTER_[A-Z0-9_]+", text_of(name)))
    assert named <= known_names(), f"deploy/{name} names {named - known_names()}"


def test_settings_of_the_containers_exist() -> None:
    """JWT_SECRET_KEY too, which has another prefix."""
    services = read_yaml("compose.yaml")[0]["services"]
    named = {key for service in services.values() for key in service.get("environment", {})}
    assert named | set(read_cluster_settings()) <= known_names() | OF_DATABASE | OF_RAY


def test_values_of_the_image_and_of_the_cluster_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**read_image_settings(), **read_cluster_settings()}.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert (settings.host, settings.port) == ("0.0.0.0", PORT)
    assert settings.accounts.mode == "accounts", "whoever reaches the container is another machine"
    assert settings.allowed_hosts == ["prompter.example"]
    assert {settings.data_dir, settings.models_dir} == {Path("/data"), Path("/models")}


def read_cluster_settings() -> dict[str, str]:
    return {name: value for each in list_objects("ConfigMap") for name, value in each["data"].items()}


def read_image_settings() -> dict[str, str]:
    return dict(
        re.findall(r"\b(PROMPTER_[A-Z_]+)=([^\s\\]+)", text_of("Containerfile").rpartition("ENV ")[2])
    )


def list_commands() -> set[str]:
    root = typer.main.get_command(cli)
    assert isinstance(root, TyperGroup)
    found = set()
    for name, command in root.commands.items():
        below = command.commands if isinstance(command, TyperGroup) else {}
        found |= {f"{name} {each}" for each in below} or {name}
    return found


@pytest.mark.parametrize("name", FILES)
def test_commands_that_a_file_shows_exist(name: str) -> None:
    text = text_of(name).replace('"prompter", "serve"', "prompter serve")
    shown = re.findall(r"(?<![\w./-])(?:/opt/prompter/bin/)?prompter ([a-z]+(?: [a-z]+)?)\b", text)
    lists = re.findall(r"\[prompter, ([a-z, ]+)\]", text)
    known = list_commands()
    for words in (*shown, *(each.replace(",", "") for each in lists)):
        if words.split()[0] in {each.split()[0] for each in known}:
            assert words in known or words.split()[0] in known, f"deploy/{name} shows `prompter {words}`"


def test_trusted_proxies_are_those_that_uvicorn_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prompter serve` leaves them to uvicorn, which takes networks as well as addresses."""
    network = read_yaml("compose.yaml")[0]["x-team-settings"][PROXIES_VARIABLE]
    monkeypatch.setenv(PROXIES_VARIABLE, network)
    options = make_uvicorn_options(Settings(_env_file=None))
    config = uvicorn.Config(create_app(Settings(_env_file=None)), **options)
    assert (config.proxy_headers, config.forwarded_allow_ips) == (True, network)
    config.load()
    assert isinstance(config.loaded_app, ProxyHeadersMiddleware)
    trusted = config.loaded_app.trusted_hosts
    assert "10.89.77.12" in trusted
    assert "10.89.78.12" not in trusted
    (subnet,) = read_yaml("compose.yaml")[0]["networks"]["inside"]["ipam"]["config"]
    assert subnet["subnet"] == network


# -- ports, routes, users and time limits


def list_objects(kind: str) -> list[Any]:
    return [each for each in read_yaml("kubernetes.yaml") if each["kind"] == kind]


def read_object(kind: str, name: str) -> Any:
    return next(each for each in list_objects(kind) if each["metadata"]["name"] == name)


def read_pod(name: str = "prompter") -> Any:
    return read_object("Deployment", name)["spec"]["template"]["spec"]


def read_container(name: str = "prompter") -> Any:
    (container,) = read_pod(name)["containers"]
    return container


def list_pods() -> list[Any]:
    return [read_pod(each["metadata"]["name"]) for each in list_objects("Deployment")]


def list_containers(pod: Any) -> list[Any]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def test_one_port_everywhere() -> None:
    assert Settings(_env_file=None).port == PORT
    assert f"EXPOSE {PORT}\n" in text_of("Containerfile")
    assert read_image_settings()["PROMPTER_PORT"] == str(PORT)
    assert read_yaml("compose.yaml")[0]["services"]["server"]["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    (port,) = read_container()["ports"]
    assert port["containerPort"] == PORT
    service = read_object("Service", "prompter")
    assert [each["targetPort"] for each in service["spec"]["ports"]] == [port["name"]]
    assert re.findall(r"server 127\.0\.0\.1:(\d+)", text_of("nginx.conf")) == [str(PORT)]


def test_routes_that_are_asked_exist() -> None:
    routes = set(create_app(Settings(_env_file=None)).openapi()["paths"])
    container = read_container()
    asked = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    asked |= set(re.findall(r"'GET', '([^']+)'", text_of("Containerfile")))
    asked |= set(re.findall(r"location = (\S+)", text_of("nginx.conf")))
    asked |= set(re.findall(r"Prometheus asks (\S+)", text_of("kubernetes.yaml")))
    assert asked == {"/health", "/health/ready", "/metrics"}
    assert asked <= routes


def test_probes_ask_by_a_name_that_the_server_answers_to() -> None:
    container = read_container()
    for probe in ("startup", "liveness", "readiness"):
        (header,) = container[f"{probe}Probe"]["httpGet"]["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in LOOPBACK_NAMES


def test_there_is_time_for_the_last_finals() -> None:
    pod, container = read_pod(), read_container()
    pause, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pause == "sleep"
    assert pod["terminationGracePeriodSeconds"] >= STOP_S + int(seconds)
    for name in ("server", "gateway", *IN_CLUSTER):
        grace = read_yaml("compose.yaml")[0]["services"][name]["stop_grace_period"]
        assert int(grace.removesuffix("s")) >= STOP_S
    for name in UNITS:
        assert int(read_unit(name)["TimeoutStopSec"][0]) >= STOP_S


def test_no_container_has_rights_that_it_does_not_need() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", text_of("Containerfile"), re.M)
    for pod in list_pods():
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == int(user) != 0
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in list_containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    for name in ("server", "gateway", "migrate", *IN_CLUSTER):
        service = read_yaml("compose.yaml")[0]["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_what_is_written_is_on_a_volume() -> None:
    """The root file system is read-only: data, models and temporary files are not on it."""
    settings = read_image_settings()
    written = {settings["PROMPTER_DATA_DIR"], settings["PROMPTER_MODELS_DIR"]}
    for name in ("server", "gateway"):
        service = read_yaml("compose.yaml")[0]["services"][name]
        assert {each.partition(":")[2] for each in service["volumes"]} == written
        assert service["tmpfs"] == ["/tmp"]
    claims = {each["metadata"]["name"] for each in list_objects("PersistentVolumeClaim")}
    for pod in list_pods():
        names = {each["name"] for each in pod["volumes"]}
        for container in list_containers(pod):
            mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
            assert set(mounts) == names
            assert {settings["PROMPTER_DATA_DIR"], "/tmp"} <= set(mounts.values())
        for volume in pod["volumes"]:
            if claim := volume.get("persistentVolumeClaim"):
                assert claim["claimName"] in claims


def test_what_is_attached_is_shared_and_the_rest_of_the_data_is_not() -> None:
    services = read_yaml("compose.yaml")[0]["services"]
    shared = f"attachments:/data/{ATTACHMENTS_FOLDER}"
    volumes = [services[name]["volumes"] for name in ("gateway1", "gateway2")]
    assert all(shared in each for each in volumes)
    assert len({name for each in volumes for name in each if name.endswith(":/data")}) == 2
    assert f"/data/{ATTACHMENTS_FOLDER}" in {each["mountPath"] for each in read_container()["volumeMounts"]}
    (claim,) = list_objects("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert f"-o 10001 -g 10001 /data /data/{ATTACHMENTS_FOLDER}" in text_of("Containerfile")


def test_names_of_the_cluster_fit_together() -> None:
    names = {each["metadata"]["name"] for each in read_yaml("kubernetes.yaml")}
    secrets = set(re.findall(r"kubectl create secret generic (\S+)", text_of("kubernetes.yaml")))
    for deployment in list_objects("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        for container in list_containers(deployment["spec"]["template"]["spec"]):
            for source in container["envFrom"]:
                ((kind, each),) = source.items()
                assert each["name"] in (secrets if kind == "secretRef" else names)
    for service in list_objects("Service"):
        deployment = read_object("Deployment", service["metadata"]["name"])
        assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]


def test_no_pod_takes_the_address_of_a_service_for_a_setting() -> None:
    """Of a Service `prompter` Kubernetes makes PROMPTER_PORT=tcp://…, in place of the image's."""
    assert all(pod["enableServiceLinks"] is False for pod in list_pods())


def test_no_part_of_the_cluster_is_process_number_1() -> None:
    """The kernel keeps SIGTERM from that one while it has no handler: a worker that loads would wait for SIGKILL."""
    assert all(pod["shareProcessNamespace"] is True for pod in list_pods())
    assert all(read_yaml("compose.yaml")[0]["services"][name]["init"] is True for name in IN_CLUSTER)


# -- decode workers


def test_every_part_of_the_cluster_finds_its_head_and_has_the_token() -> None:
    services = read_yaml("compose.yaml")[0]["services"]
    for name in IN_CLUSTER:
        environment = services[name]["environment"]
        assert environment["PROMPTER_DECODE__ADDRESS"] == f"head:{RAY_PORT}"
        assert not tell_open_ray(environment, is_trusted=False)
        assert environment["RAY_AUTH_TOKEN"] == "${RAY_AUTH_TOKEN:-}"
    settings = read_cluster_settings()
    service = read_object("Service", "prompter-head")
    assert settings["PROMPTER_DECODE__ADDRESS"] == f"prompter-head:{service['spec']['ports'][0]['port']}"
    secret = re.findall(r"generic prompter-ray --from-literal=(\w+)=(.*)", text_of("kubernetes.yaml"))
    assert not tell_open_ray({**settings, **dict(secret)}, is_trusted=False)
    ray = [{"configMapRef": {"name": "prompter-ray"}}, {"secretRef": {"name": "prompter-ray"}}]
    for pod in list_pods():
        assert all(each in container["envFrom"] for each in ray for container in list_containers(pod))


def test_a_head_that_is_started_again_knows_its_machines() -> None:
    """Without that a cluster begins anew, and its workers have to be started again, too."""
    assert "RAY_gcs_storage=rocksdb RAY_gcs_storage_path=/var/lib/prompter/" in text_of(
        "prompter-head.service"
    )
    composed = read_yaml("compose.yaml")[0]["services"]["head"]
    (container,) = list_containers(read_object("Deployment", "prompter-head")["spec"]["template"]["spec"])
    kept = {each["name"]: each["value"] for each in container["env"]}
    for environment in (composed["environment"], kept):
        assert environment["RAY_gcs_storage"] == "rocksdb"
        assert environment["RAY_gcs_storage_path"].startswith("/data/")
    assert "head:/data" in composed["volumes"]


def test_workers_have_no_key_of_the_servers() -> None:
    services = read_yaml("compose.yaml")[0]["services"]
    of_servers = set(read_yaml("compose.yaml")[0]["x-team-settings"])
    for name in ("head", "worker"):
        assert not of_servers & set(services[name]["environment"])
        sources = [
            each for source in read_container(f"prompter-{name}")["envFrom"] for each in source.values()
        ]
        assert {each["name"] for each in sources} == {"prompter-ray"}


def test_the_head_is_one_and_listens_where_others_look() -> None:
    commands = [
        read_yaml("compose.yaml")[0]["services"]["head"]["command"],
        read_container("prompter-head")["command"],
        shlex.split(read_unit("prompter-head.service")["ExecStart"][0].removeprefix("/opt/prompter/bin/")),
    ]
    for command in commands:
        assert command[:3] == ["ray", "start", "--head"]
        assert {"--block", f"--port={RAY_PORT}", "--num-cpus=0", "--include-dashboard=false"} <= set(command)
        (store,) = (each.partition("=")[2] for each in command if each.startswith("--object-store-memory"))
        assert int(store) <= STORE_BYTES, "there is shared memory for as much"
    deployment = read_object("Deployment", "prompter-head")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert [each["containerPort"] for each in read_container("prompter-head")["ports"]] == [RAY_PORT]


def test_ray_has_the_shared_memory_that_it_is_told_to_take() -> None:
    for name in IN_CLUSTER:
        size = read_yaml("compose.yaml")[0]["services"][name]["shm_size"]
        assert int(size.removesuffix("m")) << 20 > STORE_BYTES
    for pod in list_pods():
        (volume,) = (each for each in pod["volumes"] if each["name"] == "shared-memory")
        assert volume["emptyDir"]["medium"] == "Memory"
        assert int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi")) << 20 > STORE_BYTES


def test_nobody_outside_reaches_ray() -> None:
    services = read_yaml("compose.yaml")[0]["services"]
    for name in IN_CLUSTER:
        assert services[name]["networks"] == ["inside"]
        assert "ports" not in services[name]
    everybody = {"app": "prompter"}
    inside, outside = list_objects("NetworkPolicy")
    assert inside["spec"]["podSelector"]["matchLabels"] == everybody
    assert inside["spec"]["ingress"] == [{"from": [{"podSelector": {"matchLabels": everybody}}]}]
    assert outside["spec"]["podSelector"] == read_object("Deployment", "prompter")["spec"]["selector"]
    assert outside["spec"]["ingress"] == [{"ports": [{"port": "http"}]}]
    for deployment in list_objects("Deployment"):
        assert everybody.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_services_of_compose_fit_together() -> None:
    whole = read_yaml("compose.yaml")[0]
    for service in whole["services"].values():
        assert set(service.get("depends_on", ())) <= set(whole["services"])
        assert set(service.get("networks", ())) <= set(whole["networks"])
        assert ("build" in service) != (":" in service["image"]), "an image is built here, or has a version"
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            is_file = source.startswith("./")
            assert (is_file and not source.startswith("./tls/")) <= (DEPLOY / source).exists()
            assert is_file or source in whole["volumes"]


@pytest.mark.parametrize(
    ("proxy", "servers"), [("nginx", ["gateway"]), ("balancer", ["gateway1", "gateway2"])]
)
def test_nginx_is_told_the_servers_of_its_profile(proxy: str, servers: list[str]) -> None:
    service = read_yaml("compose.yaml")[0]["services"][proxy]
    assert service["depends_on"] == servers
    (command,) = (part for part in service["command"] if "sed" in part)
    _, old, new = shlex.split(command)[1].split("/")[:3]
    pattern, replacement = re.sub(r"\\([()])", r"\1", old), re.sub(r"\\(\d)", r"\\\1", new)
    told, count = re.subn(pattern, replacement, text_of("nginx.conf"))
    assert count == 1
    assert re.findall(r"server ([\w.:]+) max_fails=2 fail_timeout=5s;", told) == [
        f"{name}:{PORT}" for name in servers
    ]


# -- the image


def list_stages() -> dict[str, list[str]]:
    """The instructions of each stage, continued lines joined."""
    stages: dict[str, list[str]] = {}
    text = re.sub(r"^#.*\n", "", text_of("Containerfile"), flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("FROM "):
            stages[line.partition(" AS ")[2] or "server"] = []
        if stages:
            list(stages.values())[-1].append(line)
    return stages


def list_copied() -> Iterator[str]:
    for lines in list_stages().values():
        for line in lines:
            words = line.split()
            if words[0] == "COPY" and not words[1].startswith("--from"):
                yield from words[1:-1]


def is_sent(path: str) -> bool:
    """Whether the build gets a path to see, by .dockerignore: the last pattern that matches decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern = line.lstrip("!")
            places = [path, *map(str, Path(path).parents)]
            if any(fnmatch(place, pattern) for place in places):
                sent = line.startswith("!")
    return sent


def test_what_the_image_copies_exists_and_is_sent() -> None:
    copied = list(list_copied())
    assert {"requirements.txt", "pyproject.toml", "setup.py", "backend/app", "frontend"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), f"deploy/Containerfile copies {name}"
        assert is_sent(name), f".dockerignore hides {name}"


@pytest.mark.parametrize(
    "path", [".env", ".git/config", "data/jwt.key", "data/prompter.db", "models/base/model.bin",
             "deploy/tls/prompter.key", ".venv/bin/python", "frontend/node_modules/vite/package.json",
             "backend/tests/conftest.py"],
)  # fmt: skip
def test_secrets_and_data_are_not_sent_to_the_build(path: str) -> None:
    assert not is_sent(path)
    assert is_sent("backend/app/extras.toml")


def test_arguments_of_the_image_are_what_the_program_knows() -> None:
    arguments = dict(re.findall(r'^ARG (\w+)="?([^"\n]*)"?$', text_of("Containerfile"), re.M))
    assert set(arguments["EXTRAS"].split()) <= set(read_extras())
    assert arguments["MODELS"] == arguments["PACKAGES"] == ""
    (example,) = re.findall(r'Weights to bake in, such as "([^"]+)"', text_of("Containerfile"))
    assert all(find_known(name) for name in example.split())
    (node,) = re.findall(r"node:(\d+)-", arguments["NODE"])
    (minimum,) = re.findall(r"^MINIMUM = \((\d+), \d+\)$", (ROOT / "scripts" / "web.py").read_text(), re.M)
    assert int(node) > int(minimum)


# -- systemd


def read_unit(file: str) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text_of(file).replace("\\\n", "").splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("file", UNITS)
def test_a_unit_starts_its_program_where_it_may_write(file: str) -> None:
    unit = read_unit(file)
    (command,) = unit["ExecStart"]
    assert command.startswith(
        (
            "/opt/prompter/bin/prompter serve",
            "/opt/prompter/bin/prompter worker",
            "/opt/prompter/bin/ray start ",
        )
    )
    environment = dict(pair.split("=", 1) for line in unit["Environment"] for pair in line.split())
    state = f"/var/lib/{unit['StateDirectory'][0]}"
    for name in {"PROMPTER_DATA_DIR", "PROMPTER_MODELS_DIR", "HOME"} & set(environment):
        assert Path(environment[name]).is_relative_to(state)
    assert unit["User"] == ["prompter"]


def test_units_are_hardened_alike() -> None:
    def list_hardening(file: str) -> str:
        return text_of(file).partition("\nCapabilityBoundingSet=\n")[2].partition("\n\n")[0]

    (hardening,) = {list_hardening(each) for each in UNITS}
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict"} <= set(hardening.splitlines())


def test_units_of_the_cluster_have_the_same_settings() -> None:
    for file in UNITS:
        assert "/etc/prompter/ray.env" in {
            each.removeprefix("-") for each in read_unit(file)["EnvironmentFile"]
        }


# -- nginx; backend/tests/contract/test_behind_nginx.py runs the recipe


@pytest.mark.parametrize("recipe", ["deploy/nginx.conf", "docs/deployment.md"])
def test_the_recipe_allows_what_the_server_allows(recipe: str) -> None:
    text = (ROOT / recipe).read_text(encoding="utf-8")
    (size,) = re.findall(r"client_max_body_size (\d+)m;", text)
    limits = LimitSettings()
    largest = max(getattr(limits, name) + FORM_BYTES.get(name, 0) for name in BODY_LIMITS.values())
    assert int(size) << 20 >= largest
    for line in ("proxy_buffering off", "proxy_request_buffering off", "proxy_http_version 1.1"):
        assert f"{line};" in text


# -- the dashboard


def list_samples() -> dict[str, set[str]]:
    """Every name that /metrics can have, with its labels: a metric with labels that has no value yet too."""
    observer = Observer()
    observer.count_session("p")
    observer.count_discarded("p", "noise")
    observer.count_answer("p", "completed")
    observer.count_error("c")
    observer.time_first_partial("p", 1)
    observer.time_partial("p", 1)
    observer.time_first_token("p", 1)
    observer.time_final("p", {"endpoint_ms": 1, "queue_ms": 1, "decode_ms": 1}, 1)
    observer.tier.time_decode("final", 1, 0)
    found: dict[str, set[str]] = {}
    for line in observer.render().decode().splitlines():
        if match := re.match(r"([a-z_0-9]+)(?:\{(.*)\})? ", line):
            found.setdefault(match[1], set()).update(re.findall(r'(\w+)="', match[2] or ""))
    return found


def list_queries() -> list[str]:
    board = json.loads(text_of("grafana.json"))
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    variables = [each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    return queries + variables


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    samples = list_samples()
    asked = set(re.findall(r"\b(?:prompter|process)_[a-z_0-9]+", " ".join(list_queries())))
    assert asked <= set(samples), f"deploy/grafana.json asks for {asked - set(samples)}"
    of_ours = {name.removesuffix("_total") for name in asked if name.startswith("prompter_")}
    families = {
        re.sub(r"_(bucket|count|sum|total)$", "", name) for name in samples if name.startswith("prompter_")
    }
    assert families <= {re.sub(r"_(bucket|count|sum)$", "", name) for name in of_ours}, (
        "a metric is on no panel"
    )


def test_the_dashboard_groups_by_labels_that_exist() -> None:
    samples = list_samples()
    for query in list_queries():
        grouped = {label for each in re.findall(r"sum by \(([^)]*)\)", query) for label in each.split(", ")}
        there = {label for name in re.findall(r"\b\w+_\w+", query) for label in samples.get(name, ())}
        assert grouped - {"instance"} <= there, query
        assert query.count("(") == query.count(")")
        if 'le="' in query:
            (edge,) = re.findall(r'le="([^"]+)"', query)
            assert f'le="{edge}"' in _observed().render().decode()


def _observed() -> Observer:
    observer = Observer()
    observer.time_final("p", {"endpoint_ms": 1, "queue_ms": 1, "decode_ms": 1}, 1)
    return observer


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    board = json.loads(text_of("grafana.json"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells


@pytest.mark.parametrize("guide", ["docs/deployment.md", "docs/es/deployment.md"])
def test_the_guide_names_every_file(guide: str) -> None:
    text = (ROOT / guide).read_text(encoding="utf-8")
    for name in FILES:
        assert f"`deploy/{name}`" in text or f"deploy/{name}" in text, f"{guide} does not name deploy/{name}"
