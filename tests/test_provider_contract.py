"""What every provider folder keeps to. Each test runs for each folder the registry finds; nobody lists them here."""

import inspect
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from integrations import errors, providers, registry, signatures
from integrations.records import ProviderEvent
from integrations.spec import (
    UNSIGNED,
    Capability,
    Part,
    RevokingLogin,
    Webhooks,
)
from tests.contract import SLUGS, each_provider, spec
from tests.integrations.doubles.sender import webhooks as sender

WITH_LOGIN = [slug for slug, spec in registry.specs().items() if spec.credential_fields]
WITH_OAUTH = [slug for slug, spec in registry.specs().items() if spec.oauth]
HEADINGS = ["Overview", "Prerequisites", "Configuration", "API", "Errors", "Testing", "Monitoring"]
ALWAYS = {Part.ADAPTER, Part.TRANSLATOR, Part.VALIDATOR, Part.SANDBOX}
METHODS = {
    Capability.WORKOUTS_READ: {"account", "workout_page", "workout"},
    Capability.WORKOUTS_WRITE: {"newest_workouts", "create_workout", "replace_workout", "delete_workout"},
    Capability.WORKOUTS_SCHEDULE: {"schedule", "unschedule", "calendar"},
    Capability.ACTIVITIES_READ: {"account", "activity_page"},
    Capability.ACTIVITIES_DETAILS: {"activity_detail"},
    Capability.ACTIVITIES_FILE: {"activity_file"},
}
TRANSLATIONS = {
    Capability.WORKOUTS_READ: {"to_account", "to_summary", "to_workout"},
    Capability.WORKOUTS_WRITE: {"to_summary", "from_workout"},
    Capability.WORKOUTS_SCHEDULE: {"to_schedule", "to_calendar"},
    Capability.ACTIVITIES_READ: {"to_account", "to_activity"},
    Capability.ACTIVITIES_DETAILS: {"to_details"},
}
JUDGEMENTS = {
    Capability.WORKOUTS_READ: {"validate_account", "validate_workout"},
    Capability.WORKOUTS_WRITE: {"unsupported", "warnings"},
    Capability.ACTIVITIES_READ: {"validate_activity"},
}
EVERY_ERROR = [errors.IntegrationError]
for kind in EVERY_ERROR:
    EVERY_ERROR.extend(kind.__subclasses__())

WITH_WEBHOOKS = [slug for slug, spec in registry.specs().items() if spec.can(Capability.WEBHOOKS)]
each_webhooks = pytest.mark.parametrize(  # the tests' own sender keeps to it as well
    "webhooks", [*(registry.webhooks(slug) for slug in WITH_WEBHOOKS), sender], ids=[*WITH_WEBHOOKS, "sender"]
)


def folder(slug: str) -> Path:
    return Path(providers.__path__[0]) / slug


def test_the_registry_finds_garmin() -> None:
    assert "garmin" in SLUGS, "without a folder the tests below say nothing"


@each_provider
def test_the_slug_is_the_folders_name(slug: str) -> None:
    assert folder(slug).is_dir()
    assert spec(slug).slug == slug
    assert spec(slug).label
    assert spec(slug).summary.endswith(".")


@each_provider
def test_the_parts_that_the_spec_names_are_there_and_no_others(slug: str) -> None:
    there = {part for part in Part if (folder(slug) / part).is_dir() or (folder(slug) / f"{part}.py").is_file()}
    assert spec(slug).parts == there
    assert there >= ALWAYS
    for part in there:
        assert registry.part(slug, part).__doc__, f"{slug}/{part} does not say what it is"


@each_provider
def test_the_readme_has_every_heading_with_words_below_it(slug: str) -> None:
    sections = (folder(slug) / "README.md").read_text(encoding="utf-8").split("\n## ")[1:]
    told = {title.strip(): words.strip() for title, _, words in (section.partition("\n") for section in sections)}
    assert list(told) == HEADINGS
    assert all(len(words) > 40 for words in told.values())


@each_provider
def test_the_logo_is_a_drawing_that_brings_nothing_along(slug: str) -> None:
    text = (folder(slug) / "logo.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox")
    forbidden = {"script", "style", "image", "foreignObject", "use"}
    assert not forbidden & {element.tag.partition("}")[2] for element in root.iter()}
    assert len(text) < 4096


@each_provider
def test_it_brings_its_own_tests(slug: str) -> None:
    assert list((folder(slug) / "tests").glob("test_*.py"))


@each_provider
def test_every_address_is_https_on_an_allowed_host(slug: str) -> None:
    assert spec(slug).base_urls
    for role, address in spec(slug).base_urls.items():
        parts = urlsplit(address)
        assert parts.hostname in spec(slug).allowed_hosts, f"{role}: {address}"
        assert (parts.scheme, parts.query, parts.username) == ("https", "", None)
        assert not address.endswith("/")


@each_provider
def test_each_capability_has_its_methods(slug: str) -> None:
    faces = [
        ("adapter", registry.adapter_class(slug), METHODS),
        ("translator", registry.translator(slug), TRANSLATIONS),
        ("validator", registry.validator(slug), JUDGEMENTS),
    ]
    for name, face, wanted in faces:
        for capability in spec(slug).capabilities:
            missing = {method for method in wanted.get(capability, set()) if not callable(getattr(face, method, None))}
            assert not missing, f"{slug}/{name}: {capability} needs {missing}"


@each_provider
def test_webhooks_are_declared_and_brought_together(slug: str) -> None:
    assert spec(slug).can(Capability.WEBHOOKS) == (Part.WEBHOOKS in spec(slug).parts)


