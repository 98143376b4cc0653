"""The sandbox's own page, and the same as JSON for scripts and tests."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from integrations.sandbox import page
from integrations.sandbox.faults import UnknownFault
from integrations.sandbox.kit import EVERYBODY, Sandbox
from integrations.sandbox.messages import Answer, Request

STYLE = Path(__file__).with_name("page.css")
NOT_HERE = Answer(404, {"message": "nothing here"})
MOST_LINES = 500
TOLD_WITHIN_S = 3.0  # a person who had something told sees the answer on the page that comes back

type Sandboxes = Mapping[str, Sandbox]

TABLES: Mapping[str, Callable[[Sandbox], Any]] = {
    "accounts": lambda box: box.accounts(),
    "faults": lambda box: box.faults(),
    "codes": lambda box: {row["email"]: row["codes"] for row in box.accounts()},
    "calendar": lambda box: {row["email"]: row["calendar"] for row in box.accounts()},
    "sent": lambda box: [asdict(each) for each in box.sent[-MOST_LINES:]],
    "log": lambda box: [asdict(call) for call in box.calls[-MOST_LINES:]],
}


def control(sandboxes: Sandboxes, request: Request) -> Answer:
    """Everything below the port that is no provider's."""
    if request.method == "POST":
        return _change(sandboxes, request)
    if request.method != "GET":
        return Answer(405, {"message": "GET or POST"})
    if request.path == "/":
        return page.overview(sandboxes)
    if request.path == "/sandbox.css":
        return Answer(text=STYLE.read_text(encoding="utf-8"), kind="text/css; charset=utf-8")
    if request.path.startswith("/account/"):
        return _account(sandboxes, request.path)
    return _told(sandboxes, request.path.removeprefix("/control/").rstrip("/"))


def _account(sandboxes: Sandboxes, path: str) -> Answer:
    slug, _, key = path.removeprefix("/account/").strip("/").partition("/")
    sandbox, key = sandboxes.get(slug), unquote(key)
    if sandbox is None:
        return NOT_HERE
    if key == EVERYBODY:
        return page.everybody(sandbox)
    found = next((row for row in sandbox.accounts() if row["email"] == key), None)
    return page.account(sandbox, found) if found else NOT_HERE


def _told(sandboxes: Sandboxes, what: str) -> Answer:
    """One table of every sandbox, by slug."""
    tell = TABLES.get(what)
    return Answer(data={slug: tell(sandbox) for slug, sandbox in sandboxes.items()}) if tell else NOT_HERE


def _change(sandboxes: Sandboxes, request: Request) -> Answer:
    """One of the page's forms, or the same as JSON from a script."""
    origin = request.headers.get("origin")
    if origin and origin != f"http://{request.headers['host']}":
        return Answer(403, {"message": "forms of this page only"})
    is_json = request.headers.get("content-type", "").startswith("application/json")
    values = request.fields() if is_json else request.form()
    sandbox = sandboxes.get(str(values.get("provider", "")))
    if sandbox is None or request.path.rstrip("/") != "/control":
        return NOT_HERE
    try:
        told = _act(sandbox, {name: str(value) for name, value in values.items()})
    except (UnknownFault, ValueError) as exc:
        return Answer(400, {"message": str(exc)})
    except KeyError:
        return NOT_HERE
    if sandbox.last_told:
        sandbox.last_told.join(TOLD_WITHIN_S)
    if is_json:
        return Answer(data={"done": True, **told})
    return Answer(303, headers={"Location": page.address(sandbox, values.get("account", EVERYBODY))})


def _act(sandbox: Sandbox, values: Mapping[str, str]) -> dict[str, Any]:
    """What a script is told of it."""
    key, value = values.get("account", EVERYBODY), values.get("value", "")
    if key != EVERYBODY and all(row["email"] != key for row in sandbox.accounts()):
        raise KeyError(key)
    if values.get("what") == "fault":
        once = "-once" if values.get("once") and value else ""
        name, colon, argument = value.partition(":")
        sandbox.set_fault(key, f"{name}{once}{colon}{argument}", on=values.get("on", ""))
    elif values["what"] == "listen":
        return sandbox.listen(value)
    else:
        sandbox.change(key, values["what"], values.get("workout", ""), value)
    return {}
