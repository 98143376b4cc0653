from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.csp import CSP
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe
from django_htmx.http import HTMX_STOP_POLLING, HttpResponseClientRefresh

from accounts.confirming import freshly_confirmed
from accounts.permissions import signed_in
from integrations import control, errors, explanations, logins, overview, publishing, wording
from integrations.forms import CodeForm, ConnectForm, DisconnectForm
from integrations.gateways import settings_for
from integrations.models import Connection, ConnectSession, Provider, ProviderMode, SyncJob
from integrations.registry import spec_for
from integrations.services import authorizing, connecting, scheduling, self_testing

BINDING = "oauth_binding"  # the login session's secret that the way back from a provider is bound to
TYPED_ACCOUNT = "connecting"  # what was typed as the account, so that a second try need not type it again
SETTLED = (Connection.Status.ACTIVE, Connection.Status.PAUSED)


@login_not_required
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """For everybody: how each provider does. It names no person."""
    context = {"providers": publishing.providers(), "read_at": timezone.now()}
    return render(request, "integrations/status.html", context)


@require_GET
def connections(request: HttpRequest) -> HttpResponse:
    cards = overview.cards_for(signed_in(request))
    return render(request, "integrations/connections.html", {"cards": cards, "section": "connections"})


@freshly_confirmed
@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest, slug: str) -> HttpResponse:
    """The form, or what the provider will ask; a GET calls nobody. Who is connected or connecting is led there."""
    user = signed_in(request)
    provider = get_object_or_404(Provider.objects.exclude(mode=ProviderMode.OFF), slug=slug)
    if request.method == "POST" and spec_for(slug).oauth:
        return _depart(request, provider)
    if running := ConnectSession.objects.for_user(user).open().filter(provider=provider).first():
        return redirect("integrations:session", running.public_id)
    if Connection.objects.for_user(user).filter(provider=provider, status__in=SETTLED).exists():
        messages.info(request, gettext("%(provider)s is connected already.") % {"provider": provider.name})
        return redirect("integrations:connections")
    return _consent_page(request, provider) if spec_for(slug).oauth else _log_in(request, provider)


@never_cache
@login_not_required
@require_GET
def callback(request: HttpRequest, slug: str) -> HttpResponse:
    """Where a provider sends a person back to. What is not of this login session gets one page, whatever it is."""
    provider = get_object_or_404(Provider.objects.exclude(mode=ProviderMode.OFF), slug=slug)
    try:
        if not request.user.is_authenticated:  # to log in first would lay the code open in the address once more
            raise authorizing.BadCallback
        binding = request.session.get(BINDING, "")
        found = authorizing.arrive(request.user, provider, dict(request.GET.lists()), binding=binding)
    except authorizing.BadCallback:
        return render(request, "integrations/bad_callback.html", {"provider": provider}, status=400)
    return redirect("integrations:session", found.public_id)


