"""What people ask about their own data: an export, or the end of the account. Worked on in the background."""

from datetime import timedelta

import structlog
from celery import current_app
from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext

from accounts import audit, erasing, exporting
from accounts.models import AuditEntry, DataRequest, User

log = structlog.get_logger(__name__)

TASK = "config.tasks.tick_data_requests"
LEASE = timedelta(minutes=30)
KEPT = timedelta(days=7)
LOOK_AGAIN = timedelta(seconds=30)
MOST_ATTEMPTS = 5
MOST_A_ROUND = 20
Kind, Status = DataRequest.Kind, DataRequest.Status


def ask(user: User, kind: str) -> DataRequest:
    """The person's open request of this kind, or a new one."""
    try:
        with transaction.atomic():
            request = DataRequest.objects.create(user=user, kind=kind, address=user.email)
            audit.record(f"user.{kind}_asked", user, actor=user, level=AuditEntry.Level.SECURITY)
            if kind == Kind.ERASURE:
                erasing.begin(user)
    except IntegrityError:
        return DataRequest.objects.open().get(user=user, kind=kind)
    transaction.on_commit(_wake, robust=True)  # without a broker the next tick does it
    return request


def work_due() -> int:
    """Work on what waits, and end what nobody fetched in time. Returns how many moved. Safe to run in parallel."""
    due = DataRequest.objects.due().values_list("pk", flat=True)[:MOST_A_ROUND]
    return sum(_work(pk) for pk in list(due)) + _forget_old()


def _wake() -> None:
    current_app.send_task(TASK, queue="housekeeping", ignore_result=True)


def _work(pk: int) -> int:
    claimed = DataRequest.objects.due().filter(pk=pk)
    if not claimed.update(status=Status.WORKING, attempts=F("attempts") + 1, lease_until=Now() + LEASE):
        return 0
    request = DataRequest.objects.select_related("user").get(pk=pk)
    if request.attempts > MOST_ATTEMPTS:
        return _settle(request, status=Status.FAILED, finished_at=Now())
    return _export(request) if request.kind == Kind.EXPORT else _erase(request)


def _export(request: DataRequest) -> int:
    exporting.build(request, site=settings.SITE_NAME)
    return _settle(
        request,
        status=Status.DONE,
        file=request.file.name,
        bytes_n=request.bytes_n,
        finished_at=Now(),
        expires_at=timezone.now() + KEPT,
    )


def _erase(request: DataRequest) -> int:
    if not erasing.is_ready(request):
        _settle(request, status=Status.WAITING, attempts=0, not_before=Now() + LOOK_AGAIN)
        return 0
    address, language = request.address, request.user.language
    with transaction.atomic():
        report = erasing.erase(request)
        _settle(request, status=Status.DONE, report=report, address="", finished_at=Now())
    with translation.override(language):
        _say_goodbye(address, report)
    return 1


def _settle(request: DataRequest, **fields: object) -> int:
    return DataRequest.objects.filter(pk=request.pk, status=Status.WORKING).update(lease_until=None, **fields)


def _say_goodbye(address: str, report: dict[str, object]) -> None:
    """The last mail. Was it lost, the account is gone all the same: the address is not kept for another try."""
    context = {"site_name": settings.SITE_NAME, "url": settings.SITE_URL, "report": report}
    text = render_to_string("email/erased.txt", context)
    try:
        html = render_to_string("email/erased.html", context)
        send_mail(gettext("Your account is deleted"), text, None, [address], html_message=html)
    except OSError as exc:
        log.warning("goodbye_not_mailed", reason=type(exc).__name__)


def _forget_old() -> int:
    """The zip goes after a week, and the request with it; a report stays as long as the audit log says."""
    old = DataRequest.objects.filter(Q(expires_at__lt=Now()), kind=Kind.EXPORT)
    for request in old[:MOST_A_ROUND]:
        request.file.delete(save=False)
        request.delete()
    return 0