@each_webhooks
def test_webhooks_say_how_they_are_signed_and_how_big_they_get(webhooks: Webhooks) -> None:
    assert webhooks.SCHEME in {*signatures.SCHEMES, UNSIGNED}
    assert isinstance(webhooks.OPTIONS, signatures.Options)
    assert 0 < webhooks.MOST_BYTES <= 25 * 1024 * 1024
    assert isinstance(webhooks.ORDERED, bool)
    for name in ("identify", "handshake", "accepts", "parse"):
        asked = list(inspect.signature(getattr(webhooks, name)).parameters)
        assert asked == list(inspect.signature(getattr(Webhooks, name)).parameters)[1:]


@pytest.mark.parametrize("payload", [{}, [], {"events": "none"}, {"object_id": {}, "event_time": "x"}], ids=repr)
@each_webhooks
def test_webhooks_meet_a_strange_body_with_a_data_error_at_most(webhooks: Webhooks, payload: object) -> None:
    assert isinstance(webhooks.identify({}, payload), str)
    with suppress(errors.DataError):
        assert isinstance(webhooks.accepts({}, payload, "client", {}), bool)
    with suppress(errors.DataError):
        assert all(isinstance(event, ProviderEvent) for event in webhooks.parse(payload))


@each_provider
def test_there_is_a_way_to_connect(slug: str) -> None:
    assert bool(spec(slug).credential_fields) != bool(spec(slug).oauth)


@pytest.mark.parametrize("slug", WITH_LOGIN)
def test_a_login_form_has_a_login_and_names_the_account(slug: str) -> None:
    fields = {field.name: field for field in spec(slug).credential_fields}
    assert spec(slug).account_credential in fields
    assert fields[spec(slug).account_credential].kind != "password", "it is kept as a hint"
    login = registry.login_class(slug)
    assert all(callable(getattr(login, method, None)) for method in ("begin", "answer", "renew"))
    assert {"login", "login_hour"} <= set(spec(slug).limits)


@pytest.mark.parametrize("slug", WITH_OAUTH)
def test_oauth_says_in_words_what_is_asked_and_why(slug: str) -> None:
    endpoints = spec(slug).oauth
    assert endpoints
    assert {"authorize", "token"} <= set(spec(slug).base_urls)
    assert endpoints.authorize.startswith("/")
    assert endpoints.token.startswith("/")
    assert endpoints.scopes
    assert set(endpoints.scopes) <= set(endpoints.words)
    assert endpoints.uses
    assert all(words.endswith(".") for words in (*endpoints.words.values(), *endpoints.uses))
    reserved = {"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge"}
    assert not reserved & set(endpoints.parameters)
    login = registry.oauth_login_class(slug)
    assert all(callable(getattr(login, method, None)) for method in ("exchange", "renew"))
    assert bool(endpoints.revoke) == issubclass(login, RevokingLogin)


@each_provider
def test_limits_let_something_through(slug: str) -> None:
    assert "account" in spec(slug).limits
    assert all(limit.capacity >= 1 and limit.per_s > 0 for limit in spec(slug).limits.values())


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_error_has_words_for_people(kind: type[errors.IntegrationError]) -> None:
    assert str(kind()) == kind.advice
    assert kind.advice.endswith(".")
    general = kind in (errors.IntegrationError, errors.ResourceError)
    assert general == (kind.advice == errors.IntegrationError.advice), "words of its own"


# --- a folder that does not keep to it


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Garmin's folder once more, as `copied`, beside the real ones."""
    shutil.copytree(folder("garmin"), tmp_path / "copied", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    with monkeypatch.context() as patch:
        patch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
        _forget()
        yield tmp_path / "copied"
    _forget()


def _forget() -> None:
    registry.specs.cache_clear()
    registry.part.cache_clear()
    for name in [name for name in sys.modules if name.startswith("integrations.providers.copied")]:
        del sys.modules[name]


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_folder_is_all_that_a_new_provider_needs(copied: Path) -> None:
    rewrite(copied / "provider.py", 'SLUG = "garmin"', 'SLUG = "copied"')
    assert list(registry.specs()) == sorted([*SLUGS, "copied"])
    assert registry.spec_for("copied").slug == "copied"
    assert registry.adapter_class("copied").__module__ == "integrations.providers.copied.adapter"
    assert ("copied", "Garmin Connect") in registry.choices()


def without_provider(copied: Path) -> None:
    (copied / "provider.py").unlink()


def without_spec(copied: Path) -> None:
    rewrite(copied / "provider.py", "SPEC = ", "SPECIFICATION = ")


def with_another_thing(copied: Path) -> None:
    (copied / "provider.py").write_text('SPEC = {"slug": "copied"}\n', encoding="utf-8")


def with_the_wrong_slug(copied: Path) -> None:
    """As it was copied: it still says "garmin"."""


BREAKS: dict[Callable[[Path], None], str] = {
    without_provider: "provider.py is missing",
    without_spec: "must declare SPEC",
    with_another_thing: "must declare SPEC",
    with_the_wrong_slug: "SPEC.slug is 'garmin' but the folder is 'copied'",
}


@pytest.mark.parametrize("breaks", BREAKS, ids=lambda breaks: breaks.__name__)
def test_a_broken_folder_is_named_in_one_line(breaks: Callable[[Path], None], copied: Path) -> None:
    breaks(copied)
    with pytest.raises(registry.BrokenProvider) as caught:
        registry.specs()
    line = str(caught.value)
    assert line.startswith("integrations/providers/copied/provider.py")
    assert BREAKS[breaks] in line
    assert "\n" not in line
