"""Nobody reaches what is not theirs: every route that names an object, tried by everybody it does not belong to.

A new route with an id fails here until it says whose object the id is; a new one of the API until it says who may.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import personal_tokens
from accounts.models import AccessToken, DataRequest, TokenScope, User
from coaching.models import (
    CoachingLink,
    Delivery,
    DuplicatePair,
    Group,
    Invitation,
    Scope,
    Share,
    Upload,
    Workout,
    WorkoutRevision,
)
from coaching.services import inviting
from config import api, api_docs
from integrations.models import Connection, ConnectSession, Provider
from integrations.records import Segment, Sport, WorkoutRecord, WorkoutStep
from tests.coaching.activity_world import stored

OURS = ("accounts", "coaching", "integrations", "webhooks")
CANARY = "Canary intervals"
# route name → whose object the id names, and which attribute it is
OWNERS = {
    "workout": "coach", "archive": "coach", "share": "coach", "delivery": "coach", "withdraw": "coach",
    "group": "coach", "delete_group": "coach", "move": "both",
    "athlete_deliveries": "coach", "athlete_activities": "coach",
    "session": "both", "revoke_token": "athlete", "rematch": "both", "decide_pair": "athlete",
    "retry": "coach", "resend": "coach", "revoke": "coach", "athlete": "coach", "end_link": "both", "notes": "both",
    "activity": "athlete", "activity_details": "athlete", "original_file": "athlete", "download": "athlete",
    "delete_upload": "athlete", "upload_progress": "athlete", "trends_of_athlete": "coach",
    "consent": "athlete", "offer": "athlete", "import": "athlete", "decline": "athlete", "retry_import": "athlete",
    "call_off": "athlete", "resume": "athlete",
}  # fmt: skip
METHODS = ("get", "post", "put", "patch", "delete")
SLUGS = {"slug"}  # name no row of anybody
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
    leg = Segment(sport=Sport.RUNNING, steps=(WorkoutStep(),))
    record = WorkoutRecord(name=CANARY, sport=Sport.RUNNING, segments=(leg,))
    workout = Workout.objects.create(owner=coach)
    revision = WorkoutRevision.objects.create(
        workout=workout, number=1, name=CANARY, sport="running", content=record.content(), content_hash="0" * 64
    )
    Workout.objects.filter(pk=workout.pk).update(current=revision)
    share = Share.objects.create(link=link, workout=workout, revision=revision, scheduled_for=date(2026, 12, 1))
    Delivery.objects.create(share=share, revision=revision, status="blocked")
    invitation, _ = inviting.invite(coach, "somebody@example.org")
    connection = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="1", external_name=CANARY
    )
    return {
        "workout_id": workout, "share_id": share, "link_id": link, "invitation_id": invitation,
        "activity_id": stored(athlete, name=CANARY),
        "connection_id": connection, "pair_id": _pair(athlete),
        "upload_id": Upload.objects.create(athlete=athlete, name=CANARY, sha256="7" * 64, bytes_n=1),
        "request_id": DataRequest.objects.create(user=athlete, kind="export"),
        "group_id": Group.objects.create(coach=coach, name=CANARY),
        "token_id": personal_tokens.make(athlete, name=CANARY, scopes=["profile:read"], days=7)[0],
        "session_id": ConnectSession.objects.create(
            user=athlete, provider=garmin_provider, kind="password", state_hash="1" * 64, expires_at="2099-01-01T00:00Z"
        ),
    }  # fmt: skip


def _pair(athlete: User) -> DuplicatePair:
    first, second = stored(athlete, external_id="first", name=CANARY), stored(athlete, external_id="second")
    return DuplicatePair.objects.create(athlete=athlete, first=first, second=second)


def snapshot() -> dict[str, list[object]]:
    """Every row of our tables but the audit log, which may tell of the attempt, and the tokens it is made with."""
    ours = (m for m in apps.get_models() if m._meta.app_label in OURS)
    models = [m for m in ours if m._meta.label not in {"accounts.AuditEntry", "accounts.AccessToken"}]
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
    if SLUGS & pattern.pattern.converters.keys():
        return
    arguments = {key: getattr(belongings[key], "public_id", None) for key in pattern.pattern.converters}
    outsiders = [other_coach, stranger] + {"coach": [athlete], "athlete": [coach], "both": []}[owner]
    before = snapshot()
    for person in outsiders:
        for address in (
            reverse(f"{app}:{name}", kwargs=arguments),
            reverse(f"{app}:{name}", kwargs={k: uuid4() for k in arguments}),
        ):
            client = Client()
            client.force_login(person)
            for method in METHODS:
                answer = getattr(client, method)(address)
                allowed = {404, 405} | ({302} if owner == "coach" and not person.is_coach else set())
                assert answer.status_code in allowed, (person.email, method, address, answer.status_code)
                assert CANARY not in answer.text
    assert snapshot() == before
    assert not AccessToken.objects.exclude(revoked_at=None).exists()


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


# What the API promises of each route: whose the object is that it names ("coach", "athlete", "both"), what a list holds
# ("coach's", "athlete's", "both's"), or that it tells of nobody but the caller ("self") or asks for no token ("open").
API = {
    "log_in": "open", "second_factor": "open", "refresh": "open", "log_out": "self", "me": "self",
    "athletes": "coach's", "athlete": "coach", "invitations": "coach's", "invite": "self", "invitation": "coach",
    "revoke": "coach", "workouts": "coach's", "create_workout": "self", "workout": "coach", "revise_workout": "coach",
    "archive_workout": "coach", "workout_for_garmin": "coach", "share_workout": "coach", "shares": "both's",
    "share": "both", "withdraw": "coach", "deliveries": "both's", "activities": "athlete's", "activity": "athlete",
    "calendar": "both's", "connections": "athlete's",
}  # fmt: skip
STEP = {"type": "step", "end": {"kind": "time", "value": 60}}
RUN = {"name": "Mine now", "sport": "running", "segments": [{"sport": "running", "steps": [STEP]}]}
DAYS = "?first=2026-11-25&last=2026-12-05"


def api_routes() -> Iterator[tuple[str, str, str]]:
    """(name, method, address) of every route, as the API describes itself."""
    for address, methods in api_docs.described()["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method, address


def called(client: Client, method: str, address: str, belongings: dict[str, object]) -> Any:
    """With a body and a condition that would be right for whose object it is."""
    ids = {f"{{{key}}}": str(row.public_id) for key, row in belongings.items()}  # type: ignore[attr-defined]
    ids["{athlete_id}"] = ids["{link_id}"]
    for mark, public_id in ids.items():
        address = address.replace(mark, public_id)
    body = {"athletes": [ids["{link_id}"]]} if address.endswith("/shares") else RUN
    call = getattr(client, method)
    if method == "get":
        return call(f"{address}{DAYS if address.endswith('/calendar') else ''}")
    return call(address, body, content_type="application/json", headers={"If-Match": "*"})


def with_token(user: User) -> Client:
    _, token = personal_tokens.make(user, name="walk", scopes=TokenScope.values, days=1)
    return Client(headers={"Authorization": f"Bearer {token}"})


def ids_of(belongings: dict[str, object]) -> set[str]:
    rows = [belongings[key] for key in ("workout_id", "share_id", "link_id", "invitation_id", "activity_id")]
    rows += [belongings["connection_id"], *Delivery.objects.all()]
    return {str(row.public_id) for row in rows}  # type: ignore[attr-defined]


def test_every_route_of_the_api_says_who_may() -> None:
    patterns = {str(pattern.name) for pattern in api.routes()[0]}
    assert patterns == API.keys() == {name for name, _, _ in api_routes()}


@pytest.mark.parametrize(("name", "method", "address"), list(api_routes()))
def test_the_api_keeps_people_apart(
    name: str, method: str, address: str, belongings: dict[str, object],
    coach: User, athlete: User, other_coach: User, stranger: User,
) -> None:  # fmt: skip
    promise = API[name]
    owners = {"coach": [coach], "athlete": [athlete], "both": [coach, athlete]}.get(promise.removesuffix("'s"), [])
    before, foreign = snapshot(), ids_of(belongings)
    taken = {other for _, other, same in api_routes() if same == address}
    for person in (coach, athlete, other_coach, stranger):
        if not owners or person in owners:
            continue
        for each in METHODS if not promise.endswith("'s") else ("get",):
            if each != method and each in taken:
                continue  # a route of its own, with an owner of its own
            answer = called(with_token(person), each, address, belongings)
            allowed = {404, 405} if not promise.endswith("'s") else {200}
            assert answer.status_code in allowed | ({403} if not person.is_coach else set()), (person.email, each)
            asked = {part for part in foreign if part in answer.wsgi_request.get_full_path()}
            assert not any(part in answer.text for part in foreign - asked)
            assert CANARY not in answer.text
    assert snapshot() == before
    for person in owners if method == "get" else []:
        told = called(with_token(person), "get", address, belongings)
        assert told.status_code == 200, told.text
        assert any(part in told.text for part in foreign | {CANARY}), "the walk tries an empty thing"


def test_the_api_knows_nobody_by_his_cookies(belongings: dict[str, object], coach: User, athlete: User) -> None:
    before = snapshot()
    for name, method, address in api_routes():
        if API[name] == "open":
            continue
        for person in (coach, athlete):
            client = Client()
            client.force_login(person)
            answer = called(client, method, address, belongings)
            assert (answer.status_code, answer.json()["code"]) == (401, "authentication"), name
    assert snapshot() == before
