"""Mails about logins speak to whose account it is in his language, and to a stranger in his browser's; to friends."""

import re
from pathlib import Path

import allauth
import polib
import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, override

from accounts import voice
from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
GERMAN = {"Accept-Language": "de"}
ENGLISH = {"Accept-Language": "en"}
NEW = "neu@example.org"
STRANGERS = re.compile(r"\b(Sie|Ihr|Ihre|Ihrem|Ihren|Ihrer|Ihnen)\b")


@pytest.fixture
def german(athlete: User) -> User:
    EmailAddress.objects.create(user=athlete, email=athlete.email, verified=True, primary=True)
    athlete.language = "de"
    athlete.save(update_fields=["language"])
    return athlete


def ask_for_a_code(email: str, headers: dict[str, str]) -> mail.EmailMessage:
    Client(headers=headers).post("/account/login/code/", {"email": email})
    (message,) = mail.outbox
    return message


def sign_up(headers: dict[str, str], email: str = NEW) -> mail.EmailMessage:
    form = {"email": email, "password1": PASSWORD, "password2": PASSWORD}
    answer = Client(headers=headers).post("/account/signup/", form)
    assert answer.status_code == 302, answer.text
    (message,) = mail.outbox
    return message


def test_a_login_code_is_in_the_language_of_the_account(german: User) -> None:
    message = ask_for_a_code(german.email, ENGLISH)
    assert message.subject == "Dein Anmeldecode für Transformation Coaching"
    assert "Wenn du das nicht warst, beachte diese Mail nicht." in message.body


def test_a_login_code_for_nobody_is_in_the_language_of_the_browser(db: None) -> None:
    message = ask_for_a_code("niemand@example.org", GERMAN)
    assert "Ein solches Konto gibt es bei uns aber nicht." in message.body
    mail.outbox.clear()
    assert "do not have any record of such an account" in ask_for_a_code("nobody@example.org", ENGLISH).body


def test_who_signs_up_on_a_german_page_has_a_german_account(db: None) -> None:
    assert sign_up(GERMAN).subject == "Dein Code für Transformation Coaching"
    assert User.objects.get(email=NEW).language == "de"


def test_who_signs_up_on_another_page_has_an_english_account(db: None) -> None:
    assert sign_up({"Accept-Language": "fr"}).subject == "Your code for Transformation Coaching"
    assert User.objects.get(email=NEW).language == "en"


def test_who_signs_up_once_more_is_told_in_the_language_of_the_account(german: User) -> None:
    body = sign_up(ENGLISH, german.email).body
    assert "Mit dieser Adresse hast du schon ein Konto." in body


def test_news_of_the_account_are_in_its_language_and_speak_to_a_friend(german: User) -> None:
    client = Client(headers=ENGLISH)
    client.force_login(german)
    session = client.session
    session["confirmed_at"] = timezone.now().timestamp()
    session.save()
    new = "another correct horse"
    client.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    (message,) = mail.outbox
    assert "weil sich an deinem Konto etwas geändert hat" in message.body
    assert not STRANGERS.search(str(message.body))


def test_what_allauth_says_to_strangers_is_said_to_friends() -> None:
    """Of its German, only what nobody meets here may stay: telephones, and a list that is a page of our own."""
    theirs = polib.mofile(str(Path(allauth.__file__).parent / "locale" / "de" / "LC_MESSAGES" / "django.mo"))
    strange = {entry.msgid for entry in theirs if STRANGERS.search(entry.msgstr) and "hone" not in entry.msgid}
    assert strange <= set(voice.SENTENCES), "its words have changed: say them in accounts/voice.py"
    with override("de"):
        assert [text for text in voice.SENTENCES if STRANGERS.search(gettext(text)) or gettext(text) == text] == []
