"""A coach's groups: who is treated together."""

from collections.abc import Iterable

from django.contrib.postgres.expressions import ArraySubquery
from django.db import IntegrityError, transaction
from django.db.models import OuterRef
from django.db.models.functions import JSONObject, Lower
from django.utils.translation import gettext

from accounts import audit
from accounts.models import User
from coaching.models import CoachingLink, Group
from coaching.models.roster import CoachingLinkQuerySet
from coaching.plain import one_line
from integrations import errors

LONGEST_NAME = 60
MOST_GROUPS = 100


@transaction.atomic
def make(coach: User, name: str, links: Iterable[CoachingLink] = ()) -> Group:
    """ValidationError where the coach has a group of that name, or too many; links of others are passed over."""
    if Group.objects.for_coach(coach).count() >= MOST_GROUPS:
        raise errors.ValidationError(
            gettext("You have %(most)s groups, the most there can be.") % {"most": MOST_GROUPS},
            code="most_groups",
        )
    group = Group(coach=coach, name=_usable(name))
    _save(group)
    group.members.set(_own(coach, links))
    audit.record("group.made", group, actor=coach)
    return group


@transaction.atomic
def change(group: Group, name: str, links: Iterable[CoachingLink], *, by: User) -> None:
    """Its name, and exactly these members; links that are not active or not the coach's are passed over.

    ValidationError where another group has the name; nothing is changed then. Safe to run twice.
    """
    was, group.name = group.name, _usable(name)
    if group.name != was:
        _save(group)
        audit.record("group.renamed", group, actor=by)
    members = _own(group.coach, links)
    if {link.pk for link in members} != set(group.members.values_list("pk", flat=True)):
        group.members.set(members)
        audit.record("group.members", group, actor=by, members=len(members))


@transaction.atomic
def add(group: Group, links: Iterable[CoachingLink], *, by: User) -> int:
    """Add to who is in it already; returns how many are new."""
    before = set(group.members.values_list("pk", flat=True))
    new = [link for link in _own(group.coach, links) if link.pk not in before]
    if new:
        group.members.add(*new)
        audit.record("group.members", group, actor=by, members=len(before) + len(new))
    return len(new)


@transaction.atomic
def delete(group: Group, *, by: User) -> None:
    """The group alone goes; athletes and what was shared stay."""
    audit.record("group.deleted", group, actor=by)
    group.delete()


def with_groups(links: CoachingLinkQuerySet, coach: User) -> CoachingLinkQuerySet:
    """Links annotated with their groups and with all groups of the coach, as {id, name}: one query for a page."""
    named = JSONObject(id="public_id", name="name")
    own = Group.objects.filter(coach=coach).order_by(Lower("name"))
    return links.annotate(
        group_list=ArraySubquery(own.filter(members=OuterRef("pk")).values_list(named)),
        coach_groups=ArraySubquery(own.values_list(named)),
    )


def _own(coach: User, links: Iterable[CoachingLink]) -> list[CoachingLink]:
    return list(CoachingLink.objects.active_for_coach(coach).filter(pk__in=[link.pk for link in links]))


def _usable(name: str) -> str:
    usable = one_line(name, most=LONGEST_NAME)
    if not usable:
        raise errors.ValidationError(gettext("Give the group a name."), code="no_name")
    return usable


def _save(group: Group) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError:
        raise errors.ValidationError(gettext("You have a group of this name already."), code="name_taken") from None
