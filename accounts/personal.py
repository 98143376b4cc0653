"""This app's part of what is known of a person: who he is here, how he logs in, what the audit log says he did."""

from collections.abc import Iterator, Mapping

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import privacy
from accounts.models import AccessToken, AuditEntry, KeptAnswer, Language, Theme, Units, User, WeekStart

PROFILE = ["email", "display_name", "time_zone", "units", "week_start", "theme", "language", "date_joined"]
TOKEN = ["name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
NOBODY = {
    "display_name": "",
    "time_zone": "UTC",
    "units": Units.METRIC,
    "week_start": WeekStart.MONDAY,
    "theme": Theme.AUTO,
    "language": Language.ENGLISH,
    "coaching_since": None,
    "last_login": None,
    "is_active": False,
    "is_staff": False,
    "is_superuser": False,
}


def _export(user: User) -> Iterator[privacy.Rows]:
    mine = {"user": user.pk}
    yield privacy.Rows("profile.json", User.objects.filter(pk=user.pk).values(*PROFILE, "coaching_since", "last_login"))
    yield privacy.Rows("addresses.json", EmailAddress.objects.filter(**mine).values("email", "verified", "primary"))
    factors = Authenticator.objects.filter(**mine).values("type", "created_at", "last_used_at")
    yield privacy.Rows("second-factors.json", factors)
    doors = SocialAccount.objects.filter(**mine).values("provider", "uid", "date_joined", "last_login", "extra_data")
    yield privacy.Rows("logins-elsewhere.json", doors)
    tokens = AccessToken.objects.filter(**mine).values(*TOKEN)
    yield privacy.Rows("access-tokens.json", tokens)
    seen = UserSession.objects.filter(**mine).values("ip", "user_agent", "created_at", "last_seen_at")
    yield privacy.Rows("sessions.json", seen.iterator())
    done = AuditEntry.objects.filter(actor=user).order_by("pk")
    told = done.values("at", "action", "object_type", "object_id", "outcome", "ip", "data")
    yield privacy.Rows("audit-log.json", told.iterator())


def _begin(user: User) -> None:
    """Whoever is logged in as this person is not any more."""
    for session in UserSession.objects.filter(user=user):
        session.end()


def _erase(user: User) -> Mapping[str, int]:
    counts = {
        gettext_noop("addresses"): privacy.delete(EmailAddress.objects.filter(user=user)),
        gettext_noop("second factors"): privacy.delete(Authenticator.objects.filter(user=user)),
        gettext_noop("logins elsewhere"): privacy.delete(SocialAccount.objects.filter(user=user)),
        gettext_noop("access tokens"): privacy.delete(AccessToken.objects.filter(user=user)),
        gettext_noop("answers kept for scripts"): privacy.delete(KeptAnswer.objects.filter(user=user)),
        gettext_noop("sessions"): privacy.delete(UserSession.objects.filter(user=user)),
        gettext_noop("files of earlier exports"): _drop_exports(user),
    }
    user.groups.clear()
    user.user_permissions.clear()
    user.set_unusable_password()
    User.objects.filter(pk=user.pk).update(
        **NOBODY, email=f"erased-{user.public_id}@erased.invalid", password=user.password, erased_at=timezone.now()
    )
    return counts | {gettext_noop("profile"): 1}


def _drop_exports(user: User) -> int:
    exports = list(user.data_requests.filter(kind="export"))
    for request in exports:
        request.file.delete(save=False)
        request.delete()
    return len(exports)


privacy.register(privacy.Part("account", _export, _erase, begin=_begin))
