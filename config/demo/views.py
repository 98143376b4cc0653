"""Pages of the demo: be anybody with one click, read everybody's mail. Mounted in demo mode only."""

from typing import Any
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.middleware import DEMO_LOGIN
from accounts.models import User
from config.demo import mailbox
from config.demo.people import PASSWORD, PEOPLE, SANDBOX_PASSWORD

EMAILS = [person.email for person in PEOPLE]


@login_not_required
@never_cache
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    users = {user.email: user for user in User.objects.filter(is_active=True, email__in=EMAILS)}
    people = [{"user": users[person.email], "person": person} for person in PEOPLE if person.email in users]
    context: dict[str, Any] = {"people": people, "password": PASSWORD, "sandbox_password": SANDBOX_PASSWORD}
    return render(request, "demo/home.html", context)


@login_not_required
@require_POST
def log_in(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Log in as one of the demo's people, without a password or a second factor."""
    user = get_object_or_404(User.objects.filter(is_active=True, email__in=EMAILS), public_id=public_id)
    auth.logout(request)  # nothing of the person before is carried over
    auth.login(request, user)
    request.session[DEMO_LOGIN] = True
    UserSession.objects.create_from_request(request)  # as a login with a password does: it is listed for the person
    return redirect("admin:index" if user.is_staff else "/")


@login_not_required
@never_cache
@require_GET
def mail(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/mail.html", {"mails": mailbox.newest(settings.EMAIL_FILE_PATH)})
