"""System checks of the vault: a process with a broken ring says so before it touches a secret."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from integrations import sealed
from integrations.encryption import KeyRing, KeyRingInvalid
from integrations.models import VaultKey

HOW = "A list of <id>:<base64 of 32 bytes>, the primary one first; `manage.py vault_key new` prints one."


@register(Tags.security)
def check_ring(**_: Any) -> list[CheckMessage]:
    """E001 to E005: what can be told from the ring alone."""
    try:
        ring = KeyRing.parse(settings.CREDENTIAL_KEYS)
    except KeyRingInvalid as exc:
        return [_error(exc.code, f"CREDENTIAL_KEYS: {exc}.")]
    weak = ring.weak_keys(secret_key=settings.SECRET_KEY)
    return [_error("E005", f"CREDENTIAL_KEYS: nobody drew the key {kid} at random.") for kid in weak]


@register(Tags.database)
def check_rows(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E006 and E007: what is sealed needs keys that the ring has, with the bytes they had then."""
    if "default" not in (databases or ()):
        return []
    try:
        ring = KeyRing.parse(settings.CREDENTIAL_KEYS)
    except KeyRingInvalid:
        return []  # told by check_ring
    tables = set(connections["default"].introspection.table_names())
    columns = [column for column in sealed.columns() if column.model._meta.db_table in tables]
    missing = sorted({kid for column in columns for kid in column.count_by_key()} - ring.keys.keys())
    found: list[CheckMessage] = [
        _error("E006", f"CREDENTIAL_KEYS: rows are sealed with the key {kid}, which is not there.") for kid in missing
    ]
    if VaultKey._meta.db_table in tables:
        for key in VaultKey.objects.filter(kid__in=ring.keys):
            if key.check_value != ring.check_value(key.kid):
                found.append(_error("E007", f"CREDENTIAL_KEYS: the key {key.kid} is another one than it was."))
    return found


def _error(code: str, message: str) -> Error:
    return Error(message, hint=HOW, id=f"integrations.{code}")
