from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import Tags, run_checks
from django.test import override_settings

from config import checks


def test_every_template_compiles() -> None:
    assert checks.templates_compile() == []


def test_a_template_with_an_unknown_filter_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text("{{ name|no_such_filter }}")
    templates = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    with override_settings(TEMPLATES=templates, BASE_DIR=tmp_path):
        problems = [found for found in run_checks(tags=[Tags.templates], include_deployment_checks=True) if found.id]
    found = [(problem.id, problem.obj) for problem in problems if str(problem.id).startswith("config.")]
    assert found == [("config.E002", "broken.html")]


@pytest.mark.parametrize("folder", ["config/demo/templates", "templates"])
def test_the_folders_of_the_product_are_looked_at(folder: str) -> None:
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "config.demo"]):
        looked_at = [str(found.relative_to(settings.BASE_DIR)) for found in checks._folders()]
    assert folder in looked_at
    assert not any(".venv" in found for found in looked_at)
