from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.permissions import signed_in
from coaching import mailing, preferences
from coaching import notifications as notification_service
from coaching.models import Notification, NotificationTimes
from coaching.notice_forms import COLUMNS, ChoicesForm, TimesForm
from coaching.notice_kinds import KINDS

PAGE = 25


@require_GET
def notifications(request: HttpRequest) -> HttpResponse:
    shown = Notification.objects.bell(signed_in(request))
    page = Paginator(shown, PAGE).get_page(request.GET.get("page"))
    return render(request, "coaching/notifications.html", {"page": page, "section": "notifications"})


@require_POST
def mark_read(request: HttpRequest) -> HttpResponse:
    notification_service.mark_read(signed_in(request))
    return redirect("coaching:notifications")


@require_http_methods(["GET", "POST"])
def notification_settings(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    times = NotificationTimes.objects.filter(user=user).first() or NotificationTimes(user=user)
    sent = request.POST if request.method == "POST" else None
    choices, hours = ChoicesForm(sent, user=user), TimesForm(sent, instance=times)
    if sent is not None and choices.is_valid() and hours.is_valid():
        preferences.choose(user, choices.choices())
        hours.save()
        messages.success(request, gettext("Saved."))
        return redirect("coaching:notification_settings")
    columns = list(COLUMNS.values())
    context = {"choices": choices, "hours": hours, "columns": columns, "section": "notifications"}
    return render(request, "coaching/notification_settings.html", context)


@csrf_exempt  # mail programs post here by themselves; the signed token is the permission, and for this alone
@login_not_required
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    found = mailing.read_unsubscribe(token)
    if found is None:
        raise Http404
    public_id, kind = found
    if request.method == "POST":
        for user in User.objects.filter(public_id=public_id):
            preferences.stop_mail(user, kind)
    context = {"kind": KINDS[kind], "done": request.method == "POST"}
    return render(request, "coaching/unsubscribe.html", context)
