"""What coaches and athletes type around the plan: groups, other days, copied weeks, notes."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import BadRequest
from django.http import Http404, QueryDict

from coaching.models import CoachingLink, Group
from coaching.models.roster import CoachingLinkQuerySet
from coaching.models.training import GroupQuerySet

MOST_CHOSEN = 500
MOST_WEEKS_AHEAD = 52


def chosen_links(data: QueryDict, links: CoachingLinkQuerySet) -> list[CoachingLink]:
    """The athletes ticked in a form. Http404 for anyone who is not in `links`, as if he did not exist."""
    asked = data.getlist("athlete")
    if len(asked) > MOST_CHOSEN:
        raise BadRequest(f"At most {MOST_CHOSEN} athletes in one go.")
    try:
        ids = {UUID(text) for text in asked}
    except ValueError:
        raise Http404 from None
    found = list(links.filter(public_id__in=ids)) if ids else []
    if len(found) != len(ids):
        raise Http404
    return found


class GroupForm(forms.Form):
    name = forms.CharField(label="Name of the group", max_length=60, strip=True)


class RosterFilterForm(forms.Form):
    """The roster's filters; anything unknown in the address is ignored, never an error."""

    q = forms.CharField(label="Search", required=False, max_length=100, strip=True)
    group = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, groups: Sequence[Group], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "All athletes"), *((str(group.public_id), group.name) for group in groups)]
        self.fields["group"].choices = choices  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: self.cleaned_data.get(name, "") for name in self.fields}


class NoteForm(forms.Form):
    text = forms.CharField(
        label="Your note", max_length=2000, strip=True, widget=forms.Textarea(attrs={"rows": 3, "maxlength": 2000})
    )


class MoveForm(forms.Form):
    """Another day for a planned workout, as the athlete's calendar counts days."""

    on = forms.DateField(label="New day", widget=forms.DateInput(attrs={"type": "date"}))


class CopyWeekForm(forms.Form):
    """Whose week goes to which group, into which week."""

    source = forms.ModelChoiceField(
        label="From the week of", queryset=CoachingLink.objects.none(), to_field_name="public_id", empty_label=None
    )
    group = forms.ModelChoiceField(
        label="To the group", queryset=Group.objects.none(), to_field_name="public_id", empty_label=None
    )
    week = forms.DateField(
        label="Into the week of", widget=forms.DateInput(attrs={"type": "date"}), help_text="Any day of that week."
    )

    def __init__(
        self, *args: Any, links: CoachingLinkQuerySet, groups: GroupQuerySet, today: date, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["source"].queryset = links  # type: ignore[attr-defined]
        self.fields["source"].label_from_instance = lambda link: str(link.athlete)  # type: ignore[attr-defined]
        self.fields["group"].queryset = groups  # type: ignore[attr-defined]

    def clean_week(self) -> date:
        day: date = self.cleaned_data["week"]
        if not self.today - timedelta(days=6) <= day <= self.today + timedelta(weeks=MOST_WEEKS_AHEAD):
            raise forms.ValidationError("Choose a day from this week on, within a year.", code="week_range")
        return day
