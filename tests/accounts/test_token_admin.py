"""Operations and people's tokens: to look at and to revoke; the token and its hash are on no page."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts import personal_tokens, staff
from accounts.models import AccessToken, AuditEntry, TokenScope, User
from tests.conftest import make_user

LIST = reverse("admin:accounts_accesstoken_changelist")


@pytest.fixture
def made(coach: User) -> tuple[AccessToken, str]:
    return personal_tokens.make(coach, name="My <b>script</b>", scopes=[TokenScope.LIBRARY_READ], days=7)


def page(token: AccessToken) -> str:
    return reverse("admin:accounts_accesstoken_change", args=[token.pk])


def revoke(client: Client, token: AccessToken, **values: str) -> int:
    chosen = {"action": "revoke", "_selected_action": [token.pk], **values}
    return client.post(LIST, chosen, follow=True).status_code


def may_come_in(token: str) -> bool:
    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/workouts")
    return answer.status_code == 200


def test_the_pages_say_whose_it_is_and_what_it_may_and_never_the_token(
    ops: Client, coach: User, made: tuple[AccessToken, str]
) -> None:
    row, token = made
    history = reverse("admin:accounts_accesstoken_history", args=[row.pk])
    texts = [ops.get(address).text for address in (LIST, page(row), history)]
    for text in texts[:2]:
        assert "Carla Coach" in text
        assert "My &lt;b&gt;script" in text
        assert "Read my workouts" in text
        assert f"…{row.hint}" in text
    for text in texts:
        assert token not in text
        assert token.removesuffix(row.hint)[-20:] not in text
        assert row.token_hash not in text
    assert "My &lt;b&gt;script" not in ops.get(f"{LIST}?revoked_at__isempty=0").text.split('id="changelist-form"')[1]


def test_a_hash_is_not_guessed_by_filters(ops: Client, made: tuple[AccessToken, str]) -> None:
    """B57."""
    row, _ = made
    for question in (f"token_hash={row.token_hash}", "token_hash__startswith=a", "user__password__startswith=md5"):
        assert ops.get(f"{LIST}?{question}").status_code == 400
    assert "My &lt;b&gt;script" not in ops.get(f"{LIST}?q={row.token_hash}").text


def test_nothing_is_edited_added_or_deleted(ops: Client, made: tuple[AccessToken, str]) -> None:
    row, _ = made
    assert ops.get(reverse("admin:accounts_accesstoken_add")).status_code == 403
    assert ops.post(reverse("admin:accounts_accesstoken_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert ops.post(page(row), {"name": "other", "expires_at_0": "2099-01-01"}).status_code == 403
    row.refresh_from_db()
    assert row.name == "My <b>script</b>"


def test_revoking_needs_a_reason_and_stands_in_the_audit_log(
    ops: Client, operator: User, made: tuple[AccessToken, str]
) -> None:
    row, token = made
    assert may_come_in(token)
    revoke(ops, row)
    revoke(ops, row, confirmed="1", reason="no")
    assert may_come_in(token)
    assert revoke(ops, row, confirmed="1", reason="it was found in a public place") == 200
    assert not may_come_in(token)
    entry = AuditEntry.objects.get(action="accesstoken.revoke")
    assert (entry.actor, entry.object_id, entry.level) == (operator, str(row.public_id), "security")
    assert entry.data["reason"] == "it was found in a public place"
    assert token not in str(entry.data)
    at = AccessToken.objects.get().revoked_at
    revoke(ops, row, confirmed="1", reason="once more, to be sure")
    assert AuditEntry.objects.filter(action="accesstoken.revoke").count() == 1
    assert AccessToken.objects.get().revoked_at == at


@pytest.mark.parametrize(
    ("group", "may_look", "may_revoke"), [("", 403, False), (staff.VIEW, 200, False), (staff.OPERATE, 200, True)]
)
def test_who_looks_and_who_revokes(
    client: Client, made: tuple[AccessToken, str], group: str, may_look: int, may_revoke: bool
) -> None:
    row, token = made
    user = make_user("some@example.org", "Some Staff", is_staff=True)
    if group:
        user.groups.add(Group.objects.get(name=staff.VIEW), Group.objects.get(name=group))
    client.force_login(user)
    assert client.get(LIST).status_code == client.get(page(row)).status_code == may_look
    revoke(client, row, confirmed="1", reason="to see whether I may")
    assert may_come_in(token) is not may_revoke
