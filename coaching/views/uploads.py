from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HTMX_STOP_POLLING

from accounts.models import User
from accounts.permissions import signed_in
from coaching.activity_forms import UploadForm
from coaching.files import reading
from coaching.files.reading import MOST_BYTES
from coaching.files.shapes import FileRefused
from coaching.models import Activity, Upload
from coaching.services import uploading
from coaching.views.activities import require_upload

FORM_BYTES = 64 * 1024  # of the form around the file
STATUSES = {"too_large": 413, "too_many_open": 429}  # all else that is refused is 400
NEWEST = 5  # uploads that the form's page tells of


@csrf_exempt  # until the length is known: to check the token is to read the body. The view behind it does.
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The form. What is longer than any file we take is answered before it is read."""
    if request.method == "POST" and _length(request) > MOST_BYTES + FORM_BYTES:
        return _too_long(request)
    return _upload(request)


@require_GET
def progress(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """How far the reading of an upload is, and what came of it; the page asks again while it moves."""
    user = signed_in(request)
    found = get_object_or_404(Upload.objects.of(user), public_id=upload_id)
    context = {"upload": found, "parts": _parts(found, user), "section": "activities"}
    if not request.htmx:  # type: ignore[attr-defined]
        return render(request, "coaching/upload_progress.html", context)
    status = 200 if found.is_moving else HTMX_STOP_POLLING
    return render(request, "coaching/_upload_progress.html", context, status=status)


@require_POST
def delete_upload(request: HttpRequest, activity_id: UUID) -> HttpResponse:
    user = signed_in(request)
    uploading.remove(require_upload(user, activity_id), by=user)
    messages.success(request, gettext("Deleted, the file and what was read from it."))
    return redirect("coaching:activities")


@csrf_protect
def _upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "GET" or not form.is_valid():
        return _page(request, form, status=400 if form.errors else 200)
    file = form.cleaned_data["file"]
    try:
        received = uploading.receive(signed_in(request), file.name, file)
    except FileRefused as refused:
        form.add_error("file", refused.message)
        return _page(request, form, status=STATUSES.get(refused.code, 400))
    if not received.is_new and not received.upload.is_moving:
        messages.info(request, gettext("You had uploaded this file already; here is what came of it."))
    return redirect("coaching:upload_progress", received.upload.public_id)


def _length(request: HttpRequest) -> int:
    """As the sender says it; no more than that is ever read."""
    told = request.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else 0


def _too_long(request: HttpRequest) -> HttpResponse:
    if request.headers.get("Accept", "").startswith("application/json"):
        raise RequestDataTooBig
    form = UploadForm({})
    form.errors["file"] = form.error_class([reading.too_large()])
    return _page(request, form, status=413)


def _page(request: HttpRequest, form: UploadForm, *, status: int) -> HttpResponse:
    newest = Upload.objects.of(signed_in(request)).order_by("-created_at")[:NEWEST]
    context = {"form": form, "newest": newest, "section": "activities"}
    return render(request, "coaching/upload.html", context, status=status)


def _parts(found: Upload, user: User) -> list[dict[str, Any]]:
    """With the activities that are still there to be opened."""
    rows = Activity.objects.of(user).filter(public_id__in=[part["activity"] for part in found.made])
    here = {str(activity.public_id): activity for activity in rows}
    return [{**part, "activity": here.get(part["activity"])} for part in found.parts]
