from collections.abc import Callable, Iterator

import pytest
from allauth.account.models import EmailAddress
from pytest_django import Settings

from accounts.logins.github.views import GitHubLoginAdapter
from accounts.logins.google.views import GoogleLoginAdapter
from accounts.models import User
from config.env import Application
from integrations.encryption import Secret
from integrations.sandbox import RunningSandbox, running
from integrations.sandbox.logins import CLIENT_ID, CLIENT_SECRET
from tests.accounts.login_world import Visitor

APPLICATION = Application(CLIENT_ID, Secret(CLIENT_SECRET))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[RunningSandbox]:
    """Both providers are set up, and stand at a free port of this machine."""
    settings.LOGIN_APPLICATIONS = {"google": APPLICATION, "github": APPLICATION}
    with running() as sandbox:
        google, github = f"{sandbox.url}/google", f"{sandbox.url}/github"
        for name, url in {
            "authorize_url": f"{google}/authorize", "access_token_url": f"{google}/token",
            "identity_url": f"{google}/userinfo", "keys_url": f"{google}/certs",
        }.items():  # fmt: skip
            monkeypatch.setattr(GoogleLoginAdapter, name, url)
        for name, url in {
            "authorize_url": f"{github}/login/oauth/authorize",
            "access_token_url": f"{github}/login/oauth/access_token",
            "profile_url": f"{github}/api/v3/user", "emails_url": f"{github}/api/v3/user/emails",
        }.items():  # fmt: skip
            monkeypatch.setattr(GitHubLoginAdapter, name, url)
        yield sandbox


@pytest.fixture
def someone(world: RunningSandbox, db: None) -> Callable[[], Visitor]:
    """A new browser in front of the pages."""
    return lambda: Visitor(world)


@pytest.fixture
def settled(athlete: User) -> User:
    """Somebody with a proven address and a password."""
    EmailAddress.objects.create(user=athlete, email=athlete.email, verified=True, primary=True)
    return athlete
