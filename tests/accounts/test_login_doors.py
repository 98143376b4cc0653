"""P15, P16 and B37: limits on every door, equal answers, and ways back."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.core import context
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from accounts.adapter import AccountAdapter
from accounts.models import AuditEntry, User
from tests.accounts.doors import is_inside, log_in, totp_code, with_totp, without_traces
from tests.conftest import PASSWORD

UNKNOWN = "nobody@example.net"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every run of the password hasher."""
    runs: list[str] = []
    plain = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str, *rest: Any) -> str:
        runs.append(salt)
        return str(plain(self, password, salt, *rest))

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return runs


# Limits, on every door


@pytest.mark.parametrize("door", ["/account/login/", "/admin/login/"])
@pytest.mark.parametrize("known", [True, False])
def test_the_sixth_try_on_an_account_is_refused_even_with_the_right_password(
    settled: User, client: Client, door: str, known: bool
) -> None:
    """B38. The admin's own form leads to the same door, so to the same limit."""
    email = settled.email if known else UNKNOWN
    for number in range(6):
        page = client.get(door, follow=True)
        assert page.request["PATH_INFO"] == "/account/login/"
        answer = log_in(Client(REMOTE_ADDR=f"10.0.0.{number}"), email, "wrong")
    assert "Too many failed login attempts" in answer.text
    late = Client(REMOTE_ADDR="10.0.1.1")
    log_in(late, email)
    assert not is_inside(late)


