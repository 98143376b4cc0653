"""The Keys page of operations: what it says, what its buttons do, and who may press them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.staff import SECRETS, sync_groups
from integrations import vault
from integrations.encryption import new_key
from integrations.models import Credential, Provider, VaultKey, VaultRotation
from integrations.services import rotating
from tests.conftest import make_user
from tests.integrations import sealing
from tests.integrations.broker import taken

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = reverse("admin:integrations_vaultkey_changelist")
JOBS = reverse("admin:integrations_vaultrotation_changelist")
PROGRESS = reverse("admin:integrations_vaultkey_progress")


@pytest.fixture
def keys() -> dict[str, str]:
    """Drawn anew: a process remembers the keys that it has written down."""
    return {kid: new_key(kid) for kid in ("k1", "k2", "k3")}


@pytest.fixture
def sealed_before(garmin_provider: Provider, keys: dict[str, str]) -> Iterator[list[Credential]]:
    """Three logins under k1; k2 is first by now."""
    with override_settings(CREDENTIAL_KEYS=keys["k1"]):
        made = sealing.credentials(garmin_provider, 3)
    with override_settings(CREDENTIAL_KEYS=f"{keys['k2']},{keys['k1']}"):
        yield made


@pytest.fixture
def ops(client: Client, operator: User) -> Client:
    """Without a seed of his own, which would be one more sealed row."""
    Authenticator.objects.filter(user=operator).update(type=Authenticator.Type.WEBAUTHN, data={})
    client.force_login(operator)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def press(client: Client, operation: str, row: VaultKey | VaultRotation, reason: str = "changing the key") -> str:
    url = PAGE if isinstance(row, VaultKey) else JOBS
    chosen = {"action": operation, "_selected_action": [row.pk], "confirmed": "1", "reason": reason}
    return words(client.post(url, chosen, follow=True))


@pytest.fixture
def known(sealed_before: list[Credential]) -> VaultKey:
    """k2 as a worker's tick writes it down."""
    vault.sealing_ring()
    return VaultKey.objects.get(kid="k2")


def test_it_tells_which_key_seals_what_and_what_comes_next(ops: Client, known: VaultKey, keys: dict[str, str]) -> None:
    html = words(ops.get(PAGE))
    assert "3 rows still need an older key. Seal everything with k2" in html
    assert "first: seals what is new" in html
    assert "Seal everything with k2…" in html
    assert "Retire" not in html.split("What comes next")[1].split("Changing the key")[0]
    assert keys["k1"].split(":")[1] not in html


def test_rotating_asks_for_a_reason_rings_a_worker_and_shows_how_far_it_is(ops: Client, known: VaultKey) -> None:
    taken("housekeeping")
    assert "This field is required" in press(ops, "rotate", known, reason="")
    assert not VaultRotation.objects.exists()
    html = press(ops, "rotate", known)
    rotation = VaultRotation.objects.get()
    assert ("integrations.tasks.rotate_keys", [rotation.pk]) in taken("housekeeping")
    assert "Waiting for a worker" in html
    assert "A rotation is under way. 3 rows still need an older key" in html
    assert PROGRESS in html
    assert (rotation.target, rotation.started_by) == ("k2", User.objects.get(email="ops@example.org"))
    assert AuditEntry.objects.get(action="vaultkey.rotate").data["reason"] == "changing the key"
    moving = ops.get(PROGRESS)
    assert "HX-Refresh" not in moving
    rotating.run(rotation.pk)
    over = ops.get(PROGRESS)
    assert (over["HX-Refresh"], "3 of 3 sealed anew" in words(over)) == ("true", True)
    assert "Nothing needs k1 any more" in words(ops.get(PAGE))


def test_a_rotation_to_a_key_that_is_not_first_is_refused_in_words(ops: Client, sealed_before: object) -> None:
    html = press(ops, "rotate", VaultKey.objects.get(kid="k1"))
    assert "New logins are still sealed with k2. Put k1 first" in html
    assert not VaultRotation.objects.exists()
    assert not AuditEntry.objects.filter(action="vaultkey.rotate").exists()


