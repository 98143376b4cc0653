import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.mail.backends.filebased import EmailBackend
from django.test import Client, modify_settings, override_settings
from django.urls import NoReverseMatch, clear_url_caches, include, path, reverse

from accounts.models import User
from coaching.models import CoachingLink
from coaching.services import inviting
from config import urls
from config.checks import demo_stays_at_home
from config.demo import mailbox, seeding
from config.demo.people import ATHLETES, COACH, OPERATOR, PASSWORD
from integrations.models import Provider, ProviderMode
from integrations.services.provisioning import sync_providers

SANDBOX = "http://127.0.0.1:8011"


@pytest.fixture
def demo_mode(db: None) -> Iterator[None]:
    """The settings that DEMO=true makes, with its people."""
    mounted = ModuleType("urls_of_the_demo")
    mounted.urlpatterns = [path("demo/", include("config.demo.urls")), *urls.urlpatterns]  # type: ignore[attr-defined]
    with (
        modify_settings(INSTALLED_APPS={"append": "config.demo"}),
        override_settings(DEMO=True, ROOT_URLCONF=mounted),
    ):
        sync_providers()
        seeding.seed(SANDBOX)
        yield
    clear_url_caches()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/demo/", "/demo/mail/", "/demo/log-in/6f3c1b52-2f0e-4a60-9a3e-000000000000/"])
def test_nothing_of_the_demo_exists_outside_demo_mode(client: Client, address: str) -> None:
    User.objects.create_user(COACH.email, PASSWORD)
    assert not settings.DEMO
    assert client.get(address).status_code == 404
    assert client.post(address).status_code == 404
    assert not apps.is_installed("config.demo")
    with pytest.raises(NoReverseMatch):
        reverse("demo:home")


@pytest.mark.usefixtures("demo_mode")
def test_one_click_logs_in_as_the_person_and_drops_who_was_there(client: Client) -> None:
    page = client.get("/demo/").content.decode()
    buttons = re.findall(r'action="(/demo/log-in/[0-9a-f-]{36}/)".*?Log in as ([\w@.]+)', page, re.DOTALL)
    assert [email for _, email in buttons] == [COACH.email, *(person.email for person in ATHLETES), OPERATOR.email]
    session = client.session
    session["of_the_person_before"] = True
    session.save()
    for address, email in buttons:
        answer = client.post(address)
        assert answer.status_code == 302
        assert User.objects.get(pk=client.session["_auth_user_id"]).email == email
        assert "of_the_person_before" not in client.session


@pytest.mark.usefixtures("demo_mode")
def test_only_the_demos_own_people_can_be_logged_in_as(client: Client) -> None:
    visitor = User.objects.create_user("visitor@example.org", "correct horse battery")
    assert client.post(reverse("demo:log_in", args=[visitor.public_id])).status_code == 404
    coach = User.objects.get(email=COACH.email)
    assert client.get(reverse("demo:log_in", args=[coach.public_id])).status_code == 405
    assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("demo_mode")
def test_seeding_again_leaves_what_visitors_changed() -> None:
    coach = User.objects.get(email=COACH.email)
    assert coach.is_coach
    assert CoachingLink.objects.active_for_coach(coach).count() == len(ATHLETES) == 6
    inviting.end_link(CoachingLink.objects.get(athlete__email=ATHLETES[0].email), by=coach)
    User.objects.filter(pk=coach.pk).update(display_name="Somebody Else")
    seeding.seed("http://127.0.0.1:9011")
    assert CoachingLink.objects.active_for_coach(coach).count() == 5
    assert User.objects.get(pk=coach.pk).display_name == "Somebody Else"
    garmin = Provider.objects.get(slug="garmin")
    assert garmin.mode == ProviderMode.ENABLED
    assert garmin.base_urls["sso"] == "http://127.0.0.1:9011/garmin/sso"
    assert set(garmin.base_urls) == {"sso", "connect", "api", "token"}


def test_mails_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.filebased.EmailBackend"):
        backend = EmailBackend(file_path=str(tmp_path))
        messages = [
            mail.EmailMessage("Plain", "One line\nhttps://coaching.example/x", "a@example.org", ["b@example.org"]),
            mail.EmailMessage("Ümläut ✓", "Grüße", "a@example.org", ["c@example.org"]),
        ]
        assert backend.send_messages(messages) == 2
    found = mailbox.newest(tmp_path)
    assert [each.subject for each in found] == ["Ümläut ✓", "Plain"]
    assert found[0].text.strip() == "Grüße"
    assert found[1].to == "b@example.org"
    assert "https://coaching.example/x" in found[1].text
    assert found[0].at is not None


@pytest.mark.usefixtures("demo_mode")
def test_the_mail_page_shows_text_as_text(client: Client, tmp_path: Path) -> None:
    message = EmailMessage()
    message["To"], message["Subject"] = "ada@demo.example", "<script>alert(1)</script>"
    message.set_content("<b>bold</b> http://127.0.0.1:8010/invitation/abc/")
    (tmp_path / "1.log").write_bytes(bytes(message))
    with override_settings(EMAIL_FILE_PATH=tmp_path):
        page = client.get("/demo/mail/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;b&gt;bold" in page
    assert 'href="http://127.0.0.1:8010/invitation/abc/"' in page


@pytest.mark.parametrize(
    ("address", "hosts", "is_safe"),
    [
        ("http://127.0.0.1:8010", ["127.0.0.1", "localhost"], True),
        ("https://coaching.example", ["localhost"], False),
        ("http://127.0.0.1:8010", ["localhost", "coaching.example"], False),
        ("http://127.0.0.1:8010", ["*"], False),
    ],
)
def test_demo_mode_refuses_to_be_reachable_from_elsewhere(address: str, hosts: list[str], is_safe: bool) -> None:
    with override_settings(DEMO=True, SITE_URL=address, ALLOWED_HOSTS=hosts):
        assert [problem.id for problem in demo_stays_at_home()] == ([] if is_safe else ["config.E001"])
