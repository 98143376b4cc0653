from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from accounts.models import User
from coaching.models import CoachingLink, Invitation, Share
from coaching.onboarding import checklist
from coaching.views.invitation import SESSION_KEY


@require_GET
@login_not_required
def home(request: HttpRequest) -> HttpResponse:
    """The landing page, or where the viewer goes on: the checklist at first, then the daily page."""
    user = request.user
    if not isinstance(user, User):
        return render(request, "coaching/landing.html")
    if request.session.get(SESSION_KEY):
        return redirect("coaching:invitation")
    if not user.is_coach and not CoachingLink.objects.for_user(user).exists():
        return render(request, "coaching/welcome.html")
    steps = checklist(user)
    if user.is_coach and (all(step.done for step in steps) or _has_begun(user)):
        return redirect("coaching:today")
    context = {
        "steps": steps,
        "offers": Share.objects.inbox(user).select_related("revision", "link__coach", "link__athlete")[:3],
        "invitations": Invitation.objects.pending_for_coach(user)[:5],
        "section": "home",
    }
    return render(request, "coaching/home.html", context)


def _has_begun(coach: User) -> bool:
    """Who plans for somebody has a day to look at, whatever of the checklist is open."""
    return Share.objects.standing().filter(link__coach=coach, link__status=CoachingLink.Status.ACTIVE).exists()
