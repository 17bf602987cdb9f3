"""Dockerfile, compose file, units and the Space's front page say what the settings and the command line say."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench import dockerfile

from crypto_dt_source.cli.main import parser
from crypto_dt_source.cli.serve import GRACE_S
from crypto_dt_source.settings import Settings
from crypto_dt_source.settings_ops import SPACE

ROOT = Path(__file__).resolve().parents[1]
PORT = Settings.model_fields["port"].default
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGE_OWN = {"PATH", "HOME", "HF_HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
DATABASES = {"postgres": "pg_isready", "redis": "redis-cli"}
SHADES = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def known(names: set[str]) -> set[str]:
    """Those that are no setting."""
    return {name for name in names if name.lower() not in Settings.model_fields}


@pytest.fixture(scope="module")
def stages() -> list[dockerfile.Stage]:
    return dockerfile.stages(ROOT / "Dockerfile")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """A unit's sections; a key may be given several times."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in (ROOT / "deploy" / name).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def test_the_space_has_the_port_and_the_kind_its_preset_has() -> None:
    _, front, _ = (ROOT / "spaces" / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(front)
    assert (told["sdk"], told["app_port"]) == ("docker", SPACE["port"])
    assert {told["colorFrom"], told["colorTo"]} <= SHADES
    assert len(told["short_description"]) <= 60
    assert told["title"]
    assert not told["emoji"].isascii()
    # The project has no licence file to name.
    assert ("license" in told) == any(ROOT.glob("LICEN[SC]E*"))


def test_the_image_runs_the_service_as_nobody_in_particular(stages: list[dockerfile.Stage]) -> None:
    last = stages[-1]
    given = last.environment()
    assert last.of("USER")[-1].text == "1000:1000"
    assert (given["HOST"], given["PORT"], given["DATA_DIR"]) == (SPACE["host"], str(PORT), SPACE["data_dir"])
    assert last.of("EXPOSE")[0].text == str(PORT) == str(SPACE["port"])
    assert last.of("STOPSIGNAL")[0].text == "SIGTERM"
    assert known(set(given)) == IMAGE_OWN
    program, *arguments = dockerfile.listed(last.of("CMD")[0].text)
    assert program in PROJECT["scripts"]
    assert parser().parse_args(arguments).command == "serve"
    assert not last.of("ENTRYPOINT")
    options, command = dockerfile.health(last.of("HEALTHCHECK")[0])
    assert set(options) == {"interval", "timeout", "start-period", "retries"}
    compile(command[command.index("-c") + 1], "healthcheck", "exec")
    (route,) = re.findall(r"/api/[\w/]+", command[-1])
    assert f"GET    {route} " in (ROOT / "tests/contract/routes.txt").read_text()


def test_the_image_is_built_from_what_is_there(stages: list[dockerfile.Stage]) -> None:
    builder = stages[0]
    version = builder.base.removeprefix("python:").removesuffix("-slim").split(".")
    minimum = PROJECT["requires-python"].removeprefix(">=").split(".")
    assert list(map(int, version)) >= list(map(int, minimum))
    assert {stage.base for stage in stages} == {builder.base}
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    copied = {name for step in builder.of("COPY") for name in step.text.split()[:-1]}
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)
    (extras,) = (step.text.removeprefix("EXTRAS=") for step in builder.of("ARG"))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert not {"dev", "transformers", "train"} & set(extras.split(","))
    (install,) = (shlex.split(step.text) for step in builder.of("RUN") if " install " in step.text)
    assert install[install.index("-c") + 1] == "constraints.txt"
    requirements = (ROOT / "spaces/requirements.txt").read_text().splitlines()
    assert requirements[-2:] == ["-c ../constraints.txt", f".[{extras}]"]


@pytest.mark.parametrize("wrong", ["ADD x y", "FROM a\nSHELL b"], ids=["add", "shell"])
def test_the_reader_of_dockerfiles_skips_nothing(wrong: str) -> None:
    with pytest.raises(ValueError, match="no instruction known"):
        dockerfile.steps(wrong)
    with pytest.raises(json.JSONDecodeError):
        dockerfile.listed("cdts serve")


def test_the_compose_file_has_a_server_two_databases_and_no_secret(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"server", *DATABASES}
    server = services["server"]
    assert known(set(server["environment"])) == set()
    assert server["ports"] == [f"${{PUBLISH:-127.0.0.1:{PORT}}}:{PORT}"]
    assert server["environment"]["PORT"] == str(PORT)
    assert server["environment"]["DATA_DIR"] == server["volumes"][0].split(":")[1]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert int(server["stop_grace_period"].removesuffix("s")) > GRACE_S
    for name, probe in DATABASES.items():
        assert server["depends_on"][name] == {"condition": "service_healthy"}
        assert services[name]["healthcheck"]["test"][1] == probe
        assert "ports" not in services[name]
        assert services[name]["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True
    used = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert used == set(compose["volumes"])
    secrets = [s["environment"][n] for s in services.values() for n in s.get("environment", {}) if re.search("SALT|SECRET|PASSWORD|DATABASE_URL", n)]  # fmt: skip
    assert len(secrets) == 4
    # A secret without a value stops the start instead of having a default.
    assert all(re.search(r"\$\{[A-Z_]+:\?[^}]+\}", text) for text in secrets)


def test_the_unit_is_closed_but_for_its_own_folder() -> None:
    service, socket = unit("cdts.service"), unit("cdts.socket")
    given = service["Service"]
    names = {part.partition("=")[0] for part in given["Environment"][0].split()}
    assert known(names) == {"PYTHONDONTWRITEBYTECODE"}
    assert f"DATA_DIR=%S/{given['StateDirectory'][0]}" in given["Environment"][0]
    program, *arguments = given["ExecStart"][0].split()
    assert Path(program).name in PROJECT["scripts"]
    assert parser().parse_args(arguments).command == "serve"
    for key in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert given[key] == ["yes"]
    assert (given["ProtectSystem"], given["CapabilityBoundingSet"]) == (["strict"], [""])
    assert given["User"] != ["root"]
    assert int(given["TimeoutStopSec"][0]) > GRACE_S
    assert int(given["LimitNOFILE"][0]) > 2 * Settings.model_fields["max_connections"].default
    host = Settings.model_fields["host"].default
    assert socket["Socket"]["ListenStream"] == [f"{host}:{PORT}"]
    assert service["Unit"]["Requires"] == ["cdts.socket"]
    assert configparser.ConfigParser(strict=False).read(ROOT / "deploy" / "cdts.socket")


def test_nothing_of_this_machine_goes_into_the_image() -> None:
    ignored = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in ("#", "!", "")
    ]
    for path in (".env", ".venv", ".git", "data", "tests", "bench"):
        assert any(fnmatch(path, pattern) for pattern in ignored), path
