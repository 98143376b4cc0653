"""Coming in with Google and GitHub: the good ways, through allauth's own provider classes and real HTTP."""

from collections.abc import Callable
from urllib.parse import urlsplit

import oidc_provider_mock
import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from accounts.logins.google.views import GoogleLoginAdapter
from accounts.models import AuditEntry, LoginApplication, User
from config import env, logins
from config.env import Application
from integrations.encryption import Secret
from integrations.sandbox import RunningSandbox
from tests.accounts.login_world import ADA, NORA, Visitor, query_of
from tests.conftest import PASSWORD

type Someone = Callable[[], Visitor]


@pytest.mark.parametrize("provider", ["google", "github"])
def test_a_newcomer_is_inside_at_once_with_the_address_that_the_provider_vouches_for(
    someone: Someone, provider: str
) -> None:
    nora = someone()
    answer = nora.log_in(NORA, provider)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert nora.is_inside
    user = User.objects.get()
    assert (user.email, user.display_name, user.has_usable_password()) == ("nora@demo.example", "Nora Newcomer", False)
    address = EmailAddress.objects.get()
    assert (address.user, address.email, address.verified, address.primary) == (user, user.email, True, True)
    account = SocialAccount.objects.get()
    assert (account.provider, account.uid) == (provider, NORA)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["user.signed_up", "user.logged_in"]
    again = someone()
    again.log_in(NORA, provider)
    assert again.user_id == user.pk
    assert User.objects.count() == 1


def test_what_leaves_with_the_browser_is_bound_to_this_login_and_to_nothing_that_a_link_says(someone: Someone) -> None:
    """allauth would take the parameters of the link over its own: the state, the address, the permissions."""
    evil = "state=mine&redirect_uri=https://evil.example/&nonce=mine&client_id=evil&code_challenge=x"
    where = someone().depart("google", auth_params=evil, scope="https://www.googleapis.com/auth/drive")
    asked = query_of(where)
    assert asked["client_id"] == "sandbox-login"
    assert asked["redirect_uri"] == "http://testserver/account/google/login/callback/"
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["nonce"]) >= 32
    assert asked["state"] != "mine"
    other = query_of(someone().depart("google"))
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(other.values())


def test_github_gets_no_nonce_and_all_the_rest(someone: Someone) -> None:
    asked = query_of(someone().depart("github"))
    assert asked["scope"] == "user:email"
    assert asked["code_challenge_method"] == "S256"
    assert "nonce" not in asked


def test_nothing_of_the_login_at_the_provider_is_kept_but_who_it_was(someone: Someone) -> None:
    someone().log_in(NORA)
    assert SocialAccount.objects.get().extra_data == {"email": "nora@demo.example", "name": "Nora Newcomer"}


def test_the_login_page_leads_on_to_where_somebody_wanted_to_go(someone: Someone) -> None:
    assert someone().log_in(NORA, next="/connections/")["Location"] == "/connections/"


def test_a_get_goes_nowhere_by_itself(someone: Someone) -> None:
    answer = someone().client.get("/account/google/login/")
    assert answer.status_code == 200
    assert "Google" in answer.text


def test_connecting_is_a_second_door_to_the_same_account(someone: Someone, athlete: User) -> None:
    EmailAddress.objects.create(user=athlete, email=athlete.email, verified=True, primary=True)
    inside = someone()
    inside.client.force_login(athlete)
    answer = inside.connect(ADA)
    assert answer["Location"] == "/account/3rdparty/"
    assert SocialAccount.objects.get().user == athlete
    assert AuditEntry.objects.get(action="user.login_connected").data == {"provider": "google"}
    later = someone()
    later.log_in(ADA)
    assert later.user_id == athlete.pk
    athlete.refresh_from_db()
    assert athlete.email == "athlete@example.org"


def test_disconnecting_closes_the_door(someone: Someone, athlete: User) -> None:
    EmailAddress.objects.create(user=athlete, email=athlete.email, verified=True, primary=True)
    inside = someone()
    inside.client.force_login(athlete)
    inside.connect(ADA)
    inside.client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()
    assert AuditEntry.objects.filter(action="user.login_disconnected", actor=athlete).count() == 1
    later = someone()
    later.log_in(ADA)
    assert later.user_id != athlete.pk


