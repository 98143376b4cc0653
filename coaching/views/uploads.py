from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.permissions import signed_in
from coaching.activity_forms import UploadForm
from coaching.files.reading import MOST_BYTES
from coaching.files.shapes import FileRefused
from coaching.services import uploading
from coaching.services.uploading import Outcome
from coaching.views.activities import require_upload


@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "GET" or not form.is_valid():
        return _page(request, form)
    try:
        outcomes = _uploaded(request, form)
    except FileRefused as refused:
        form.add_error("file", refused.message)
        return _page(request, form)
    if len(outcomes) > 1 or outcomes[0].activity is None:
        return _page(request, UploadForm(), outcomes)
    told = "Uploaded." if outcomes[0].is_new else gettext("You had uploaded this file already; here is the activity.")
    messages.success(request, told)
    return redirect("coaching:activity", activity_id=outcomes[0].activity.public_id)


@require_POST
def delete_upload(request: HttpRequest, activity_id: UUID) -> HttpResponse:
    user = signed_in(request)
    uploading.remove(require_upload(user, activity_id), by=user)
    messages.success(request, gettext("Deleted, the file and what was read from it."))
    return redirect("coaching:activities")


def _uploaded(request: HttpRequest, form: UploadForm) -> list[Outcome]:
    file = form.cleaned_data["file"]
    if file.size > MOST_BYTES:
        raise FileRefused(
            gettext("This file is larger than %(megabytes)s MB.") % {"megabytes": MOST_BYTES >> 20},
            code="too_large",
        )
    return uploading.upload(signed_in(request), file.name, file.read())


def _page(request: HttpRequest, form: UploadForm, outcomes: list[Outcome] | None = None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "outcomes": outcomes, "section": "activities"}
    return render(request, "coaching/upload.html", context, status=400 if form.errors else 200)
