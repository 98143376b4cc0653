"""Compose cannot be started here: it is linted, parsed, and every name it uses is looked up on the other side."""

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "docker-compose.yml"
OURS = {"migrate", "web", "worker", "beat"}
READERS = {"text", "flag", "whole", "number", "names", "database"}
IMAGE_TAG = "RELEASE"  # read by compose itself
LINTED = ["compose-lint", "check", "--fail-on", "medium", "--strict-config", "--config", ".compose-lint.yml"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """With anchors and merges written out, and variables replaced by their defaults or their names."""
    text = re.sub(r"\$\{([A-Z_]+):([-?])([^}]*)\}", lambda m: m[3] if m[2] == "-" else m[1], COMPOSE.read_text())
    return dict(json.loads(json.dumps(yaml.safe_load(text))))


def settings_names() -> set[str]:
    """What config/settings.py asks the environment for."""
    calls = [node for node in ast.walk(ast.parse((ROOT / "config" / "settings.py").read_text())) if _reads(node)]
    return {call.args[0].value for call in calls}  # type: ignore[attr-defined]


def _reads(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.func.attr in READERS
    )


def example_names() -> set[str]:
    return set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_it_is_a_compose_file(compose: dict[str, Any]) -> None:
    parsed = compose_spec.PyCompose.from_json(json.dumps(compose))
    parsed.validate()
    assert set(parsed.service_names()) == OURS | {"postgres", "valkey"}


def test_the_linter_has_nothing_to_say() -> None:
    found = subprocess.run(
        [ROOT / ".venv/bin" / LINTED[0], *LINTED[1:], COMPOSE.name], cwd=ROOT, capture_output=True, check=False
    )
    assert found.returncode == 0, found.stdout.decode()


def test_settings_and_the_example_name_the_same_variables() -> None:
    assert settings_names() == example_names() - {IMAGE_TAG}


def test_compose_sets_only_what_settings_read(compose: dict[str, Any]) -> None:
    for name in OURS:
        given = set(compose["services"][name]["environment"])
        assert {each.removesuffix("_FILE") for each in given} <= settings_names()
    asked = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text()))
    assert asked <= example_names()


def test_every_reference_inside_the_file_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]
        for name, value in (service.get("environment") or {}).items():
            if name.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_secrets_come_as_files_and_nothing_runs_as_root(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["user"].split(":")[0] not in {"0", "root"}, name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        plain = [key for key in service.get("environment", {}) if re.search(r"SECRET|PASSWORD|KEY|_URL$", key)]
        assert [key for key in plain if not key.endswith("_FILE")] in ([], ["SITE_URL"]), name
    secret_files = {secret["file"].removeprefix("./") for secret in compose["secrets"].values()}
    ignored = (ROOT / ".gitignore").read_text().split() + (ROOT / ".dockerignore").read_text().split()
    assert all(file.startswith("secrets/") for file in secret_files)
    assert {"secrets/", "secrets"} <= set(ignored)


def test_only_the_web_is_reachable_and_only_from_this_machine(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    assert compose["networks"]["back"] == {"internal": True}
    assert {tuple(compose["services"][name]["networks"]) for name in ("postgres", "valkey")} == {("back",)}


def test_processes_wait_for_the_migration_and_are_probed(compose: dict[str, Any]) -> None:
    for name in OURS - {"migrate"}:
        service = compose["services"][name]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert service["healthcheck"]["test"] == ["CMD", "python", "manage.py", "probe", name]


def test_the_image_runs_as_nobody_in_particular_with_hashed_packages() -> None:
    text = (ROOT / "Dockerfile").read_text()
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users[-1] == "10001:10001"
    assert "--require-hashes" in text
    copied = re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)
    assert all((ROOT / file).exists() for file in copied)
