"""How sessions are marked: always a shape with a word, never a colour alone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import quote

from django import template
from django.urls import reverse
from django.utils import dateformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from accounts.templatetags.icons import lucide
from coaching.models import DeclineReason, Scope
from coaching.plain import lowered
from coaching.sessions import Session

register = template.Library()


class Mark(NamedTuple):
    tone: str  # a modifier of .badge, or none
    icon: str


MARKS = {
    "on": Mark("good", "circle-check"),
    "near": Mark("warn", "circle-dot"),
    "off": Mark("bad", "circle-alert"),
    "done": Mark("good", "circle-check"),
    "missed": Mark("bad", "circle-x"),
    "planned": Mark("info", "circle"),
    "offered": Mark("", "circle-dashed"),
    "declined": Mark("", "circle-minus"),
    "unplanned": Mark("", "circle-plus"),
}
WEIGHT = ("missed", "off", "near", "declined", "planned", "offered", "on", "done", "unplanned")
CONCERNS = {
    "delivery": "send",
    "account": "unplug",
    "missed": "circle-x",
    "called_off": "circle-minus",
    "silent": "activity",
    "ending": "calendar-days",
    "unanswered": "mail",
}


def code_of(session: Session) -> str:
    """Its state, or how near to the plan it was where that is known."""
    return session.verdict.code if session.state == "done" and session.verdict else str(session.state)


def name_of(session: Session) -> str:
    if session.share is not None:
        return session.share.revision.name
    return (session.activity.name or session.activity.sport.capitalize()) if session.activity else ""


@register.filter
def session_name(session: Session) -> str:
    return name_of(session)


@register.filter
def scope_list(scopes: Iterable[str]) -> str:
    """What a coach may see, in few words."""
    short = {
        Scope.PLAN: gettext("plan"),
        Scope.ACTIVITIES: gettext("activities"),
        Scope.HEART_RATE: gettext("heart rate"),
        Scope.NOTES: gettext("notes"),
    }
    return ", ".join(short[Scope(scope)] for scope in scopes if scope in Scope.values)


@register.filter
def tone(session: Session) -> str:
    return MARKS[code_of(session)].tone


@register.filter
def movable(session: Session) -> bool:
    """Whether another day makes sense: planned, and not done."""
    return session.share is not None and session.state in ("planned", "offered", "missed")


@register.filter
def answerable(session: Session) -> bool:
    """Whether the athlete may say that he does not do it, or why he did not."""
    return movable(session) or (session.share is not None and session.state == "declined")


@register.simple_tag
def decline_reasons() -> list[tuple[str, str]]:
    return [(str(value), str(label)) for value, label in DeclineReason.choices]


@register.simple_tag
def calendar_session(session: Session, day: str, back: str, *, compact: bool = False) -> SafeString:
    """One session in a cell of the calendar; a planned one can be moved, and says so to the script.

    `day` is the cell's, `back` the page's address. A page has hundreds of them, so it is no template of its own.
    """
    name, word, mark = name_of(session), session.word, MARKS[code_of(session)]
    hidden = " visually-hidden" if compact else ""
    shown = format_html(
        '{}<span class="name{}">{}</span><span class="word{}">{}</span>',
        lucide(mark.icon, size=16), hidden, name, hidden, word,
    )  # fmt: skip
    if session.share is None:
        return format_html('<span class="session {}" title="{}: {}">{}</span>', mark.tone, name, word, shown)
    share_id = session.share.public_id
    address = reverse("coaching:delivery", args=[share_id])
    if not movable(session):
        return format_html(
            '<a class="session {}" id="s-{}" href="{}" title="{}: {}">{}</a>',
            mark.tone, share_id, address, name, word, shown,
        )  # fmt: skip
    move = reverse("coaching:move", args=[share_id])
    return format_html(
        '<a class="session {}" id="s-{}" draggable="true" data-move="{}" data-day="{}" data-name="{}" data-open="{}"'
        ' href="{}?back={}" title="{}: {}">{}</a>',
        mark.tone, share_id, move, day, name, address, move, quote(back), name, word, shown,
    )  # fmt: skip


@register.simple_tag
def session_badge(session: Session) -> SafeString:
    """The word with its shape."""
    mark = MARKS[code_of(session)]
    return format_html('<span class="badge {}">{}{}</span>', mark.tone, lucide(mark.icon, size=16), _word(session))


@register.simple_tag
def session_chip(session: Session) -> SafeString:
    """Name, word and shape."""
    mark = MARKS[code_of(session)]
    return format_html(
        '<span class="badge {}">{}<span class="clip-line">{}</span> · {}</span>',
        mark.tone, lucide(mark.icon, size=16), name_of(session), _word(session),
    )  # fmt: skip


@register.simple_tag
def day_mark(day: date, sessions: Sequence[Session] = ()) -> SafeString:
    """A day of the strip: the shape of what matters most on it; its words are there for who does not see it."""
    told = "; ".join(f"{name_of(each)}, {lowered(_word(each))}" for each in sessions) or gettext("nothing")
    said = f"{dateformat.format(day, 'l')}: {told}"
    if not sessions:
        return format_html(
            '<span class="mark" title="{}">{}<span class="visually-hidden">{}</span></span>',
            said,
            lucide("dot", size=16),
            said,
        )
    worst = min(sessions, key=lambda each: WEIGHT.index(code_of(each)))
    mark = MARKS[code_of(worst)]
    return format_html(
        '<span class="mark {}" title="{}">{}<span class="visually-hidden">{}</span></span>',
        mark.tone, said, lucide(mark.icon, size=16), said,
    )  # fmt: skip


@register.simple_tag
def strip(days: Iterable[tuple[date, Sequence[Session]]]) -> SafeString:
    marks = format_html_join("", "{}", ((day_mark(*day),) for day in days))
    return format_html('<span class="strip">{}</span>', marks)


@register.simple_tag
def concern_icon(reason: str) -> SafeString:
    return lucide(CONCERNS[reason], size=16)


@register.simple_tag
def marks_legend() -> list[Mapping[str, Any]]:
    """What the shapes mean, for the foot of a page that shows them without words."""
    words = {
        "on": gettext("done, on target"),
        "near": gettext("done, near it"),
        "off": gettext("done, off target"),
        "missed": gettext("missed"),
        "planned": gettext("still to do"),
        "offered": gettext("not answered yet"),
        "declined": gettext("called off"),
        "unplanned": gettext("not planned"),
    }
    return [
        {"icon": lucide(MARKS[code].icon, size=16), "tone": MARKS[code].tone, "word": word}
        for code, word in words.items()
    ]


def _word(session: Session) -> str:
    return str(session.word)
