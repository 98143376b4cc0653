"""What a provider's terms say: kept for days only, hidden from coaches, gone when the person's yes is."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching import policies, totals
from coaching.activity_sink import ActivitySink
from coaching.models import Activity, CoachingLink, DailyTotal, Scope
from coaching.services import purging
from integrations import events
from integrations.admin.providers import ProviderAdmin
from integrations.models import Connection, Provider
from integrations.records import ActivityRecord, Sport
from tests.coaching import history

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(athlete: User) -> Connection:
    """At a provider that allows seven days and no coach."""
    provider, _ = Provider.objects.get_or_create(slug="strava", defaults={"name": "Strava"})
    provider.cache_days, provider.visible_to_coach = 7, False
    provider.save()
    policies.forget()
    return Connection.objects.create(user=athlete, provider=provider, status="active", external_account_id="7")


def record(days_ago: float) -> ActivityRecord:
    started = timezone.now() - timedelta(days=days_ago)
    return ActivityRecord(external_id=f"{days_ago}", sport=Sport.RUNNING, started_at=started, duration_s=600)


def age(external_id: str, days: float) -> None:
    """As if it had come when it was young."""
    started = timezone.now() - timedelta(days=days)
    Activity.objects.filter(external_id=external_id).update(started_at=started, day=started.date())


def test_what_is_too_old_already_is_not_stored(account: Connection) -> None:
    ActivitySink().upsert(account, [record(6.9), record(7.1), record(300)])
    assert list(Activity.objects.values_list("external_id", flat=True)) == ["6.9"]


def test_what_grows_too_old_is_hidden_at_once_and_deleted_at_night_with_its_totals_and_a_report(
    account: Connection,
) -> None:
    ActivitySink().upsert(account, [record(1), record(2), record(3)])
    age("2", 8)
    assert set(Activity.objects.of(account.user).values_list("external_id", flat=True)) == {"1", "3"}
    assert purging.purge_expired() == 1
    totals.refresh((account.user_id, row.day) for row in DailyTotal.objects.all())
    assert set(Activity.objects.values_list("external_id", flat=True)) == {"1", "3"}
    assert history.totals(account.user) == history.summed(account.user)
    report = AuditEntry.objects.get(action=purging.ACTION)
    assert (report.object_id, report.data) == (str(account.provider.public_id), {"removed": 1, "days": 7})
    shown = ProviderAdmin.purged(None, account.provider)  # type: ignore[arg-type]
    assert shown.startswith("1 of more than 7 days, on ")


def test_a_night_without_anything_to_delete_is_reported_as_well(account: Connection) -> None:
    assert purging.purge_expired() == 0
    assert AuditEntry.objects.get(action=purging.ACTION).data["removed"] == 0


def test_totals_of_purged_days_are_gone(account: Connection) -> None:
    ActivitySink().upsert(account, [record(5)])
    assert DailyTotal.objects.count() == 1
    Activity.objects.update(started_at=timezone.now() - timedelta(days=8))
    purging.purge_expired()
    assert not DailyTotal.objects.exists()


def test_a_coach_sees_none_of_it_and_the_athlete_all(account: Connection, coach: User) -> None:
    CoachingLink.objects.create(coach=coach, athlete=account.user, scopes=[Scope.PLAN, Scope.ACTIVITIES])
    ActivitySink().upsert(account, [record(1)])
    assert Activity.objects.visible_to(account.user).count() == 1
    assert not Activity.objects.visible_to(coach).exists()
    assert not Activity.objects.shown_to_coach(coach).exists()
    Provider.objects.update(visible_to_coach=True)
    policies.forget()
    assert Activity.objects.visible_to(coach).count() == Activity.objects.shown_to_coach(coach).count() == 1


def test_who_takes_his_yes_back_leaves_nothing_where_the_terms_say_so(account: Connection) -> None:
    ActivitySink().upsert(account, [record(1), record(2)])
    assert account.move(Connection.Status.DISCONNECTED, only_from=[Connection.Status.ACTIVE])
    events.publish("connection.disconnected", account, connection=account, purge=False)
    events.dispatch_due()
    events.dispatch_due()
    assert not Activity.objects.exists()
    assert not DailyTotal.objects.exists()


@pytest.mark.parametrize("purge", [True, False])
def test_elsewhere_it_is_the_persons_choice(athlete: User, garmin_provider: Provider, *, purge: bool) -> None:
    account = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="8"
    )
    ActivitySink().upsert(account, [record(1), record(100)])
    assert account.move(Connection.Status.DISCONNECTED, only_from=[Connection.Status.ACTIVE])
    events.publish("connection.disconnected", account, connection=account, purge=purge)
    events.dispatch_due()
    events.dispatch_due()
    assert Activity.objects.count() == (0 if purge else 2)


def test_who_connects_the_account_again_has_each_activity_once(athlete: User, garmin_provider: Provider) -> None:
    ended = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="disconnected", external_account_id="8"
    )
    sink = ActivitySink()
    sink.upsert(ended, [record(1), record(2)])
    again = Connection.objects.create(user=athlete, provider=garmin_provider, status="active", external_account_id="8")
    with transaction.atomic():
        sink.adopt(again)
    assert set(Activity.objects.values_list("connection", flat=True)) == {again.pk}
    sink.upsert(again, [record(1)])
    assert Activity.objects.count() == 2


def test_nobody_takes_over_what_another_account_or_person_left(
    athlete: User, stranger: User, garmin_provider: Provider
) -> None:
    fields: dict[str, Any] = {"provider": garmin_provider, "external_account_id": "8"}
    ended = Connection.objects.create(user=athlete, status="disconnected", **fields)
    sink = ActivitySink()
    sink.upsert(ended, [record(1)])
    for changed in ({"external_account_id": "9"}, {"user": stranger}):
        other = Connection.objects.create(**{"user": athlete, "status": "active", **fields, **changed})
        with transaction.atomic():
            sink.adopt(other)
        assert Activity.objects.get().connection == ended
