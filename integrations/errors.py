"""The error tree of every outgoing call: the class alone says whether to retry and what a person does now.

Import the module (`from integrations import errors`): some names exist in Python, too.
"""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import requests
from django.utils.translation import gettext_noop as _

from integrations import wording

UNPROVEN = wording.pattern(_("{p} could not prove who it is"))
UNREACHED = wording.pattern(_("{p} could not be reached"))
LATE = wording.pattern(_("{p} did not answer in time"))
BROKEN_OFF = wording.pattern(_("{p} broke the connection off"))
ANSWERED = wording.pattern(_("{p} answered {status}"))
UNREADABLE = wording.pattern(_("{p} sent an answer that could not be read"))
API_RETRY_AFTER_CAP_S = 3600.0
LOGIN_RETRY_AFTER_CAP_S = 6 * 3600.0


class IntegrationError(Exception):
    """Base of the tree. `message` and `context` never hold a secret, a URL query or a response body.

    Both `message` and `advice` are in English, as logs and rows keep them; pages say them by `wording.told`.
    """

    code = "integration_error"
    retryable = False
    halted = False  # an expected stop (our own limits, an open circuit, maintenance): no failure in metrics
    advice = _("Try again later. If it keeps happening, tell us the trace id.")

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        provider: str | None = None,
        status: int | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message or self.advice)
        self.message = message or self.advice
        self.code = code or self.code
        self.retryable = self.retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.provider = provider
        self.status = status
        self.context = dict(context or {})


class ConnectionError(IntegrationError):
    """The request surely did not reach the provider (refused, DNS, TLS)."""

    code = "connection"
    retryable = True
    advice = _("The provider could not be reached. We try again by ourselves.")


class TimeoutError(IntegrationError):
    """The answer did not come, or broke off: for a write the outcome is unknown."""

    code = "timeout"
    retryable = True
    advice = _("The provider took too long to answer. We try again by ourselves.")


class AuthenticationError(IntegrationError):
    code = "authentication"
    advice = _("The provider no longer accepts this login. Connect the account again.")


class AuthorizationError(IntegrationError):
    code = "authorization"
    advice = _("The provider refused this action for the account. Check its permissions and connect again.")


class ValidationError(IntegrationError):
    code = "validation"
    advice = _("The provider refused the content. It is not sent again until it changes.")


class ResourceError(IntegrationError):
    code = "resource"


class NotFoundError(ResourceError):
    code = "not_found"
    advice = _("The provider no longer has this item.")


class ConflictError(ResourceError):
    code = "conflict"
    advice = _("The provider already has this item in another state.")


class RateLimitError(IntegrationError):
    code = "rate_limit"
    retryable = True
    advice = _("The provider asked us to slow down. We go on by ourselves when it allows.")


class ServerError(IntegrationError):
    code = "server"
    retryable = True
    advice = _("The provider has a problem of its own. We try again by ourselves.")


class DataError(IntegrationError):
    code = "data"
    advice = _("The provider sent something we could not read. Nothing was changed.")


class ConfigurationError(IntegrationError):
    code = "configuration"
    advice = _("This provider is not set up correctly. Our operations people have been told.")


class UnsupportedError(IntegrationError):
    """What the target cannot express, found before any call; `context["problems"]` names the steps."""

    code = "unsupported"
    advice = _("The provider cannot express this workout.")


class ThrottledError(IntegrationError):
    code = "throttled"
    retryable = True
    halted = True
    advice = _("We are pacing our requests to the provider. It goes on by itself in a moment.")


class CircuitOpenError(IntegrationError):
    code = "circuit_open"
    retryable = True
    halted = True
    advice = _("The provider is having trouble, so we wait a little. It goes on by itself.")


class IntegrationDisabled(IntegrationError):
    code = "disabled"
    retryable = True
    halted = True
    advice = _("This provider is paused at the moment. It goes on by itself when it is switched on again.")


class LoginRefused(AuthenticationError):
    code = "wrong_credentials"
    advice = _("The provider did not accept the email and password. Check them and try again.")


