"""What pages ask all day stays on an index, whatever else the tables hold: of ENGINE.md's list what coaching asks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from coaching import activity_pages
from coaching.models import Activity, CoachingLink, Delivery, Share, Workout
from integrations.models import Provider
from tests.coaching.roster_world import account
from tests.coaching.world import make_workout

pytestmark = pytest.mark.django_db

# What grows with years and people; of short tables a scan is the shortest way.
GROWING = {
    "coaching_activity", "coaching_dailytotal", "coaching_share", "coaching_delivery", "coaching_match",
    "coaching_workout",
}  # fmt: skip


@pytest.fixture
def coach(coach: User, garmin_provider: Provider) -> User:
    """Three of the 150 athletes are his; the others' plans, deliveries and workouts stand between him and his."""
    call_command("seed_scale", "--athletes", "150", "--activities", "9000", "--days", "60", verbosity=0)
    crowd = User.objects.get(email="scale.coach@example.org")
    shares = Share.objects.filter(status="accepted").select_related("revision")
    there = account(CoachingLink.objects.filter(coach=crowd).order_by("pk")[5], garmin_provider)
    copies = [Delivery(share=share, revision=share.revision, connection=there) for share in shares]
    Delivery.objects.bulk_create(copies)
    Workout.objects.bulk_create([Workout(owner=crowd) for _ in range(4000)])
    mine = CoachingLink.objects.filter(coach=crowd).order_by("pk").values_list("pk", flat=True)[:3]
    CoachingLink.objects.filter(pk__in=list(mine)).update(coach=coach)
    make_workout(coach)
    with database.cursor() as cursor:
        cursor.execute("ANALYZE")
    return coach


@pytest.fixture
def athlete(coach: User) -> User:
    return CoachingLink.objects.active_for_coach(coach).order_by("pk")[0].athlete


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def plan_of(sql: str) -> list[dict[str, Any]]:
    """Of a question as it was sent, its values in place; short tables are read whole only where no index helps."""
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        return list(nodes(cursor.fetchone()[0][0]["Plan"]))


def plan_for(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    return list(nodes(json.loads(rows.explain(format="json"))[0]["Plan"]))


def scans_of_a_page(client: Client, address: str) -> list[str]:
    """Growing tables that some question of the page reads from one end to the other."""
    with CaptureQueriesContext(database) as queries:
        assert client.get(address).status_code == 200
    asked = [query["sql"] for query in queries.captured_queries]
    selects = [sql for sql in asked if sql.startswith("SELECT") and any(name in sql for name in GROWING)]
    assert selects
    plans = [node for sql in selects for node in plan_of(sql)]
    return [node["Relation Name"] for node in plans if _is_scan(node)]


def _is_scan(node: dict[str, Any]) -> bool:
    return node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING


@pytest.mark.parametrize(
    "address",
    ["/today/", "/calendar/", "/calendar/?view=month", "/athletes/", "/library/", "/athletes/{link}/",
     "/athletes/{link}/activities/", "/athletes/{link}/weeks/"],
)  # fmt: skip
def test_every_question_of_a_coachs_pages_has_an_index(coach: User, client: Client, address: str) -> None:
    client.force_login(coach)
    link = CoachingLink.objects.active_for_coach(coach).order_by("pk")[0]
    assert scans_of_a_page(client, address.format(link=link.public_id)) == []


@pytest.mark.parametrize("address", ["/activities/", "/activities/weeks/", "/week/", "/inbox/"])
def test_every_question_of_an_athletes_pages_has_an_index(athlete: User, client: Client, address: str) -> None:
    client.force_login(athlete)
    assert scans_of_a_page(client, address) == []


def test_the_feed_is_as_short_a_way_at_the_end_as_at_the_beginning(athlete: User, client: Client) -> None:
    client.force_login(athlete)
    row = Activity.objects.filter(athlete=athlete).newest_first()[50]
    assert scans_of_a_page(client, f"/activities/?after={activity_pages._mark(row)}") == []
    rows = Activity.objects.of(athlete).filter(started_at__lte=row.started_at).newest_first()[:30]
    used = {node.get("Index Name") for node in plan_for(rows)}
    assert "activity_feed" in used


def test_the_library_comes_from_its_index(coach: User) -> None:
    rows = Workout.objects.filter(owner=coach, archived_at=None).order_by("-updated_at")[:24]
    assert "workout_library" in {node.get("Index Name") for node in plan_for(rows)}


def test_due_deliveries_come_from_their_index(coach: User) -> None:
    assert coach
    Delivery.objects.filter(pk__gt=Delivery.objects.order_by("pk")[20].pk).update(
        status="delivered", remote_workout_id=Cast("pk", TextField()), delivered_at=timezone.now()
    )
    with database.cursor() as cursor:
        cursor.execute("ANALYZE coaching_delivery")
    used = plan_for(Delivery.objects.due())
    assert not [node for node in used if _is_scan(node)]
