"""The Dockerfile, the compose files and their scripts name only what there is. No container engine is needed.

What only an engine can show (that images exist and start) is not shown here; tests/e2e/test_container_roles.py runs
what the containers run.
"""

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from memory_layer import env, probe, serve

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FILES = ("docker-compose.yml", "deploy/docker-compose.prod.yml")
OURS = {"migrate", "web", "web-a", "web-b", "worker", "beat"}
# The image's own and that of libraries that we use; everything else of ours is in env.py.
NOT_SETTINGS = {
    "PATH",
    "HOME",
    "PYTHONUTF8",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "TOKENIZERS_PARALLELISM",
    "PROMETHEUS_MULTIPROC_DIR",
}


def compose(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


SERVICES = [
    pytest.param(name, service, body, id=f"{Path(name).stem}-{service}")
    for name in FILES
    for service, body in compose(name)["services"].items()
]
ALL = pytest.mark.parametrize(("name", "service", "body"), SERVICES)
APPS = pytest.mark.parametrize(
    ("name", "service", "body"), [param for param in SERVICES if param.values[1] in OURS]
)


def instructions(word: str) -> list[str]:
    """The arguments of an instruction of the Dockerfile, lines joined."""
    joined = re.sub(r"\\\n(\s*#.*\n)*", " ", DOCKERFILE)
    return [line.partition(" ")[2].strip() for line in joined.splitlines() if line.startswith(f"{word} ")]


def test_it_works():
    assert {param.values[1] for param in SERVICES} >= OURS | {"database", "redis", "proxy", "prometheus"}
    assert len(instructions("FROM")) == 2


@ALL
def test_every_image_is_pinned(name, service, body):
    if service not in OURS:
        assert re.search(r":v?\d+\.\d+\.\d+", body["image"]), body["image"]
    else:
        assert (ROOT / name).parent.joinpath(body["build"], "Dockerfile").is_file()


def test_the_dockerfile_pins_what_it_starts_from():
    for image in instructions("FROM"):
        assert re.match(r"python:3\.11\.\d+-slim-\w+( AS build)?$", image)


def test_the_image_gets_what_exists_and_nothing_embedded():
    copied = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert all((ROOT / path).exists() for path in copied), copied
    assert "requirements/base.txt" in copied
    assert not [path for path in copied if "embedded" in path]
    assert "--require-hashes" in DOCKERFILE


def test_the_build_is_sent_what_it_copies():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert lines[1] == "*"
    for line in instructions("COPY"):
        if "--from" not in line:
            assert all(any(fnmatch(path, pattern) for pattern in kept) for path in line.split()[:-1]), line


def test_the_image_runs_as_nobody_in_particular():
    assert instructions("USER") == ["10001:10001"]
    assert DOCKERFILE.index("\nUSER") < DOCKERFILE.index("\nENTRYPOINT")


def words_of(instruction: str) -> list[str]:
    [line] = instructions(instruction)
    return yaml.safe_load(line[line.index("[") :])


def parses(module: Any, words: list[str]) -> bool:
    """Whether the command's own parser takes the words, without running it."""
    command = {"memory_layer.serve": serve, "memory_layer.probe": probe}[module]
    try:
        command.parser().parse_args(words)
    except SystemExit:
        return False
    return True


def test_the_image_starts_and_asks_what_exists():
    assert words_of("ENTRYPOINT") == ["python", "-m", "memory_layer.serve"]
    assert parses("memory_layer.serve", words_of("CMD"))
    check = words_of("HEALTHCHECK")
    assert check[:2] == ["python", "-m"]
    assert parses(check[2], check[3:])


@APPS
def test_what_a_service_of_ours_runs_exists(name, service, body):
    assert parses("memory_layer.serve", body["command"])
    if "test" in body.get("healthcheck", {}):
        assert body["healthcheck"]["test"][:3] == ["CMD", "python", "-m"]
        assert parses(body["healthcheck"]["test"][3], body["healthcheck"]["test"][4:])
        assert body["healthcheck"]["test"][-1] == body["command"][0]
    elif service != "migrate":
        assert body["command"] == words_of("CMD"), "the image's own check is for that"


@APPS
def test_every_setting_is_one(name, service, body):
    names = {variable.removesuffix("_FILE") for variable in body["environment"]}
    assert names - NOT_SETTINGS <= set(env.variable_names())


def test_the_image_sets_what_exists():
    names = {word.partition("=")[0] for line in instructions("ENV") for word in line.split()}
    assert names - NOT_SETTINGS - set(env.variable_names()) == {
        "PIP_DISABLE_PIP_VERSION_CHECK",
        "PIP_NO_CACHE_DIR",
    }


@pytest.mark.parametrize("name", FILES)
def test_the_settings_shown_are_accepted(name, tmp_path):
    """As the containers get them; the files of secrets are those that the script makes."""
    subprocess.run([ROOT / "deploy/make-secrets.sh", tmp_path], check=True, capture_output=True)
    said = compose(name)["services"]["worker"]["environment"]
    image = dict(word.split("=", 1) for line in instructions("ENV") for word in line.split())
    given = {key: value for key, value in image.items() if key.startswith("MEMORY_")} | {
        key: re.sub(r"\$\{MEMORY_SITE[^}]*\}", "memory.example.com", value).replace(
            "/run/secrets", str(tmp_path)
        )
        for key, value in said.items()
    }
    loaded = env.load(given)
    assert loaded.production == name.startswith("deploy/")
    assert loaded.host == "0.0.0.0"
    assert loaded.database_url.startswith("postgresql://memory:")


@ALL
def test_a_service_has_limits_and_writes_nothing(name, service, body):
    assert body["read_only"] is True
    assert body["deploy"]["resources"]["limits"]["memory"]
    assert "no-new-privileges:true" in body["security_opt"]
    assert body["restart"] == ("no" if service == "migrate" else "unless-stopped")
    if service in OURS:
        assert body["cap_drop"] == ["ALL"]
        assert body["init"] is True


@ALL
def test_a_service_is_asked_how_it_is(name, service, body):
    check = body.get("healthcheck", {})
    assert check.get("disable", False) == (service == "migrate")
    assert service == "migrate" or check.get("test") or body["command"] == words_of("CMD")


@ALL
def test_only_the_proxy_is_reached_from_outside(name, service, body):
    ports = body.get("ports", [])
    assert service == "proxy" or all(port.startswith("127.0.0.1:") for port in ports)
    assert service not in ("database", "redis") or not ports


@ALL
def test_every_path_and_volume_is_there(name, service, body):
    whole = compose(name)
    for volume in body.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert ((ROOT / name).parent / source).exists(), source
        else:
            assert source in whole["volumes"]
    for other in body.get("depends_on", []):
        assert other in whole["services"]
    for secret in body.get("secrets", []):
        assert secret in whole["secrets"]
    read = re.findall(r"/run/secrets/([a-z_-]+)", str(body))
    assert set(read) <= set(body.get("secrets", []))


def test_every_secret_is_made_once(tmp_path):
    """Made again, nothing changes: the database would not know a new password."""
    script = ROOT / "deploy/make-secrets.sh"
    secrets = tmp_path / "secrets"
    made = []
    for _ in range(2):
        subprocess.run([script, secrets], check=True, capture_output=True)
        made.append({path.name: path.read_text() for path in secrets.iterdir()})
    found = made[0]
    assert made[1] == found
    assert {Path(secret["file"]).name for secret in compose(FILES[1])["secrets"].values()} <= set(found)
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert found["database-password"].strip() in found["database-url"]
    assert found["metrics-key"].strip() in found["api-keys"].split(",")[1]


def test_the_proxy_asks_the_web_services_that_there_are():
    caddyfile = (ROOT / "deploy/caddy/Caddyfile").read_text(encoding="utf-8")
    services = compose(FILES[1])["services"]
    upstreams = {f"{name}:8000" for name, body in services.items() if body.get("command") == ["web"]}
    assert set(re.search(r"\{\$MEMORY_UPSTREAMS:(.*?)\}", caddyfile).group(1).split()) == upstreams
    assert "respond /metrics 404" in caddyfile
    hosts = services["web-a"]["environment"]["MEMORY_ALLOWED_HOSTS"].split(",")
    assert {f"{host}:8000" for host in hosts[1:]} == upstreams


def test_prometheus_asks_the_services_that_there_are():
    """Each process that counts, by its own name: behind a shared one counters would jump from one to another."""
    folder = ROOT / "deploy/prometheus"
    services = compose(FILES[1])["services"]
    config = yaml.safe_load((folder / "prometheus.yml").read_text(encoding="utf-8"))
    asked = {
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    ports = {
        name: body["environment"].get("MEMORY_METRICS_PORT", "8000")
        for name, body in services.items()
        if name in OURS - {"migrate"}
    }
    assert asked == {f"{name}:{port}" for name, port in ports.items()}
    secrets = set(re.findall(r"/run/secrets/([a-z_-]+)", str(config)))
    assert secrets == set(services["prometheus"]["secrets"])


def test_grafana_finds_its_dashboards():
    services = compose(FILES[1])["services"]
    places = {volume.split(":")[0]: volume.split(":")[1] for volume in services["grafana"]["volumes"]}
    provider = ROOT / "deploy/grafana/provisioning/dashboards/memory.yml"
    [found] = yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"]
    assert found["options"]["path"] == places["./grafana/dashboards"]