class CodeRefused(AuthenticationError):
    code = "wrong_code"
    advice = _("That code was not accepted. Check it, or ask for a new one.")


class LoginBlocked(RateLimitError):
    """The provider blocks logins (429, 427, 403, captcha): the account cools down and nobody retries."""

    code = "login_blocked"
    retryable = False
    advice = _(
        "The provider blocks new logins for this account for a while. Trying again sooner makes the wait longer."
    )


STATUS_ERRORS: dict[int, type[IntegrationError]] = {
    401: AuthenticationError,
    403: AuthorizationError,
    404: NotFoundError,
    408: TimeoutError,
    409: ConflictError,
    410: NotFoundError,
    425: ServerError,
    429: RateLimitError,
}


class Response(Protocol):
    """What `from_response` needs of an answer; `requests.Response` has it."""

    status_code: int
    headers: Any


def parse_retry_after(value: str | None, *, now: float | None = None) -> float | None:
    """Seconds from a Retry-After header in either form (delta-seconds or HTTP-date).

    Garbage gives None, a negative or past value 0. Not capped: callers know their cap.
    """
    if not value:
        return None
    text = value.strip()
    try:
        return max(0.0, float(int(text)))
    except (ValueError, OverflowError):
        pass
    try:
        then = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, then - (time.time() if now is None else now))


def from_response(response: Response, *, provider: str) -> IntegrationError | None:
    """The error that an answer stands for, or None for 2xx. A 3xx is an error: redirects are never followed."""
    status = response.status_code
    if 200 <= status < 300:
        return None
    if status >= 500:
        kind: type[IntegrationError] = ServerError
    elif status >= 400:
        kind = STATUS_ERRORS.get(status, ValidationError)
    else:
        kind = DataError
    retry_after = parse_retry_after(response.headers.get("Retry-After"))
    if retry_after is not None:
        retry_after = min(retry_after, API_RETRY_AFTER_CAP_S)
    return kind(
        ANSWERED.format(p=provider, status=status),
        provider=provider,
        status=status,
        retry_after=retry_after,
        retryable=False if status == 501 else None,
    )


def from_exception(exc: BaseException, *, provider: str) -> IntegrationError:
    """The error for a failed exchange. Raise it `from None`: the text of `exc` may hold the URL and its token."""
    if isinstance(exc, IntegrationError):
        return exc
    if isinstance(exc, requests.exceptions.SSLError):
        return ConnectionError(UNPROVEN.format(p=provider), provider=provider, code="tls", retryable=False)
    if isinstance(exc, requests.exceptions.ConnectTimeout):
        return ConnectionError(UNREACHED.format(p=provider), provider=provider)
    if isinstance(exc, requests.exceptions.Timeout):
        return TimeoutError(LATE.format(p=provider), provider=provider)
    if isinstance(exc, requests.exceptions.ConnectionError | requests.exceptions.ChunkedEncodingError):
        if _was_sent(exc):
            return TimeoutError(BROKEN_OFF.format(p=provider), provider=provider, code="connection_lost")
        return ConnectionError(UNREACHED.format(p=provider), provider=provider)
    if isinstance(exc, requests.exceptions.RequestException):
        return DataError(UNREADABLE.format(p=provider), provider=provider)
    return IntegrationError(f"unexpected {type(exc).__name__}", provider=provider, code="unexpected")


BROKE_OFF = {"ProtocolError", "ConnectionResetError", "RemoteDisconnected", "IncompleteRead", "ReadTimeoutError"}


def _was_sent(exc: BaseException) -> bool:
    """Whether the request may have reached the provider: urllib3 tells a refused connection from a reset one."""
    seen: BaseException | None = exc
    for _hop in range(8):
        if seen is None:
            return False
        if type(seen).__name__ in BROKE_OFF:
            return True
        reason = getattr(seen, "reason", None) or next((a for a in seen.args if isinstance(a, BaseException)), None)
        seen = reason if isinstance(reason, BaseException) else seen.__cause__ or seen.__context__
    return False
