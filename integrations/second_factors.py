"""Seeds of second factors in the vault: what makes somebody's codes stands in no column as it is.

allauth keeps a seed in the row's JSON and asks its adapter to open it, but tells the adapter the text only. So a text
that comes out of the database carries its place along: whose row it stood in. A person has one app and one set of
recovery codes, so an envelope opens in its own row and nowhere else. What that does not promise: who may write to the
table can still put a seed of his own there in clear, for those from before there were envelopes are read, and sealed
when their row is next saved. The migration seals the ones that lie still.
"""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.db.models.signals import post_init, pre_save
from django.dispatch import receiver

from integrations import vault
from integrations.encryption import VERSION

SEEDS = ("secret", "seed")  # of an app that makes codes; of recovery codes


class SealedSeed(str):
    """An envelope that knows where it stood. To the database it is a text like any other."""

    key: str
    user_id: int

    @classmethod
    def in_row(cls, blob: str, row: Authenticator, key: str) -> "SealedSeed":
        seed = cls(blob)
        seed.key, seed.user_id = key, row.user_id
        return seed

    @property
    def place(self) -> dict[str, str]:
        return _place(self.key, self.user_id)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    def decrypt(self, encrypted_text: str) -> str:
        """Raises VaultUnavailable, also for an envelope that did not come out of a row."""
        if isinstance(encrypted_text, SealedSeed):
            opened = vault.open_json(encrypted_text, **encrypted_text.place)
            return str(opened[encrypted_text.key])
        if encrypted_text.startswith(f"{VERSION}:"):
            raise vault.VaultUnavailable("a seed without its row", code="vault_tampered")
        return encrypted_text


@receiver(pre_save, sender=Authenticator, dispatch_uid="integrations.seal_second_factor")
def seal(instance: Authenticator, **_: Any) -> None:
    """Whoever saves a row, whatever he put into it. Raises VaultUnavailable, and then nothing is saved."""
    for key in _held(instance):
        text = instance.data[key]
        if not text.startswith(f"{VERSION}:"):
            blob = vault.seal_json({key: text}, **_place(key, instance.user_id))
            instance.data = {**instance.data, key: SealedSeed.in_row(blob, instance, key)}


@receiver(post_init, sender=Authenticator, dispatch_uid="integrations.place_second_factor")
def remember_place(instance: Authenticator, **_: Any) -> None:
    """Rows are made from the database here, too; those that are being made hold no envelope yet."""
    for key in _held(instance):
        if instance.data[key].startswith(f"{VERSION}:"):
            instance.data = {**instance.data, key: SealedSeed.in_row(instance.data[key], instance, key)}


def _held(row: Authenticator) -> list[str]:
    """The seeds in it; none where the column was not read."""
    data = row.__dict__.get("data") or {}
    return [key for key in SEEDS if isinstance(data.get(key), str)]


def _place(key: str, user_id: int) -> dict[str, str]:
    return {
        "model_label": Authenticator._meta.label_lower,
        "row_uuid": str(user_id),  # the row of this person; its own number is not known before it is written
        "field": f"data.{key}",
        "owner": f"user:{user_id}",
    }
