"""What allauth does, in the audit log: who came in by which door, and which doors were opened or closed."""

from typing import Any

from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from allauth.socialaccount import signals as social
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import audit, confirming
from accounts.models import AuditEntry, User
from accounts.signals import arrived

SECURITY = AuditEntry.Level.SECURITY


@receiver(user_logged_in, dispatch_uid="accounts.logged_in")
def on_login(request: HttpRequest, user: User, **_: Any) -> None:
    confirming.stamp(request)
    methods = sorted({str(entry.get("method")) for entry in request.session.get("account_authentication_methods", [])})
    audit.record("user.logged_in", user, actor=user, level=SECURITY if user.is_staff else "normal", methods=methods)


@receiver(account.authentication_step_completed, dispatch_uid="accounts.step")
def on_step(request: HttpRequest, user: User, method: str, **details: Any) -> None:
    """A confirmation counts as a login does; steps of a login that is not over do not."""
    if details.get("reauthenticated") and request.user == user:
        confirming.stamp(request)
        audit.record("user.confirmed", user, actor=user, method=method)


@receiver(account.user_signed_up, dispatch_uid="accounts.signed_up")
def on_sign_up(user: User, **details: Any) -> None:
    login = details.get("sociallogin")
    audit.record("user.signed_up", user, by=login.account.provider if login else "email")
    if login and EmailAddress.objects.filter(user=user, verified=True).exists():
        arrived.send(sender=User, user=user)


@receiver(account.password_reset, dispatch_uid="accounts.password_reset")
def on_reset(user: User, **_: Any) -> None:
    audit.record("user.password_reset", user, level=SECURITY)


@receiver(account.password_changed, dispatch_uid="accounts.password_changed")
@receiver(account.password_set, dispatch_uid="accounts.password_set")
def on_password(user: User, **_: Any) -> None:
    audit.record("user.password_changed", user, actor=user, level=SECURITY)


@receiver(account.email_confirmed, dispatch_uid="accounts.email_confirmed")
def on_proof(email_address: EmailAddress, **_: Any) -> None:
    audit.record("user.email_confirmed", email_address.user)
    arrived.send(sender=User, user=email_address.user)


@receiver(account.email_changed, dispatch_uid="accounts.email_changed")
def on_email(user: User, **_: Any) -> None:
    audit.record("user.email_changed", user, level=SECURITY)


@receiver(social.social_account_added, dispatch_uid="accounts.door_added")
def on_connect(sociallogin: Any, **_: Any) -> None:
    user = sociallogin.account.user
    audit.record("user.login_connected", user, actor=user, level=SECURITY, provider=sociallogin.account.provider)


@receiver(social.social_account_removed, dispatch_uid="accounts.door_removed")
def on_disconnect(socialaccount: Any, **_: Any) -> None:
    user = socialaccount.user
    audit.record("user.login_disconnected", user, actor=user, level=SECURITY, provider=socialaccount.provider)


@receiver(mfa.authenticator_added, dispatch_uid="accounts.factor_added")
def on_factor(user: User, authenticator: Authenticator, **_: Any) -> None:
    audit.record("user.second_factor_added", user, actor=user, level=SECURITY, kind=str(authenticator.type))


@receiver(mfa.authenticator_removed, dispatch_uid="accounts.factor_removed")
def on_factor_gone(user: User, authenticator: Authenticator, **_: Any) -> None:
    audit.record("user.second_factor_removed", user, actor=user, level=SECURITY, kind=str(authenticator.type))


@receiver(mfa.authenticator_reset, dispatch_uid="accounts.factor_reset")
def on_factor_reset(user: User, authenticator: Authenticator, **_: Any) -> None:
    audit.record("user.second_factor_renewed", user, actor=user, level=SECURITY, kind=str(authenticator.type))


@receiver(mfa.authentication_failed, dispatch_uid="accounts.factor_refused")
def on_factor_refused(user: User, **_: Any) -> None:
    audit.record("user.login_refused", user, outcome=AuditEntry.Outcome.FAILURE, level=SECURITY, reason="second factor")