def test_the_admins_own_form_takes_no_password(operator: User, client: Client) -> None:
    answer = client.post("/admin/login/", {"username": operator.email, "password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/")
    assert not is_inside(client)


def test_an_address_that_guesses_is_stopped_whatever_accounts_it_tries(db: None, client: Client) -> None:
    texts = [log_in(client, f"someone{number}@example.net", "wrong").text for number in range(11)]
    assert "Too many failed login attempts" in texts[-1]
    assert "Too many failed login attempts" not in texts[8]


def test_a_spoofed_header_gives_no_new_address(db: None, client: Client) -> None:
    """B67: no proxy is trusted here, so what the header says does not count."""
    answers = [
        log_in(client, f"someone{number}@example.net", "wrong", headers={"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(11)
    ]
    assert "Too many failed login attempts" in answers[-1].text


def test_second_factors_are_guessed_five_times(settled: User, client: Client) -> None:
    with_totp(settled)
    log_in(client, settled.email)
    for _ in range(6):
        answer = client.post("/account/2fa/authenticate/", {"code": "000000"})
    client.post("/account/2fa/authenticate/", {"code": totp_code()})
    assert not is_inside(client)
    assert answer.status_code in {200, 302}
    assert AuditEntry.objects.filter(action="user.login_refused", data__reason="second factor").count() == 5


def test_confirming_has_a_limit_too(settled: User, client: Client) -> None:
    client.force_login(settled)
    for _ in range(10):
        answer = client.post("/account/reauthenticate/", {"password": "wrong"})
    assert "Too many" in answer.text or answer.status_code == 429


def test_who_is_too_fast_reads_so_in_our_words(db: None, client: Client) -> None:
    for _ in range(21):
        answer = client.post("/account/password/reset/", {"email": UNKNOWN})
    assert answer.status_code == 429
    assert "A little slower, please" in answer.text


# The same answer, and the same work


def test_a_wrong_login_looks_the_same_for_known_and_unknown_people_and_hashes_as_often(
    settled: User, hashed: list[str]
) -> None:
    known, done = log_in(Client(), settled.email, "wrong"), len(hashed)
    unknown = log_in(Client(), UNKNOWN, "wrong")
    assert known.status_code == unknown.status_code == 200
    assert without_traces(known).replace(settled.email, "") == without_traces(unknown).replace(UNKNOWN, "")
    assert (done, len(hashed) - done) == (1, 1)


def test_people_without_a_password_and_closed_accounts_look_the_same_too(settled: User, hashed: list[str]) -> None:
    settled.set_unusable_password()
    settled.save()
    hashed.clear()
    log_in(Client(), settled.email, "wrong")
    assert len(hashed) == 1
    settled.set_password(PASSWORD)
    settled.is_active = False
    settled.save()
    hashed.clear()
    log_in(Client(), settled.email, "wrong")
    assert len(hashed) == 1


def test_signing_up_looks_the_same_for_known_and_unknown_addresses_and_hashes_as_often(
    settled: User, hashed: list[str]
) -> None:
    """B39."""
    answers, work = [], []
    for email in (settled.email, UNKNOWN):
        hashed.clear()
        client = Client()
        values = {"email": email, "password1": "a long enough one", "password2": "a long enough one"}
        answer = client.post("/account/signup/", values)
        page = client.get(answer["Location"])
        answers.append((answer.status_code, answer["Location"], without_traces(page).replace(email, "")))
        work.append(len(hashed))
    assert answers[0] == answers[1]
    assert work == [1, 1]
    assert [message.to for message in mail.outbox] == [[settled.email], [UNKNOWN]]


@pytest.mark.parametrize("path", ["/account/password/reset/", "/account/login/code/"])
def test_asking_for_a_mail_looks_the_same_for_known_and_unknown_addresses(
    settled: User, hashed: list[str], path: str
) -> None:
    seen = []
    for email in (settled.email, UNKNOWN):
        hashed.clear()
        client = Client()
        answer = client.post(path, {"email": email})
        page = client.get(answer["Location"])
        seen.append((answer.status_code, answer["Location"], without_traces(page).replace(email, ""), len(hashed)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "email",
    ["a@example.org\r\nBcc: b@example.org", "a@example.org\nSubject: x", "x" * 320 + "@example.org", "@", "a@b@c",
     '"quoted local"@example.org', "ä@exämple.org", "a@xn--exmple-cua.org", "\x00@example.org", ""],
)  # fmt: skip
def test_odd_addresses_are_refused_or_taken_and_put_nothing_into_a_mail(db: None, client: Client, email: str) -> None:
    """B40."""
    values = {"email": email, "password1": "a long enough one", "password2": "a long enough one"}
    assert client.post("/account/signup/", values).status_code in {200, 302}
    for message in mail.outbox:
        assert len(message.to) == 1
        assert not message.message()["Bcc"]
        assert "\n" not in message.subject


# Ways back


HOSTILE = [
    "https://evil.example", "//evil.example", "https:evil.example", "/\\evil.example", "javascript:alert(1)",
    " https://evil.example", "\thttps://evil.example", "https:///evil.example", "http:evil.example", "\\\\evil.example",
    "/\t/evil.example", "///evil.example", "////evil.example", "http://testserver@evil.example",
    "https://evil.example/\\@testserver",
    "data:text/html,x", "vbscript:x",
    "//evil.example/..", "http://[::1]@evil.example", "//%5cevil.example", "\x01//evil.example",
    "http://testserver.evil.example/", "http://evil.example#testserver", "http://evil.example?testserver",
    "ftp://testserver/",
    "//testserver@evil.example", "https://127.0.0.1.evil.example/", "//evil%E3%80%82example", "/\r\n/evil.example",
    "\u2028//evil.example",
]  # fmt: skip


@pytest.mark.parametrize("form", HOSTILE)
@pytest.mark.parametrize("door", ["/account/login/", "/account/logout/", "/account/start-coaching/"])
def test_no_form_of_next_leads_away(settled: User, client: Client, door: str, form: str) -> None:
    """P19, B37."""
    if "login" not in door:
        client.force_login(settled)
    answer = client.post(door, {"login": settled.email, "password": PASSWORD, "next": form})
    assert answer.status_code == 302
    assert re.fullmatch(r"/(?![/\\]).*", answer["Location"]), answer["Location"]
    assert "evil" not in answer["Location"] or answer["Location"].startswith("/%")


@pytest.fixture
def adapter_at() -> Callable[..., AccountAdapter]:
    def make(*, secure: bool) -> AccountAdapter:
        request = RequestFactory().get("/", secure=secure)
        with context.request_context(request):
            return AccountAdapter()

    return make


def test_an_https_site_does_not_lead_back_to_itself_over_http(adapter_at: Callable[..., AccountAdapter]) -> None:
    assert not adapter_at(secure=True).is_safe_url("http://testserver/x")
    assert adapter_at(secure=True).is_safe_url("https://testserver/x")
    assert adapter_at(secure=True).is_safe_url("/x")


def test_a_foreign_host_header_is_refused(db: None, client: Client, settings: Settings) -> None:
    """B66: a reset link is built from it."""
    assert client.get("/account/login/", headers={"Host": "evil.example"}).status_code == 400
    answer = client.post("/account/password/reset/", {"email": "a@example.org"}, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert not mail.outbox


def test_https_is_not_believed_of_anybody_who_says_so(db: None, client: Client) -> None:
    """B68: without a proxy that is known to strip it, the header means nothing."""
    answer = client.get("/account/login/", headers={"X-Forwarded-Proto": "https"})
    assert not answer.wsgi_request.is_secure()


def test_the_pages_name_is_where_it_was(settled: User) -> None:
    """Our pages stand in the place of allauth's, under the same addresses."""
    assert reverse("accounts:sessions") == reverse("usersessions_list")
    assert reverse("accounts:set_password") == reverse("account_set_password")
    cache.clear()
