"""The sandbox's pages: an overview that loads itself anew, and one page to act on for each account."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote

from integrations.sandbox.kit import EVERYBODY, Sandbox
from integrations.sandbox.messages import Answer, Call
from integrations.sandbox.sending import Sent

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
REFRESH = {"Refresh": "4"}
CALLS_SHOWN = 40
SENT_SHOWN = 20
DAYS_SHOWN = 3
NONE = "<p class='soft'>Nothing yet.</p>"


def overview(sandboxes: Mapping[str, Sandbox]) -> Answer:
    parts = "".join(_provider(sandbox) for sandbox in sandboxes.values())
    lead = "<p class='lead'>Stand-ins for the providers, on this machine only. People, passwords and codes are made up.</p>"
    return _page("Sandbox", f"<h1>Sandbox</h1>{lead}{parts}", HEADERS | REFRESH)


def everybody(sandbox: Sandbox) -> Answer:
    """Faults of all accounts together."""
    title = f"All accounts of {sandbox.label}"
    return _page(
        title,
        f"{_back()}<h1>{escape(title)}</h1>{_faults(sandbox, EVERYBODY)}{_sent(sandbox, sandbox.sent)}{_log(sandbox.calls)}",
        HEADERS,
    )


def account(sandbox: Sandbox, row: Mapping[str, Any]) -> Answer:
    key = str(row["email"])
    mine = [call for call in sandbox.calls if call.account == key]
    head = f"<h1>{escape(row['name'])}</h1><p class='lead'>{escape(sandbox.label)} account</p>"
    body = (
        f"{_back()}{head}<div class='columns'><div>{_login(row)}{_faults(sandbox, key)}{_actions(sandbox, key)}</div>"
        f"<div>{_tellings(sandbox, key)}{_kept(sandbox, row)}</div></div>"
        f"{_sent(sandbox, [each for each in sandbox.sent if each.account == key])}{_log(mine)}"
    )
    return _page(str(row["name"]), body, HEADERS)


def _page(title: str, body: str, headers: Mapping[str, str]) -> Answer:
    heading = title if title == "Sandbox" else f"{title} · Sandbox"
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(heading)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="/sandbox.css"></head><body><main>{body}</main></body></html>'
    )
    return Answer(text=text, headers=headers)


def _back() -> str:
    return "<nav><a href='/'>← Sandbox</a></nav>"


def _provider(sandbox: Sandbox) -> str:
    rows = sandbox.accounts()
    cards = "".join(_card(sandbox, row) for row in rows)
    fault = _badge(sandbox, EVERYBODY) or "<span class='soft'>no fault for everybody</span>"
    link = f"<a href='{address(sandbox, EVERYBODY)}'>Faults of all accounts</a>"
    head = f"<div class='bar'><h2>{escape(sandbox.label)}</h2><span>{len(rows)} accounts</span>{fault}{link}</div>"
    return (
        f"<section>{head}<div class='cards'>{cards}</div>{_sent(sandbox, sandbox.sent)}{_log(sandbox.calls)}</section>"
    )


def _card(sandbox: Sandbox, row: Mapping[str, Any]) -> str:
    days = _days(row["calendar"][-DAYS_SHOWN:])
    kept = f"{len(row['workouts'])} workouts · {len(row['calendar'])} planned · " if sandbox.keeps_workouts else ""
    counts = f"{kept}{row['activities']} activities"
    return (
        f"<article class='card'><div class='bar'><h3><a href='{address(sandbox, row['email'])}'>{escape(row['name'])}</a></h3>"
        f"{_badge(sandbox, row['email'])}</div>{_credentials(row)}{_newest_code(row)}<p class='soft'>{counts}</p>{days}</article>"
    )


def _kept(sandbox: Sandbox, row: Mapping[str, Any]) -> str:
    if sandbox.keeps_workouts:
        return f"{_calendar(sandbox, row)}{_library(sandbox, row)}"
    return f"<section class='card'><h2>Activities</h2><p>{row['activities']} recorded.</p></section>"


def _credentials(row: Mapping[str, Any]) -> str:
    if not row["password"]:
        return f"<dl><dt>Email</dt><dd><code>{escape(row['email'])}</code></dd><dt>Login</dt><dd>you pick the account on its page</dd></dl>"
    second = "by email" if row["mfa"] else "none"
    return (
        f"<dl><dt>Email</dt><dd><code>{escape(row['email'])}</code></dd>"
        f"<dt>Password</dt><dd><code>{escape(row['password'])}</code></dd><dt>Second factor</dt><dd>{second}</dd></dl>"
    )


def _newest_code(row: Mapping[str, Any]) -> str:
    if not row["code"]:
        return ""
    age = _ago(row["codes"][0]["at"])
    return f"<p class='code'><strong>{escape(row['code'])}</strong> <span class='soft'>login code, {age}</span></p>"


def _login(row: Mapping[str, Any]) -> str:
    codes = "".join(
        f"<li><code>{escape(code['code'])}</code> <span class='soft'>{_ago(code['at'])}{', used' if code['used'] else ''}</span></li>"
        for code in row["codes"]
    )
    listed = f"<h3>Codes</h3><ul>{codes}</ul><p><a href=''>Look again</a></p>" if row["mfa"] else ""
    return f"<section class='card'><h2>Login</h2>{_credentials(row)}{listed}</section>"


def _faults(sandbox: Sandbox, key: str) -> str:
    switched = [row for row in sandbox.faults() if row["account"] == key]
    listed = "".join(_healing(sandbox, row) for row in switched) or "<p class='soft'>None: everything works.</p>"
    words = _options({"": "No fault", **sandbox.known_faults()}, sandbox.fault_of(key))
    routes = _options({"": "Every call", **{label: label for label in sandbox.labels()}}, "")
    form = _form(
        sandbox,
        key,
        f"<label>Fault <select name='value'>{words}</select></label><label>Where <select name='on'>{routes}</select></label>"
        "<label class='check'><input type='checkbox' name='once' value='1'> for one call only</label>"
        "<button name='what' value='fault'>Switch</button>",
        "stack",
    )
    return f"<section class='card'><h2>Faults</h2>{listed}{form}</section>"


def _healing(sandbox: Sandbox, row: Mapping[str, str]) -> str:
    hidden = f"{_hidden('on', row['route'])}{_hidden('value', '')}"
    where = f" <span class='soft'>{escape(row['route'])}</span>" if row["route"] else ""
    button = "<button name='what' value='fault'>Heal</button>"
    return _form(
        sandbox,
        row["account"],
        f"<span class='grow'><b class='badge'>{escape(row['fault'])}</b>{where}</span>{hidden}{button}",
    )


def _actions(sandbox: Sandbox, key: str) -> str:
    buttons = "".join(
        f"<button name='what' value='{escape(what)}'>{escape(words)}</button>"
        for what, words in sandbox.actions.items()
    )
    day = f"<label>Day <input type='date' name='value' value='{datetime.now(UTC):%Y-%m-%d}'></label>"
    return (
        f"<section class='card'><h2>Happenings</h2>{_form(sandbox, key, day + buttons, 'stack')}</section>"
        if buttons
        else ""
    )


def _tellings(sandbox: Sandbox, key: str) -> str:
    """Buttons for what the provider can be made to send, right and wrong."""
    if not sandbox.tellings:
        return ""
    buttons = "".join(
        f"<button name='what' value='{escape(what)}'>{escape(words)}</button>"
        for what, words in sandbox.tellings.items()
    )
    lead = "<p class='soft'>Sent to whoever subscribed. What we answered stands below.</p>"
    return f"<section class='card'><h2>Webhooks</h2>{lead}{_form(sandbox, key, buttons, 'stack')}</section>"


def _sent(sandbox: Sandbox, sent: list[Sent]) -> str:
    if not sandbox.tellings:
        return ""
    rows = "".join(_sent_row(sandbox, each) for each in reversed(sent[-SENT_SHOWN:]))
    head = "<tr><th>At (UTC)</th><th>Answer</th><th>In-box</th><th>Told</th><th>Account</th><th>Sent</th><th>Trace id</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    box = f"<div class='box' tabindex='0' role='region' aria-label='Webhooks sent'>{table}</div>"
    return f"<section class='card log'><h2>Webhooks sent</h2>{box if rows else NONE}</section>"


def _sent_row(sandbox: Sandbox, each: Sent) -> str:
    """What was refused left no row: its trace id is all there is, for the log."""
    link = (
        f"<a href='{escape(sandbox.inbox)}{quote(each.event)}'>look</a>" if sandbox.inbox and each.event else "no row"
    )
    answer = f"{each.status} {each.said}" if each.status else "nobody answered"
    times = "once" if each.tries == 1 else f"{each.tries} times"
    return (
        f"<tr{' class=bad' if each.status != 200 else ''}><td>{_clock(each.at)}</td><td class='answer'>{escape(answer)}</td>"
        f"<td>{link}</td><td>{escape(each.words)}</td><td>{escape(each.account)}</td><td>{times}</td>"
        f"<td><code>{escape(each.trace_id)}</code></td></tr>"
    )


def _calendar(sandbox: Sandbox, row: Mapping[str, Any]) -> str:
    items = "".join(
        "<li>"
        + _form(
            sandbox,
            row["email"],
            f"<span class='grow'><b>{escape(entry['on'])}</b> {escape(entry['name'])}</span>{_hidden('workout', entry['id'])}"
            f"<button name='what' value='unschedule' aria-label='Remove {escape(entry['name'])} of {escape(entry['on'])}'>Remove</button>",
        )
        + "</li>"
        for entry in row["calendar"]
    )
    return f"<section class='card'><h2>Calendar</h2>{f'<ul class=plain>{items}</ul>' if items else NONE}</section>"


def _library(sandbox: Sandbox, row: Mapping[str, Any]) -> str:
    new = _form(
        sandbox,
        row["email"],
        "<label>New workout <input name='value' placeholder='Name' required></label>"
        "<button name='what' value='add'>Add</button>",
    )
    items = "".join(f"<li>{_workout(sandbox, row['email'], workout)}</li>" for workout in row["workouts"])
    head = f"<h2>Library <span class='soft'>{len(row['workouts'])}</span></h2>"
    return f"<section class='card'>{head}{new}<ul class='plain long' tabindex='0' aria-label='Workouts'>{items}</ul></section>"


def _workout(sandbox: Sandbox, key: str, workout: Mapping[str, Any]) -> str:
    name = escape(workout["name"])
    return _form(
        sandbox,
        key,
        f"<input name='value' value='{name}' aria-label='Name of workout {escape(workout['id'])}'>"
        f"{_hidden('workout', workout['id'])}<span class='soft sport'>{escape(workout['sport'].replace('_', ' '))}</span>"
        f"<button name='what' value='rename' aria-label='Rename {name}'>Rename</button>"
        f"<button name='what' value='delete' aria-label='Delete {name}'>Delete</button>",
    )


def _days(entries: Iterable[Mapping[str, Any]]) -> str:
    items = "".join(f"<li><b>{escape(entry['on'])}</b> {escape(entry['name'])}</li>" for entry in entries)
    return f"<ul class='plain'>{items}</ul>" if items else ""


def _badge(sandbox: Sandbox, key: str) -> str:
    names = [row["fault"] for row in sandbox.faults() if row["account"] == key]
    return "".join(f"<b class='badge'>{escape(name)}</b>" for name in names)


def _log(calls: list[Call]) -> str:
    rows = "".join(
        f"<tr{' class=bad' if not 200 <= call.status < 400 else ''}><td>{_clock(call.at)}</td><td>{escape(call.method)}</td>"
        f"<td>{escape(call.path)}</td><td>{escape(call.account)}</td><td>{call.status or 'hung up'}</td><td>{escape(call.fault)}</td></tr>"
        for call in reversed(calls[-CALLS_SHOWN:])
    )
    head = "<tr><th>At (UTC)</th><th>Method</th><th>Path</th><th>Account</th><th>Status</th><th>Fault</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    box = f"<div class='box' tabindex='0' role='region' aria-label='Last calls'>{table}</div>"
    return f"<section class='card log'><h2>Last calls</h2>{box if rows else NONE}</section>"


def _form(sandbox: Sandbox, key: str, inside: str, style: str = "line") -> str:
    hidden = f"{_hidden('provider', sandbox.slug)}{_hidden('account', key)}"
    return f"<form method='post' action='/control/' class='{style}'>{hidden}{inside}</form>"


def _hidden(name: str, value: str) -> str:
    return f"<input type='hidden' name='{name}' value='{escape(value)}'>"


def _options(words: Mapping[str, str], chosen: str) -> str:
    return "".join(
        f"<option value='{escape(value)}'{' selected' if value == chosen else ''}>{escape(text)}</option>"
        for value, text in words.items()
    )


def address(sandbox: Sandbox, key: str) -> str:
    return f"/account/{sandbox.slug}/{quote(key, safe='@*')}"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"


def _ago(at: float) -> str:
    seconds = max(0, round(time.time() - at))
    return f"{seconds} s ago" if seconds < 100 else f"{seconds // 60} min ago"
