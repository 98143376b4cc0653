"""Nobody reaches what is not theirs: every route that names an object, tried by everybody it does not belong to.

A new route with an id fails here until it says whose object the id is.
"""

from collections.abc import Iterator
from datetime import date
from uuid import uuid4

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import DataRequest, User
from coaching.models import CoachingLink, DuplicatePair, Group, Invitation, Scope, Share, Workout, WorkoutRevision
from coaching.services import inviting
from integrations.models import Connection, ConnectSession, Provider
from integrations.records import Sport, WorkoutRecord
from tests.coaching.activity_world import stored

OURS = ("accounts", "coaching", "integrations", "webhooks")
CANARY = "Canary intervals"
# route name → whose object the id names, and which attribute it is
OWNERS = {
    "workout": "coach", "archive": "coach", "share": "coach", "delivery": "coach", "withdraw": "coach",
    "group": "coach", "delete_group": "coach", "move": "coach",
    "athlete_deliveries": "coach", "athlete_activities": "coach",
    "session": "both", "rematch": "both", "decide_pair": "athlete",
    "retry": "coach", "resend": "coach", "revoke": "coach", "athlete": "coach", "end_link": "both", "notes": "both",
    "activity": "athlete", "activity_details": "athlete", "original_file": "athlete", "download": "athlete",
    "delete_upload": "athlete", "trends_of_athlete": "coach",
    "consent": "athlete", "offer": "athlete", "import": "athlete", "decline": "athlete", "retry_import": "athlete",
}  # fmt: skip
PUBLIC = {"arrive", "receive", "unsubscribe", "feed"}  # the token itself is the permission


def routes() -> Iterator[tuple[str, URLPattern]]:
    for entry in get_resolver().url_patterns:
        if isinstance(entry, URLResolver) and entry.app_name in OURS:
            for pattern in entry.url_patterns:
                if isinstance(pattern, URLPattern) and pattern.pattern.converters:
                    yield str(entry.app_name), pattern


@pytest.fixture
def belongings(coach: User, athlete: User, link: CoachingLink, garmin_provider: Provider) -> dict[str, object]:
    """One of everything, of `coach` and `athlete`."""
    record = WorkoutRecord(name=CANARY, sport=Sport.RUNNING)
    workout = Workout.objects.create(owner=coach)
    revision = WorkoutRevision.objects.create(
        workout=workout, number=1, name=CANARY, sport="running", content=record.content(), content_hash="0" * 64
    )
    Workout.objects.filter(pk=workout.pk).update(current=revision)
    share = Share.objects.create(link=link, workout=workout, revision=revision, scheduled_for=date(2026, 12, 1))
    invitation, _ = inviting.invite(coach, "somebody@example.org")
    connection = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="1", external_name=CANARY
    )
    return {
        "workout_id": workout, "share_id": share, "link_id": link, "invitation_id": invitation,
        "activity_id": stored(athlete, name=CANARY),
        "connection_id": connection, "pair_id": _pair(athlete),
        "request_id": DataRequest.objects.create(user=athlete, kind="export"),
        "group_id": Group.objects.create(coach=coach, name=CANARY),
        "session_id": ConnectSession.objects.create(
            user=athlete, provider=garmin_provider, kind="password", state_hash="1" * 64, expires_at="2099-01-01T00:00Z"
        ),
    }  # fmt: skip


def _pair(athlete: User) -> DuplicatePair:
    first, second = stored(athlete, external_id="first", name=CANARY), stored(athlete, external_id="second")
    return DuplicatePair.objects.create(athlete=athlete, first=first, second=second)


def snapshot() -> dict[str, list[object]]:
    """Every row of our tables but the audit log, which may tell of the attempt."""
    models = [m for m in apps.get_models() if m._meta.app_label in OURS and m._meta.label != "accounts.AuditEntry"]
    return {
        m._meta.label: list(
            m._default_manager.order_by("pk").values(
                *[f.attname for f in m._meta.concrete_fields if f.name != "last_login"]
            )
        )
        for m in models
    }


@pytest.mark.parametrize(("app", "pattern"), list(routes()), ids=lambda value: getattr(value, "name", value))
def test_objects_of_others_do_not_exist(
    app: str, pattern: URLPattern, belongings: dict[str, object],
    coach: User, athlete: User, other_coach: User, stranger: User,
) -> None:  # fmt: skip
    name = str(pattern.name)
    if name in PUBLIC:
        return
    owner = OWNERS.get(name, "athlete" if app == "integrations" else None)
    assert owner, f"{app}:{name} names an object: say in OWNERS whose it is"
    arguments = {
        key: getattr(belongings[key], "public_id", None) if key in belongings else "garmin"
        for key in pattern.pattern.converters
    }
    if "garmin" in arguments.values():
        return
    outsiders = [other_coach, stranger] + {"coach": [athlete], "athlete": [coach], "both": []}[owner]
    before = snapshot()
    for person in outsiders:
        for address in (
            reverse(f"{app}:{name}", kwargs=arguments),
            reverse(f"{app}:{name}", kwargs={k: uuid4() for k in arguments}),
        ):
            client = Client()
            client.force_login(person)
            for method in ("get", "post"):
                answer = getattr(client, method)(address)
                allowed = {404, 405} | ({302} if owner == "coach" and not person.is_coach else set())
                assert answer.status_code in allowed, (person.email, method, address, answer.status_code)
                assert CANARY not in answer.text
    assert snapshot() == before


def test_a_signed_out_visitor_is_sent_to_the_login(belongings: dict[str, object], client: Client) -> None:
    for app, pattern in routes():
        if pattern.name in PUBLIC | {"callback"}:  # a provider's answer is refused to who is not logged in
            continue
        arguments = {key: getattr(belongings.get(key), "public_id", "garmin") for key in pattern.pattern.converters}
        answer = client.get(reverse(f"{app}:{pattern.name}", kwargs=arguments))
        assert answer.status_code in {302, 405}, pattern.name
        if answer.status_code == 302:
            assert "/account/login/" in answer["Location"]


def test_an_invitation_link_works_for_one_athlete_only(coach: User, athlete: User, stranger: User) -> None:
    invitation, token = inviting.invite(coach, "somebody@example.org")
    inviting.accept(invitation, athlete=athlete, scopes=[Scope.PLAN.value], auto_import=False)
    client = Client()
    client.force_login(stranger)
    assert client.get(reverse("coaching:arrive", args=[token])).status_code == 404
    assert not CoachingLink.objects.filter(athlete=stranger).exists()
    assert Invitation.objects.get().accepted_at is not None
