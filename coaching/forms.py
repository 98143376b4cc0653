from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import BadRequest
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from coaching.models import CoachingLink, DeliveryStatus, Scope
from coaching.models.roster import CoachingLinkQuerySet
from coaching.models.training import GroupQuerySet
from coaching.words import sport_in_words
from integrations.records import Sport

MOST_TARGETS = 200  # in one post; "all my athletes" has no limit
FURTHEST_DAYS = 366
DURATIONS = [
    ("", _("Any length")),
    ("0-1800", _("Up to 30 min")),
    ("1800-3600", _("30 to 60 min")),
    ("3600-5400", _("60 to 90 min")),
    ("5400-", _("Over 90 min")),
]


def sport_choices() -> list[tuple[str, str]]:
    return [("", gettext("Any sport")), *((sport.value, sport_in_words(sport)) for sport in Sport)]


class LibraryFilterForm(forms.Form):
    """The library's filters; anything unknown in the address is ignored, never an error."""

    q = forms.CharField(label=_("Search"), required=False, max_length=100, strip=True)
    sport = forms.ChoiceField(label=_("Sport"), required=False, choices=sport_choices)
    duration = forms.ChoiceField(label=_("Length"), required=False, choices=DURATIONS)

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: self.cleaned_data.get(name, "") for name in self.fields}


class DeliveryFilterForm(forms.Form):
    q = forms.CharField(label=_("Workout or athlete"), required=False, max_length=100)
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("Any state")),
            ("offered", _("Waiting for the athlete")),
            *DeliveryStatus.choices,
            ("declined", _("Declined")),
            ("withdrawn", _("Withdrawn")),
        ],
    )

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: self.cleaned_data.get(name, "") for name in self.fields}


class ShareForm(forms.Form):
    """To whom, for which local day of each athlete, with which words.

    Athletes, groups or both; whoever is in several gets one offer. A target that is not the coach's active athlete,
    or not his group, is 404, as if it did not exist.
    """

    everyone = forms.BooleanField(label=_("All my athletes"), required=False)
    on = forms.DateField(
        label=_("Day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("In each athlete's own time zone. Leave empty for any day."),
    )
    message = forms.CharField(
        label=_("Message"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("The athlete reads this with the workout."),
    )

    def __init__(self, *args: Any, links: CoachingLinkQuerySet, groups: GroupQuerySet, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.links = links
        self.groups = groups

    def clean_on(self) -> date | None:
        return self._sane(self.cleaned_data["on"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        targets = list(self.links) if data.get("everyone") else self._chosen()
        if not targets:
            raise forms.ValidationError(gettext("Choose at least one athlete."), code="no_targets")
        data["targets"] = [(link, self._day_for(link, data.get("on"))) for link in targets]
        return data

    def _chosen(self) -> list[CoachingLink]:
        """Those named, and those in the groups that are named; who is both counts once."""
        named = list(self.links.filter(public_id__in=self._asked("athlete")))
        groups = list(self.groups.filter(public_id__in=self._asked("group")))
        if len(named) != len(self._asked("athlete")) or len(groups) != len(self._asked("group")):
            raise Http404
        known = {link.pk for link in named}
        return named + list(self.links.filter(groups__in=groups).exclude(pk__in=known).distinct() if groups else ())

    def _asked(self, name: str) -> set[UUID]:
        asked = self.data.getlist(name) if hasattr(self.data, "getlist") else []
        if len(asked) > MOST_TARGETS:
            raise BadRequest(gettext("At most %(most)s in one go.") % {"most": MOST_TARGETS})
        try:
            return {UUID(text) for text in asked}
        except ValueError:
            raise Http404 from None

    def _day_for(self, link: CoachingLink, common: date | None) -> date | None:
        text = self.data.get(f"day-{link.public_id}", "")
        if not text:
            return common
        try:
            return self._sane(date.fromisoformat(text))
        except ValueError:
            raise forms.ValidationError(
                gettext("Choose a day for %(athlete)s as year-month-day.") % {"athlete": link.athlete}, code="day"
            ) from None

    def _sane(self, day: date | None) -> date | None:
        today = timezone.now().date()
        if day and not today - timedelta(days=1) <= day <= today + timedelta(days=FURTHEST_DAYS):
            raise forms.ValidationError(gettext("Choose a day from today on, within a year."), code="day_range")
        return day


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label=_("Athlete's email"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": "name@example.org"}),
    )


class ConsentForm(forms.Form):
    """What the athlete lets the coach see; planning itself always belongs to it."""

    scopes = forms.MultipleChoiceField(
        label=_("Your coach may see"),
        choices=[choice for choice in Scope.choices if choice[0] != Scope.PLAN],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    auto_import = forms.BooleanField(
        label=_("Put new workouts on my watch by themselves"),
        required=False,
        help_text=_("Without this you decide for each workout."),
    )

    def clean_scopes(self) -> list[str]:
        return [Scope.PLAN.value, *self.cleaned_data["scopes"]]


def consent_form_for(link: CoachingLink, data: Any = None) -> ConsentForm:
    return ConsentForm(data, initial={"scopes": link.scopes, "auto_import": link.auto_import})
