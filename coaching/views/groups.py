from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.permissions import signed_in
from coaching.models import CoachingLink, Group
from coaching.permissions import coach_required
from coaching.plan_forms import GroupForm, chosen_links
from coaching.services import grouping
from integrations import errors


@require_http_methods(["GET", "POST"])
@coach_required
def groups(request: HttpRequest) -> HttpResponse:
    coach = signed_in(request)
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = grouping.make(coach, form.cleaned_data["name"])
        except errors.ValidationError as exc:
            form.add_error("name", exc.message)
        else:
            return redirect("coaching:group", group_id=made.public_id)
    context = {
        "form": form,
        "groups": Group.objects.for_coach(coach).with_size(),
        "section": "athletes",
    }
    return render(request, "coaching/groups.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@coach_required
def group(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """Its name and who is in it, saved together."""
    coach = signed_in(request)
    found = get_object_or_404(Group.objects.for_coach(coach).select_related("coach"), public_id=group_id)
    links = CoachingLink.objects.active_for_coach(coach).order_by("athlete__display_name", "pk")
    form = GroupForm(request.POST if request.method == "POST" else None, initial={"name": found.name})
    if request.method == "POST" and form.is_valid():
        chosen = chosen_links(request.POST, links)
        try:
            grouping.change(found, form.cleaned_data["name"], chosen, by=coach)
        except errors.ValidationError as exc:
            form.add_error("name", exc.message)
        else:
            messages.success(request, gettext("Saved."))
            return redirect("coaching:group", group_id=group_id)
    members = set(found.members.values_list("pk", flat=True))
    context = {"group": found, "form": form, "links": links, "members": members, "section": "athletes"}
    return render(request, "coaching/group.html", context, status=400 if form.errors else 200)


@require_POST
@coach_required
def delete(request: HttpRequest, group_id: UUID) -> HttpResponse:
    found = get_object_or_404(Group.objects.for_coach(signed_in(request)), public_id=group_id)
    grouping.delete(found, by=signed_in(request))
    messages.success(
        request, gettext("The group %(group)s is gone. Its athletes and their workouts stay.") % {"group": found.name}
    )
    return redirect("coaching:groups")


@require_POST
@coach_required
def join(request: HttpRequest) -> HttpResponse:
    """The athletes ticked in the roster join a group."""
    coach = signed_in(request)
    try:
        wanted = UUID(request.POST.get("group", ""))
    except ValueError:
        messages.info(request, gettext("Choose a group first."))
        return redirect("coaching:athletes")
    found = get_object_or_404(Group.objects.for_coach(coach).select_related("coach"), public_id=wanted)
    new = grouping.add(found, chosen_links(request.POST, CoachingLink.objects.active_for_coach(coach)), by=coach)
    messages.success(
        request,
        gettext("%(new)s added to %(group)s.") % {"new": new, "group": found.name}
        if new
        else gettext("They are in %(group)s already.") % {"group": found.name},
    )
    return redirect("coaching:athletes")
