"""Who may not log in to which provider account, until when and why: kept in the database, asked on every path.

Providers punish repeated logins per account and make the wait longer with every further try, so we wait longer first.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Greatest, Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from integrations import errors
from integrations.models import LoginCooldown, Provider
from integrations.timing import seconds, timing

WRONG_PASSWORDS = 3
TOO_MANY_WRONG = "too_many_wrong"
COOLING_DOWN = "cooling_down"


def account_key(provider: Provider, account: str) -> str:
    """Finds the account again without keeping its name; the same however it was typed."""
    normalised = f"{provider.slug}\0{account.strip().casefold()}"
    return salted_hmac("integrations.login_account", normalised, algorithm="sha256").hexdigest()


def hint(account: str) -> str:
    """Enough to tell one's accounts apart: "m…@example.org"."""
    name, _, domain = account.strip().partition("@")
    shown = f"{name[:1]}…@{domain}" if domain else f"{name[:1]}…"
    return shown[:64]


def standing(provider: Provider, key: str) -> LoginCooldown | None:
    """The cool-down that forbids a login now."""
    return LoginCooldown.objects.filter(provider=provider, account_key=key, until__gt=Now()).first()


@transaction.atomic
def count_wrong_password(provider: Provider, key: str) -> int:
    """One more refused password; the third within a day starts a cool-down. Returns how many tries are left."""
    row = _locked(provider, key)
    stale = row.updated_at < timezone.now() - seconds(timing().login_cooldowns_s[-1])
    wrong = 1 if stale else row.wrong_passwords + 1
    if wrong >= WRONG_PASSWORDS:
        _wait(row, seconds(timing().wrong_password_s), TOO_MANY_WRONG, wrong_passwords=0)
        return 0
    LoginCooldown.objects.filter(pk=row.pk).update(wrong_passwords=wrong, updated_at=Now())
    return WRONG_PASSWORDS - wrong


@transaction.atomic
def block(provider: Provider, key: str, *, reason: str, retry_after: float | None = None) -> None:
    """The provider blocks logins: wait longer each time, and never less than it asks for (up to six hours)."""
    row = _locked(provider, key)
    steps = timing().login_cooldowns_s
    asked = min(retry_after or 0.0, errors.LOGIN_RETRY_AFTER_CAP_S)
    wait = seconds(max(steps[min(row.blocks, len(steps) - 1)], asked))
    _wait(row, wait, reason, blocks=row.blocks + 1)


def forgive(provider: Provider, key: str) -> None:
    """A login that worked ends the counting."""
    LoginCooldown.objects.filter(provider=provider, account_key=key).delete()


def _locked(provider: Provider, key: str) -> LoginCooldown:
    LoginCooldown.objects.bulk_create([LoginCooldown(provider=provider, account_key=key)], ignore_conflicts=True)
    return LoginCooldown.objects.select_for_update().get(provider=provider, account_key=key)


def _wait(row: LoginCooldown, wait: timedelta, reason: str, **counts: int) -> None:
    """Never shortens a wait that stands."""
    LoginCooldown.objects.filter(pk=row.pk).update(
        until=Greatest("until", Now() + wait), reason=reason, updated_at=Now(), **counts
    )
