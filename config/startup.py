"""For processes that Django itself does not check: web server, worker and beat."""

from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured


def require_safety() -> None:
    """Raise ImproperlyConfigured with the reasons when a security check fails, such as a broken CREDENTIAL_KEYS."""
    problems = [check for check in run_checks(tags=[Tags.security]) if check.is_serious()]
    if problems:
        raise ImproperlyConfigured("; ".join(f"{check.id}: {check.msg}" for check in problems))