def _log_in(request: HttpRequest, provider: Provider) -> HttpResponse:
    spec = spec_for(provider.slug)
    known = {spec.account_credential: request.session.get(TYPED_ACCOUNT, "")}
    form = ConnectForm(spec, request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        request.session[TYPED_ACCOUNT] = form.cleaned_data[spec.account_credential]
        return _begin(request, provider, form)
    return _connect_page(request, provider, form)


@require_GET
def session(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """One attempt to connect, in whatever state; the page asks again while something moves."""
    found = _own_session(request, session_id)
    if found.status == ConnectSession.Status.DONE:
        request.session.pop(TYPED_ACCOUNT, None)
    if not request.htmx:  # type: ignore[attr-defined]
        page = render(request, "integrations/session.html", _about(found, CodeForm()))
        return _leading_to(request, page, found.provider) if found.is_consent else page
    status = 200 if found.is_moving else HTMX_STOP_POLLING
    return render(request, "integrations/_session.html", _about(found, CodeForm()), status=status)


@require_GET
def wait(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """The countdown by itself; when it is over, the page is loaded anew."""
    found = _own_session(request, session_id)
    left = overview.wait_of(found)
    if left is None:
        return HttpResponseClientRefresh()
    return render(request, "integrations/_wait.html", {"wait": left, "session": found})


@require_POST
def submit_code(request: HttpRequest, session_id: UUID) -> HttpResponse:
    found, form = _own_session(request, session_id), CodeForm(request.POST)
    if not form.is_valid():
        return render(request, "integrations/session.html", _about(found, form), status=400)
    connecting.submit_code(found, form.cleaned_data["code"])
    return redirect("integrations:session", session_id)


@require_POST
def restart(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """Give up this attempt and begin anew: how a new code is had, too."""
    found = _own_session(request, session_id)
    if not connecting.give_up(found) and not found.is_over:
        messages.info(request, gettext("The login is under way; it cannot be called back."))
        return redirect("integrations:session", session_id)
    if not found.is_consent:
        messages.info(
            request, gettext("Log in again to start over. Your password is never kept, so please type it once more.")
        )
    return redirect("integrations:connect", found.provider.slug)


@require_GET
def progress(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """How far the syncs of a connection are; asked every two seconds while one runs."""
    found = _own_connection(request, connection_id)
    streams = overview.streams_of(found)
    jobs = [stream.latest_job for stream in streams]
    status = 200 if any(job and job.is_active for job in jobs) else HTMX_STOP_POLLING
    return render(request, "integrations/_progress.html", {"connection": found, "streams": streams}, status=status)


@require_POST
def sync_now(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """A run of each stream is due. While the provider may not be read from it waits, in a place that people see."""
    found = _own_connection(request, connection_id)
    if found.status != Connection.Status.ACTIVE:
        messages.info(request, gettext("It cannot sync at the moment. The card below says why."))
        return redirect("integrations:connections")
    for stream in overview.streams_of(found):
        scheduling.request_sync(stream, trigger=SyncJob.Trigger.MANUAL, by=signed_in(request))
    if control.refusal(found.provider, "sync", found.user_id):
        words = gettext("%(provider)s cannot be read from just now. The sync waits and starts by itself.")
        messages.info(request, words % {"provider": found.provider})
    return redirect("integrations:connections")


@require_http_methods(["GET", "POST"])
def check(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """The latest self-test of a connection, told to its owner; a POST starts one."""
    found = _own_connection(request, connection_id)
    if request.method == "POST":
        return _begin_check(request, found)
    report = found.health_reports.self_tests().first()
    context = {"connection": found, "report": report, "section": "connections"}
    if not request.htmx:  # type: ignore[attr-defined]
        return render(request, "integrations/check.html", context)
    status = 200 if report and report.is_moving else HTMX_STOP_POLLING
    return render(request, "integrations/_check.html", context, status=status)


@require_POST
def pause(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    found = _own_connection(request, connection_id)
    if connecting.pause(found, actor=signed_in(request)):
        words = gettext("Paused. %(provider)s is not called until you resume.") % {"provider": found.provider.name}
        messages.success(request, words)
    return redirect("integrations:connections")


@require_POST
def resume(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    connecting.resume(_own_connection(request, connection_id), actor=signed_in(request))
    return redirect("integrations:connections")


@require_http_methods(["GET", "POST"])
def disconnect(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    found = _own_connection(request, connection_id)
    form = DisconnectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        connecting.disconnect(found, actor=signed_in(request), purge=form.purge)
        words = gettext("%(provider)s is disconnected. We no longer use its login.")
        messages.success(request, words % {"provider": found.provider.name})
        return redirect("integrations:connections")
    revokes = logins.can_be_revoked(found.provider)
    context = {"connection": found, "form": form, "revokes": revokes, "section": "connections"}
    return render(request, "integrations/disconnect.html", context, status=400 if form.errors else 200)


def _begin_check(request: HttpRequest, found: Connection) -> HttpResponse:
    if control.refusal(found.provider, "sync"):
        words = gettext("%(provider)s is not called at the moment, so there is nothing to check.")
        messages.info(request, words % {"provider": found.provider.name})
    elif self_testing.begin_for_owner(found) is None:
        messages.info(request, gettext("It was checked less than a minute ago. This is what was found."))
    return redirect("integrations:check", found.public_id)


def _begin(request: HttpRequest, provider: Provider, form: ConnectForm) -> HttpResponse:
    try:
        begun = connecting.begin(signed_in(request), provider, form.cleaned_data)
    except errors.IntegrationError as exc:
        form.add_error(None, wording.told(exc.message))
        return _connect_page(request, provider, form)
    return redirect("integrations:session", begun.public_id)


def _depart(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Off to the provider's own page; the way back is bound to this login session."""
    binding = request.session.setdefault(BINDING, authorizing.new_binding())
    try:
        away = authorizing.depart(signed_in(request), provider, binding=binding)
    except errors.IntegrationError as exc:
        words = exc.message if isinstance(exc, errors.ConflictError) else exc.advice
        messages.info(request, wording.told(words))
        return redirect("integrations:connections")
    return HttpResponseRedirect(away, status=303)


def _consent_page(request: HttpRequest, provider: Provider) -> HttpResponse:
    user = signed_in(request)
    context = {
        "provider": provider,
        "refusal": control.refusal(provider, "connect", user.pk),
        "consent": overview.consent_of(provider),
        "connection": Connection.objects.live().for_user(user).filter(provider=provider).first(),
        "section": "connections",
    }
    return _leading_to(request, render(request, "integrations/consent.html", context), provider)


def _leading_to(request: HttpRequest, response: HttpResponse, provider: Provider) -> HttpResponse:
    """Browsers hold a form's redirects against the page's policy, so this page's lets it end at the provider."""
    where = urlsplit(settings_for(provider).base_urls["authorize"])
    policy: dict[str, Any] = {**settings.SECURE_CSP, "form-action": [CSP.SELF, f"{where.scheme}://{where.netloc}"]}
    return csp_override(policy)(lambda _: response)(request)


def _connect_page(request: HttpRequest, provider: Provider, form: ConnectForm) -> HttpResponse:
    user = signed_in(request)
    failed = None if form.is_bound or "other" in request.GET else overview.latest_failure(user, provider)
    context = {
        "provider": provider,
        "refusal": control.refusal(provider, "connect", user.pk),
        "form": form,
        "connection": Connection.objects.live().for_user(user).filter(provider=provider).first(),
        "session": failed,
        "wait": overview.wait_of(failed) if failed else None,
        "section": "connections",
    }
    return render(request, "integrations/connect.html", context, status=400 if form.errors else 200)


def _about(found: ConnectSession, form: CodeForm) -> dict[str, Any]:
    connection = found.connection if found.status == ConnectSession.Status.DONE else None
    waits = found.status == ConnectSession.Status.NEEDS_CODE and not found.is_expired
    asks = waits and not found.is_consent
    return {
        "session": found,
        "explanation": explanations.of_challenge(found) if asks else explanations.of_session(found),
        "form": form if asks else None,
        "is_away": waits and found.is_consent,
        "wait": overview.wait_of(found),
        "connection": connection,
        "streams": overview.streams_of(connection) if connection else [],
        "section": "connections",
    }


def _own_session(request: HttpRequest, session_id: UUID) -> ConnectSession:
    own = ConnectSession.objects.for_user(signed_in(request)).select_related("provider", "connection__provider")
    return get_object_or_404(own, public_id=session_id)


def _own_connection(request: HttpRequest, connection_id: UUID) -> Connection:
    own = Connection.objects.live().for_user(signed_in(request)).select_related("provider", "user")
    return get_object_or_404(own, public_id=connection_id)
