"""Seals the seeds of second factors that were written in clear."""

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import migrations

from integrations.encryption import Context, KeyRing, open_sealed, seal

SEEDS = ("secret", "seed")


def seal_seeds(apps: Any, schema_editor: Any) -> None:
    """Safe to run twice. Without seeds it needs no key."""

    def sealed(text: str, ring: KeyRing, key: str, context: Context) -> str:
        if text.startswith("cv1:"):
            return text
        return seal(json.dumps({key: text}).encode(), keyring=ring, context=context)

    _rewrite(apps, sealed)


def open_seeds(apps: Any, schema_editor: Any) -> None:
    def opened(text: str, ring: KeyRing, key: str, context: Context) -> str:
        if not text.startswith("cv1:"):
            return text
        return str(json.loads(open_sealed(text, keyring=ring, context=context).reveal())[key])

    _rewrite(apps, opened)


def _rewrite(apps: Any, written: Callable[[str, KeyRing, str, Context], str]) -> None:
    rows = apps.get_model("mfa", "Authenticator").objects.select_for_update().order_by("pk")
    for row in rows:
        held = {key: row.data[key] for key in SEEDS if row.data.get(key)}
        for key, text in held.items():
            context = ("mfa.authenticator", str(row.user_id), f"data.{key}", f"user:{row.user_id}")
            held[key] = written(text, KeyRing.parse(settings.CREDENTIAL_KEYS), key, context)
        if held:
            rows.filter(pk=row.pk).update(data={**row.data, **held})


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0007_activities"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [migrations.RunPython(seal_seeds, open_seeds, elidable=True)]