def test_an_independent_openid_provider_gets_on_with_us(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    """oidc-provider-mock knows nothing of our stand-in: discovery, keys, code and id token are its own."""
    claims = {"email": "olga@example.net", "email_verified": True, "name": "Olga Open"}
    people = [oidc_provider_mock.User(sub="olga-1", claims=claims)]
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with oidc_provider_mock.run_server_in_thread(user_claims=people, require_nonce=True) as server:
        base = f"http://localhost:{server.server_port}"
        found = requests.get(f"{base}/.well-known/openid-configuration", timeout=60).json()
        for name, key in {
            "authorize_url": "authorization_endpoint", "access_token_url": "token_endpoint", "keys_url": "jwks_uri",
            "id_token_issuer": "issuer",
        }.items():  # fmt: skip
            monkeypatch.setattr(GoogleLoginAdapter, name, found[key])
        olga = someone()
        consent = requests.post(olga.depart(), data={"sub": "olga-1"}, allow_redirects=False, timeout=60)
        olga.arrive(consent.headers["Location"])
    assert olga.is_inside
    assert SocialAccount.objects.get().uid == "olga-1"
    assert User.objects.get().email == "olga@example.net"


# How it is set up


def buttons(client: Client) -> set[str]:
    text = client.get("/account/login/").text
    return {name for name in ("Google", "GitHub") if f"Continue with {name}" in text}


def test_buttons_are_there_only_where_a_provider_is_set_up(world: RunningSandbox, client: Client, db: None) -> None:
    assert buttons(client) == {"Google", "GitHub"}


def test_no_provider_no_button_and_no_route(db: None, client: Client, settings: Settings) -> None:
    settings.LOGIN_APPLICATIONS = {}
    assert buttons(client) == set()
    assert client.post("/account/google/login/").status_code == 404


@pytest.mark.parametrize(("mode", "known_as"), [("on", "of-the-row"), ("environment", "sandbox-login"), ("off", None)])
def test_the_row_wins_over_the_environment(someone: Someone, mode: str, known_as: str | None) -> None:
    row = LoginApplication(provider="google", mode=mode, client_id="of-the-row")
    row.seal_secret("hush-hush")
    row.save()
    answer = someone().client.post("/account/google/login/")
    if known_as is None:
        assert answer.status_code == 404
    else:
        assert query_of(answer["Location"])["client_id"] == known_as


def test_the_sealed_secret_is_what_the_provider_is_told(someone: Someone, world: RunningSandbox) -> None:
    row = LoginApplication(provider="google", client_id="sandbox-login")
    row.seal_secret("sandbox-login-secret")
    row.save()
    assert "sandbox-login-secret" not in row.client_secret
    nora = someone()
    nora.log_in(NORA)
    assert nora.is_inside
    row.seal_secret("another")
    row.save()
    assert someone().log_in(NORA).status_code == 400


def test_a_secret_that_does_not_open_takes_the_button_away_and_no_page_down(
    world: RunningSandbox, client: Client, db: None, settings: Settings
) -> None:
    row = LoginApplication(provider="google", client_id="sandbox-login")
    row.seal_secret("sandbox-login-secret")
    row.save()
    settings.CREDENTIAL_KEYS = "other:" + "b3RoZXJrZXlvdGhlcmtleW90aGVya2V5b3RoZXIxMjM="
    assert buttons(client) == {"GitHub"}


def test_the_environment_names_both_or_none() -> None:
    assert env.application("GOOGLE", "", "") is None
    for client_id, secret in (("id-1", ""), ("", "hush")):
        with pytest.raises(ImproperlyConfigured, match="GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET go together"):
            env.application("GOOGLE", client_id, secret)
    found = env.application("GOOGLE", "id-1", "hush")
    assert found is not None
    assert (found.client_id, found.secret.reveal()) == ("id-1", "hush")
    assert "hush" not in repr(found)


def test_the_demo_has_the_sandbox_and_a_real_application_the_real_addresses() -> None:
    mine = Application("real", Secret("real"))
    both = logins.providers(logins.in_demo({"google": mine}), "http://127.0.0.1:8011")
    assert "AUTHORIZE_URL" not in both["google"]
    assert both["github"]["GITHUB_URL"] == "http://127.0.0.1:8011/github"
    assert logins.origins(both) == ["http://127.0.0.1:8011", "https://accounts.google.com"]
    plain = logins.providers({}, "http://127.0.0.1:8011")
    assert logins.origins(plain) == ["https://accounts.google.com", "https://github.com"]


@pytest.mark.parametrize("path", ["/account/login/", "/account/signup/", "/account/google/login/"])
def test_the_policy_of_pages_with_buttons_lets_their_forms_lead_away(
    world: RunningSandbox, client: Client, db: None, path: str
) -> None:
    policy = client.get(path)["Content-Security-Policy"]
    form_action = next(part for part in policy.split(";") if part.strip().startswith("form-action"))
    assert form_action.split() == ["form-action", "'self'", "https://accounts.google.com", "https://github.com"]
    assert "https:" not in client.get("/account/password/reset/")["Content-Security-Policy"]


def test_a_person_with_a_password_comes_in_as_before(someone: Someone, athlete: User) -> None:
    EmailAddress.objects.create(user=athlete, email=athlete.email, verified=True, primary=True)
    ada = someone()
    answer = ada.type_login(athlete.email, PASSWORD)
    assert urlsplit(answer["Location"]).path == "/"
    assert ada.user_id == athlete.pk
