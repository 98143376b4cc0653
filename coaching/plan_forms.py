"""What coaches and athletes type around the plan: groups, other days, copied weeks, notes."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import BadRequest
from django.http import Http404, QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from coaching.models import CoachingLink, DeclineReason, Group
from coaching.models.roster import CoachingLinkQuerySet
from coaching.models.training import GroupQuerySet
from coaching.services.calling_off import LONGEST_WORDS
from coaching.weeks import week_of

MOST_CHOSEN = 500
MOST_WEEKS_AHEAD = 52
FIRST_YEAR, LAST_YEAR = 2000, 2100


def a_day(text: str) -> date | None:
    """Of an address, as year-month-day within a few years of what calendars show; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def chosen_links(data: QueryDict, links: CoachingLinkQuerySet) -> list[CoachingLink]:
    """The athletes ticked in a form. Http404 for anyone who is not in `links`, as if he did not exist."""
    asked = data.getlist("athlete")
    if len(asked) > MOST_CHOSEN:
        raise BadRequest(gettext("At most %(most)s athletes in one go.") % {"most": MOST_CHOSEN})
    try:
        ids = {UUID(text) for text in asked}
    except ValueError:
        raise Http404 from None
    found = list(links.filter(public_id__in=ids)) if ids else []
    if len(found) != len(ids):
        raise Http404
    return found


class GroupForm(forms.Form):
    name = forms.CharField(label=_("Name of the group"), max_length=60, strip=True)


class RosterFilterForm(forms.Form):
    """A list of athletes by words of their names and by group; anything unknown in the address is ignored."""

    q = forms.CharField(label=_("Name"), required=False, max_length=100, strip=True)
    group = forms.UUIDField(label=_("Group"), required=False, widget=forms.Select(choices=[("", _("All athletes"))]))

    @property
    def is_narrow(self) -> bool:
        self.is_valid()
        return any(self.cleaned_data.values())

    def narrow(self, links: CoachingLinkQuerySet) -> CoachingLinkQuerySet:
        """By a group of another coach nobody is found: the links are the coach's own."""
        self.is_valid()
        for word in self.cleaned_data.get("q", "").split():
            links = links.filter(athlete__display_name__icontains=word)
        group = self.cleaned_data.get("group")
        return links.filter(groups__public_id=group) if group else links

    def offer(self, links: Sequence[Any]) -> None:
        """The coach's groups to choose from, as `grouping.with_groups` read them with the links."""
        groups = links[0].coach_groups if links else []
        choices = [("", gettext("All athletes")), *((group["id"], group["name"]) for group in groups)]
        self.fields["group"].widget.choices = choices


class NoteForm(forms.Form):
    text = forms.CharField(
        label=_("Your note"), max_length=2000, strip=True, widget=forms.Textarea(attrs={"rows": 3, "maxlength": 2000})
    )


class MoveForm(forms.Form):
    """Another day for a planned workout, as the athlete's calendar counts days."""

    on = forms.DateField(label=_("New day"), widget=forms.DateInput(attrs={"type": "date"}))


class CallOffForm(forms.Form):
    """Why a session is not done."""

    reason = forms.ChoiceField(label=_("Reason"), choices=DeclineReason.choices)
    words = forms.CharField(label=_("In your words"), required=False, max_length=LONGEST_WORDS, strip=True)


class CopyWeekForm(forms.Form):
    """Whose week goes to which group, into which week."""

    source = forms.ModelChoiceField(
        label=_("The plan of"), queryset=CoachingLink.objects.none(), to_field_name="public_id"
    )
    from_day = forms.DateField(
        label=_("From the week of"),
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Any day of that week."),
    )
    group = forms.ModelChoiceField(label=_("To the group"), queryset=Group.objects.none(), to_field_name="public_id")
    to_day = forms.DateField(
        label=_("Into the week of"),
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Any day of that week."),
    )

    def __init__(
        self,
        *args: Any,
        links: CoachingLinkQuerySet,
        groups: GroupQuerySet,
        today: date,
        starts_on: int,
        **kwargs: Any,
    ) -> None:
        first = week_of(today, starts_on)
        usual = {"from_day": first, "to_day": first + timedelta(days=7)}
        super().__init__(*args, **kwargs | {"initial": usual | (kwargs.get("initial") or {})})
        self.first, self.starts_on = first, starts_on
        self.fields["source"].queryset = links  # type: ignore[attr-defined]
        self.fields["source"].label_from_instance = lambda link: str(link.athlete)  # type: ignore[attr-defined]
        self.fields["group"].queryset = groups  # type: ignore[attr-defined]

    def clean_to_day(self) -> date:
        day: date = self.cleaned_data["to_day"]
        if not self.first <= day <= self.first + timedelta(weeks=MOST_WEEKS_AHEAD):
            raise forms.ValidationError(gettext("Choose a day from this week on, within a year."), code="week_range")
        return day
