"""docker-compose.yml is a Compose file, and gives the settings what they ask for."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.exceptions import ImproperlyConfigured
from jsonschema import Draft202012Validator

from exports.conf import Conf
from tests.services.environment import settings_in_environment

ROOT = Path(__file__).resolve().parents[3]
SPEC = Path(__file__).parent / "compose_spec"
SERVICES = ("proxy", "web", "worker", "beat", "migrate", "redis", "postgres")
# Those that run Waybill itself, from its image.
OURS = ("web", "worker", "beat", "migrate")
ENV_FILE = {
    "SECRET_KEY": "secret" * 10,
    "ALLOWED_HOSTS": "waybill.test",
    "POSTGRES_PASSWORD": "p",
    "REDIS_PASSWORD": "q",
}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[?-])(?P<rest>[^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads((SPEC / "compose-spec.json").read_text()))


def interpolated(text: str, variables: dict[str, str]) -> str:
    """`text` as Compose reads it. Raises KeyError for a required variable that is not set."""

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        return variables.get(name) or match["rest"] if match["kind"] == "-" else variables[name]

    return VARIABLE.sub(value, text)


def environment(compose: dict[str, Any], service: str, env_file: dict[str, str]) -> dict[str, str]:
    """What a container of `service` has in its environment."""
    own = compose["services"][service]["environment"]
    return {**env_file, **{name: interpolated(value, env_file) for name, value in own.items()}}


def problems(schema: Draft202012Validator, compose: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in schema.iter_errors(compose)]


# -- The form --------------------------------------------------------------------------


def test_schema_is_the_published_one() -> None:
    digest = hashlib.sha256((SPEC / "compose-spec.json").read_bytes()).hexdigest()

    assert digest in (SPEC / "README.md").read_text()


@pytest.mark.proves("compose-file-is-valid")
def test_compose_file_is_valid(schema: Draft202012Validator, compose: dict[str, Any]) -> None:
    assert problems(schema, compose) == []


def test_mistake_in_a_compose_file_is_found(schema: Draft202012Validator) -> None:
    assert problems(schema, {"services": {"web": {"comand": ["daphne"]}}}) != []
    assert problems(schema, {"services": {"web": {"depends_on": {"db": {}}}}}) != []


def test_compose_file_has_every_service(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == sorted(SERVICES)


def test_awaited_services_have_a_healthcheck(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in services[name], name
            else:
                # Restarted whenever it ends, it would never be complete.
                assert services[name]["restart"] == "no", name


def test_mounted_files_exist_in_the_checkout(compose: dict[str, Any]) -> None:
    sources = [
        mount.split(":")[0]
        for service in compose["services"].values()
        for mount in service.get("volumes", [])
    ]

    assert [each for each in sources if each.startswith(".") and not (ROOT / each).is_file()] == []
    named = {each for each in sources if not each.startswith(".")}
    assert named == set(compose["volumes"])


# -- What the settings ask for ------------------------------------------------------------


@pytest.mark.parametrize("service", OURS)
def test_services_set_only_variables_that_the_settings_read(
    compose: dict[str, Any], service: str
) -> None:
    assert set(compose["services"][service]["environment"]) <= set(settings_in_environment())


@pytest.mark.parametrize("name", ENV_FILE)
def test_variable_without_a_safe_default_is_required(compose: dict[str, Any], name: str) -> None:
    with pytest.raises(KeyError, match=name):
        environment(compose, "web", {key: ENV_FILE[key] for key in ENV_FILE if key != name})


@pytest.mark.proves("compose-file-is-valid")
@pytest.mark.parametrize("service", OURS)
def test_production_settings_accept_the_environment(
    compose: dict[str, Any], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in settings_in_environment():
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(compose, service, ENV_FILE).items():
        monkeypatch.setenv(name, value)

    settings = runpy.run_path(str(ROOT / "config" / "settings.py"))

    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["waybill.test", "localhost"]
    assert settings["DATABASES"]["default"]["HOST"] == "postgres"
    assert settings["CELERY_BROKER_URL"] == "redis://:q@redis:6379/0"
    # A connection must not be carried over a fork, so only web processes have a pool.
    assert ("pool" in settings["DATABASES"]["default"]["OPTIONS"]) == (service == "web")


@pytest.mark.proves("no-default-secrets")
def test_settings_refuse_an_environment_without_a_secret(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(compose, "web", ENV_FILE).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SECRET_KEY")

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        runpy.run_path(str(ROOT / "config" / "settings.py"))


def test_web_processes_and_workers_share_their_files(compose: dict[str, Any]) -> None:
    for service in ("web", "worker"):
        values = environment(compose, service, ENV_FILE)
        mounts = dict(
            reversed(mount.split(":")) for mount in compose["services"][service]["volumes"]
        )
        directory = values["STORAGE_URL"].removeprefix("file://")

        assert mounts[str(Path(directory).parent)] == "files"
        # On one volume, a finished file is renamed; across two it would be copied.
        assert Path(values["EXPORTS_WORK_DIR"]).parent == Path(directory).parent


def test_proxy_and_web_processes_agree_on_the_files(compose: dict[str, Any]) -> None:
    values = environment(compose, "web", ENV_FILE)
    proxy = compose["services"]["proxy"]
    config = (ROOT / "config" / "proxy" / "nginx.conf").read_text()
    location = re.search(r"location (\S+) \{\s*internal;\s*alias (\S+)/;", config)
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert location is not None
    assert values["EXPORTS_DOWNLOAD"] == "accel"
    assert location[1] == values.get("EXPORTS_ACCEL_PREFIX", Conf.ACCEL_PREFIX)
    assert f"file://{location[2]}" == values["STORAGE_URL"]
    # It may read them, as who has written them, and never change one.
    assert "files:/srv/waybill:ro" in proxy["volumes"]
    assert f"useradd --uid {proxy['user'].split(':')[0]} " in dockerfile


def test_files_can_be_in_a_bucket(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = {"STORAGE_URL": "s3://bucket", "EXPORTS_DOWNLOAD": "redirect"}
    for name, value in environment(compose, "web", {**ENV_FILE, **bucket}).items():
        monkeypatch.setenv(name, value)

    settings = runpy.run_path(str(ROOT / "config" / "settings.py"))

    assert settings["STORAGES"]["default"]["OPTIONS"]["bucket_name"] == "bucket"
    assert settings["EXPORTS_DOWNLOAD"] == "redirect"


def test_every_process_may_open_enough_files(compose: dict[str, Any]) -> None:
    limits = {name: compose["services"][name]["ulimits"]["nofile"] for name in (*OURS, "proxy")}

    assert limits["web"] >= 8192
    assert min(limits.values()) >= 4096
    # An open page takes two descriptors of the proxy, and one of a web process.
    assert limits["proxy"] >= 2 * limits["web"]


def test_workers_listen_to_the_queue_of_exports(compose: dict[str, Any]) -> None:
    settings = runpy.run_path(str(ROOT / "config" / "settings.py"))
    command = compose["services"]["worker"]["command"]

    assert command[command.index("-Q") + 1] == "exports,exports-help"
    assert settings["CELERY_TASK_DEFAULT_QUEUE"] == "exports"


@pytest.mark.proves("no-default-secrets")
def test_short_secret_is_refused_by_the_settings(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(compose, "web", ENV_FILE).items():
        monkeypatch.setenv(name, value)
    for secret in ("", "x", "secret" * 8, "s" * 60, "abcd" * 20):
        monkeypatch.setenv("SECRET_KEY", secret)

        with pytest.raises(ImproperlyConfigured, match="at least 50 random characters"):
            runpy.run_path(str(ROOT / "config" / "settings.py"))


# -- What a container may do ----------------------------------------------------------------


@pytest.mark.proves("containers-are-confined")
@pytest.mark.parametrize("service", SERVICES)
def test_container_has_only_the_rights_it_needs(compose: dict[str, Any], service: str) -> None:
    found = compose["services"][service]

    assert found["cap_drop"] == ["ALL"]
    assert "cap_add" not in found
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["read_only"] is True
    assert re.fullmatch(r"\d+[mg]", interpolated(found["mem_limit"], {}))
    # Without capabilities root could not even change to another user.
    assert found.get("user", "waybill" if service in OURS else "root") != "root"


@pytest.mark.parametrize("service", SERVICES)
def test_container_logs_are_limited(compose: dict[str, Any], service: str) -> None:
    logging = compose["services"][service]["logging"]

    assert logging["driver"] == "json-file"
    # Without both, Docker rotates nothing. It refuses numbers.
    assert re.fullmatch(r"\d+m", logging["options"]["max-size"])
    assert re.fullmatch(r"[2-9]", logging["options"]["max-file"])


def test_image_runs_unprivileged_without_debug() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^USER waybill$", dockerfile, re.M)
    assert re.search(r"^    DEBUG=0$", dockerfile, re.M)
    # Static files belong to who reads them: what is collected is private.
    assert dockerfile.index("USER waybill") < dockerfile.index("collectstatic")


@pytest.mark.proves("containers-are-confined")
def test_proxy_reaches_only_web_processes(compose: dict[str, Any]) -> None:
    networks = {name: set(service["networks"]) for name, service in compose["services"].items()}

    assert set().union(*networks.values()) == set(compose["networks"])
    assert {name for name in SERVICES if networks[name] & networks["proxy"]} == {"proxy", "web"}
    assert networks["postgres"] == networks["redis"] == {"data"}
    assert compose["networks"]["data"]["internal"] is True
    assert all("data" in networks[name] for name in OURS)


def test_redis_needs_a_password_that_no_command_line_shows(compose: dict[str, Any]) -> None:
    redis = compose["services"]["redis"]

    assert "requirepass $$REDIS_PASSWORD" in redis["command"][-1]
    assert redis["environment"]["REDIS_PASSWORD"].startswith("${REDIS_PASSWORD:?")


# -- What is open to the outside -------------------------------------------------------------


def test_only_the_proxy_is_published_and_on_this_host_only(compose: dict[str, Any]) -> None:
    published = {
        name: service["ports"]
        for name, service in compose["services"].items()
        if "ports" in service
    }

    assert list(published) == ["proxy"]
    assert interpolated(published["proxy"][0], {}).startswith("127.0.0.1:")


def test_image_contains_no_secret() -> None:
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    listed = [line for line in allowed if line and not line.startswith("#")]

    # Everything is left out, and then what is needed let in by name.
    assert listed[0] == "*"
    assert [line for line in listed if ".env" in line or "var" in line] == []
    assert [
        line for line in listed if line.startswith("!") and not (ROOT / line[1:]).exists()
    ] == []
