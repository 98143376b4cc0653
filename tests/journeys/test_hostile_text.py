"""P18: what people, providers and machines call things is text in a browser, on every page that shows it."""

from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.db import IntegrityError, models, transaction

from accounts.models import User
from coaching.models import CoachingLink, Note, WorkoutRevision
from integrations.records import Segment, Sport, WorkoutRecord, WorkoutStep
from tests.journeys.conftest import Enter, Visitor
from tests.journeys.served import as_person, stack
from tests.test_routes import address
from tests.test_tenancy import belongings
from tests.walk import Route, routes

__all__ = ["address", "belongings", "stack"]  # the fixtures: one of everything, the routes with its ids, a server
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OURS = ("accounts", "coaching", "integrations", "webhooks")
# Columns that hold words; the others are keys, codes and ciphers of our own.
WORDS = {
    "display_name", "name", "notice", "message", "external_name", "account_hint", "description", "error_detail",
    "reason", "device", "text", "decline_words",
}  # fmt: skip
RUN = "window.hit=1"
PAYLOADS = [
    f"<script>{RUN}</script>", f"<ScRiPt>{RUN}</sCrIpT>", f"<script\n>{RUN}</script>", f"<<script>{RUN}//<</script>",
    f"</script><script>{RUN}</script>", f"--><script>{RUN}</script>", f"]]><script>{RUN}</script>",
    f"</title><script>{RUN}</script>", f"</textarea><script>{RUN}</script>", f"</style><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>", f'"><img src=x onerror={RUN}>', f"'><img src=x onerror={RUN}>",
    f"`><img src=x onerror={RUN}>", f"<img src=x:x onerror={RUN}//", f"<image href=x onerror={RUN}>",
    f"<svg onload={RUN}>", f"<svg><script>{RUN}</script></svg>", f"<svg><animate onbegin={RUN} attributeName=x>",
    f'"><svg/onload={RUN}>', f"<math><mtext></math><img src=x onerror={RUN}>", f"<body onload={RUN}>",
    f'" autofocus onfocus={RUN} x="', f"' autofocus onfocus={RUN} x='", f'" onmouseover={RUN} x="',
    f"<input autofocus onfocus={RUN}>", f"<details open ontoggle={RUN}>", f"<video><source onerror={RUN}>",
    f"<audio src=x onerror={RUN}>", f"<iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"<iframe src=javascript:parent.{RUN}>", f"<a href=javascript:{RUN}>x</a>", f"javascript:{RUN}",
    f"<object data=javascript:{RUN}>", f"<link rel=stylesheet href=javascript:{RUN}>", "<base href=//hit.example/>",
    "<meta http-equiv=refresh content=0;url=/hit>", f"<form action=javascript:{RUN}><button autofocus>",
    f"\\u003cscript\\u003e{RUN}",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_limits(settings: LazySettings) -> None:
    settings.INBOUND_LIMITS = dict.fromkeys(settings.INBOUND_LIMITS, 10_000_000)


def text_columns(model: type[models.Model]) -> Iterator[tuple[str, int]]:
    """Their names, and how many letters they take."""
    for column in model._meta.concrete_fields:
        if column.name in WORDS and isinstance(column, models.CharField | models.TextField) and not column.choices:
            yield column.attname, column.max_length or 1000


def write_everywhere(turn: int) -> None:
    """As many of the payloads as a column takes, each column beginning at another one."""
    for model in apps.get_models():
        if model._meta.app_label not in OURS:
            continue
        for row in model._default_manager.order_by("pk"):
            for column, length in text_columns(model):
                turn += 1
                try:
                    with transaction.atomic():
                        model._default_manager.filter(pk=row.pk).update(**{column: fitting(length, turn)})
                except IntegrityError:
                    continue  # the row has no such words now
    for revision in WorkoutRevision.objects.all():
        steps = tuple(WorkoutStep(notes=fitting(200, turn + number)) for number in range(3))
        record = WorkoutRecord(
            name=revision.name, description=fitting(400, turn), sport=Sport.RUNNING,
            segments=(Segment(sport=Sport.RUNNING, steps=steps),),
        )  # fmt: skip
        WorkoutRevision.objects.filter(pk=revision.pk).update(content=record.content())


def fitting(length: int, turn: int) -> str:
    text = ""
    for number in range(len(PAYLOADS)):
        payload = PAYLOADS[(turn + number) % len(PAYLOADS)]
        if len(text) + len(payload) > length:
            break
        text += payload
    return text


def look_around(visitor: Visitor, user: User, address: Callable[[Route], str], *, admin: bool) -> str:
    """Every page of `user`; the text of all of them. Nothing ran, nothing was refused to run, nobody was led away."""
    as_person(visitor, user)
    visitor.page.on("dialog", lambda dialog: visitor.complaints.append(dialog.message))
    seen = []
    for route in routes():
        if route.name.startswith("api:") or route.name.startswith("admin:") != admin or "logout" in route.name:
            continue
        path = address(route)
        answer = visitor.page.request.get(visitor.stack.url + path, max_redirects=0)
        if answer.status != 200 or not answer.text().lstrip().lower().startswith("<!doctype html"):
            continue  # not a page of this person's, or only a part of one
        visitor.go(path)
        visitor.page.mouse.move(200, 300)
        assert visitor.page.evaluate("window.hit") is None, path
        assert visitor.page.url == visitor.stack.url + path
        assert not visitor.complaints, (path, visitor.complaints)
        seen.append(visitor.page.inner_text("body"))
    assert len(seen) > 10
    return "\n".join(seen)


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.soak) for turn in range(1, 40))])
def test_hostile_words_are_words(
    enter: Enter, address: Callable[[Route], str], link: CoachingLink, coach: User, athlete: User, turn: int
) -> None:
    Note.objects.create(link=link, author=coach, text="x")
    write_everywhere(turn)
    for person in (coach, athlete):
        shown = look_around(enter(width=1440, theme="light", name=person.email), person, address, admin=False)
        assert sum(" ".join(payload.split()) in shown for payload in PAYLOADS) > 5, "they are shown as they are"


@pytest.mark.soak
@pytest.mark.parametrize("turn", [0, 20])
def test_hostile_words_are_words_to_operations(
    enter: Enter, address: Callable[[Route], str], link: CoachingLink, operator: User, turn: int
) -> None:
    write_everywhere(turn)
    look_around(enter(width=1440, theme="light"), operator, address, admin=True)