def test_stop_and_continue(ops: Client, known: VaultKey) -> None:
    rotation = rotating.start("k2", by=None)
    assert "Stopped" in press(ops, "stop", rotation)
    rotating.run(rotation.pk)
    assert rotating.left("k2") == 3
    assert "Waiting for a worker" in press(ops, "go_on", rotation)
    rotating.run(rotation.pk)
    assert rotating.left("k2") == 0
    assert {"vaultrotation.stop", "vaultrotation.go_on", "vaultrotation.rotate_ended"} <= set(
        AuditEntry.objects.values_list("action", flat=True)
    )


def test_verifying_counts_what_does_not_open_and_changes_nothing(ops: Client, known: VaultKey) -> None:
    first, second, _ = Credential.objects.order_by("pk")
    Credential.objects.filter(pk=first.pk).update(sealed=second.sealed)
    before = list(Credential.objects.order_by("pk").values_list("sealed", "key_id"))
    press(ops, "verify", known)
    rotating.run(VaultRotation.objects.get(kind="verify").pk)
    html = words(ops.get(PAGE))
    assert "2 of 3 opened, 1 did not open; they are as they were" in html
    assert "1 tampered" in html
    assert list(Credential.objects.order_by("pk").values_list("sealed", "key_id")) == before


def test_a_key_retires_only_when_nothing_needs_it(ops: Client, known: VaultKey) -> None:
    old = VaultKey.objects.get(kid="k1")
    assert "did not need it or may not have it" in press(ops, "retire", old)
    assert "did not need it or may not have it" in press(ops, "retire", known)
    rotating.run(rotating.start("k2", by=None).pk)
    assert "Retire k1…" in words(ops.get(PAGE))
    press(ops, "retire", old)
    old.refresh_from_db()
    known.refresh_from_db()
    assert (old.retired_at is not None, known.retired_at) == (True, None)


def test_a_missing_key_is_said_loudly(ops: Client, known: VaultKey, keys: dict[str, str]) -> None:
    with override_settings(CREDENTIAL_KEYS=keys["k2"]):
        assert "3 rows need the key k1, which is not in the ring" in words(ops.get(PAGE))
    with override_settings(CREDENTIAL_KEYS=""):
        assert "there is no key" in words(ops.get(PAGE))


def test_a_key_that_was_only_added_is_not_to_be_retired(ops: Client, known: VaultKey, keys: dict[str, str]) -> None:
    with override_settings(CREDENTIAL_KEYS=",".join(keys[kid] for kid in ("k2", "k1", "k3"))):
        html = words(ops.get(PAGE))
    assert "k3 can be read by this process. Once all parts have it, put it first." in html
    assert "Retire k3" not in html


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    def enter(*permissions: str) -> Client:
        user = make_user(f"staff{User.objects.count()}@example.org", "Stefan Staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    return enter


def test_who_may_only_look_sees_no_button_and_presses_none(staff: Callable[..., Client], known: VaultKey) -> None:
    looking = staff("view_vaultkey", "change_vaultkey", "view_vaultrotation")
    assert "Seal everything with k2…" not in words(looking.get(PAGE))
    for operation in ("rotate", "verify", "retire"):
        press(looking, operation, known)
    assert not VaultRotation.objects.exists()
    assert looking.get(PROGRESS).status_code == 200


def test_others_do_not_even_see_it(staff: Callable[..., Client], known: VaultKey) -> None:
    other = staff("view_connection")
    assert other.get(PAGE).status_code == 403
    assert other.get(PROGRESS).status_code == 403


def test_the_permission_comes_with_the_group_for_secrets_only() -> None:
    sync_groups()
    holders = Permission.objects.get(codename="rotate_keys").group_set.values_list("name", flat=True)
    assert list(holders) == [SECRETS]
