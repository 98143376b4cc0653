"""Setting up Google and GitHub in the admin: secrets go in and never come out, and every change is written down."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts import staff
from accounts.models import AuditEntry, LoginApplication
from tests.conftest import make_user

SECRET = "canary-of-google-4711"
ADD = "admin:accounts_loginapplication_add"
CHANGE = "admin:accounts_loginapplication_change"


def values(**changes: str) -> dict[str, str]:
    return {"provider": "google", "mode": "on", "client_id": "id-1", "reason": "set up for the first time", **changes}


def test_a_secret_goes_in_and_never_comes_out(ops: Client) -> None:
    assert ops.post(reverse(ADD), values(new_client_secret=SECRET)).status_code == 302
    row = LoginApplication.objects.get()
    assert row.open_secret() == SECRET
    assert SECRET not in row.client_secret
    page = ops.get(reverse(CHANGE, args=[row.pk])).text
    assert f"set, fingerprint {row.fingerprint}" in page
    pages = page + ops.get(reverse("admin:accounts_loginapplication_changelist")).text
    pages += ops.get(reverse("admin:accounts_loginapplication_history", args=[row.pk])).text
    assert SECRET not in pages
    assert row.client_secret not in pages
    entry = AuditEntry.objects.get(action="loginapplication.added")
    assert "new_client_secret" in entry.data["fields"]
    assert SECRET not in str(entry.data)


def test_a_change_without_a_new_secret_keeps_the_old_one(ops: Client) -> None:
    ops.post(reverse(ADD), values(new_client_secret=SECRET))
    row = LoginApplication.objects.get()
    ops.post(reverse(CHANGE, args=[row.pk]), values(client_id="id-2", provider="github"))
    row.refresh_from_db()
    assert (row.client_id, row.provider, row.open_secret()) == ("id-2", "google", SECRET)


def test_half_an_application_is_not_switched_on(ops: Client) -> None:
    assert "give both" in ops.post(reverse(ADD), values()).text
    assert not LoginApplication.objects.exists()
    assert ops.post(reverse(ADD), values(mode="off")).status_code == 302


@pytest.mark.parametrize(("group", "may"), [(staff.VIEW, False), (staff.OPERATE, False), (staff.SECRETS, True)])
def test_only_who_sets_secrets_sets_this_one(client: Client, db: None, group: str, may: bool) -> None:
    """B57: to name another application is to decide where people's logins go."""
    user = make_user("some@example.org", "Some Staff", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    answer = client.post(reverse(ADD), values(new_client_secret=SECRET))
    assert (answer.status_code == 302) == may
    assert LoginApplication.objects.exists() == may


def test_allauths_own_pages_are_not_there(ops: Client) -> None:
    for path in ("socialaccount/socialapp/", "socialaccount/socialaccount/", "socialaccount/socialtoken/"):
        assert ops.get(f"/admin/{path}").status_code == 404
    for path in ("mfa/authenticator/", "account/emailaddress/", "usersessions/usersession/"):
        assert ops.get(f"/admin/{path}").status_code == 404
