from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import signed_in
from coaching import notifications as notification_service
from coaching.models import Notification

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
