from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.permissions import signed_in
from coaching.models import CoachingLink, Scope, Share
from coaching.plan_forms import NoteForm
from coaching.services import noting
from integrations import errors


@require_http_methods(["GET", "POST"])
def notes(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """The thread of a link, or of one workout of it (`?workout=`); both sides come here, and write here."""
    viewer = signed_in(request)
    found = CoachingLink.objects.for_user(viewer).active().select_related("coach", "athlete").with_account()
    link = get_object_or_404(found, public_id=link_id)
    share = _share(link, request.GET.get("workout", ""))
    form = NoteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            noting.write(link, viewer, form.cleaned_data["text"], share=share)
        except errors.IntegrationError as exc:
            messages.error(request, exc.message)
        return redirect(_address(link, share))
    shown = noting.thread(viewer, link, share=share, before=_before(request))
    noting.mark_read(link, viewer, shown)
    return render(request, "coaching/notes.html", _context(request, link, share, shown) | {"form": form})


def _context(request: HttpRequest, link: CoachingLink, share: Share | None, shown: list[Any]) -> dict[str, Any]:
    is_coach = signed_in(request).pk == link.coach_id
    return {
        "link": link,
        "share": share,
        "notes": shown,
        "earlier": shown[0].pk if len(shown) == noting.SHOWN else None,
        "is_their_coach": is_coach,
        "other": link.athlete if is_coach else link.coach,
        "shares_notes": Scope.NOTES in link.scopes,
        "tab": "notes",
        "section": "athletes" if is_coach else "coaches",
    }


def _share(link: CoachingLink, text: str) -> Share | None:
    if not text:
        return None
    try:
        wanted = UUID(text)
    except ValueError:
        raise Http404 from None
    return get_object_or_404(Share.objects.filter(link=link).select_related("revision"), public_id=wanted)


def _address(link: CoachingLink, share: Share | None) -> str:
    query = {"workout": str(share.public_id)} if share else {}
    return reverse("coaching:notes", args=[link.public_id], query=query, fragment="newest")


def _before(request: HttpRequest) -> int | None:
    text = request.GET.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
