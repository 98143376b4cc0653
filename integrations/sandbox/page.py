"""The sandbox's own page: accounts, codes, faults, calendars and the log of calls."""

from collections.abc import Mapping
from html import escape
from typing import Any

from integrations.sandbox.kit import FAULTS, Sandbox

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Refresh": "5",
}
STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8dcd9, #3a4544); --soft: light-dark(#55605d, #a9b8b4);
  --ground: light-dark(#f7f8f6, #121a1a); --card: light-dark(#fff, #1b2525); --brand: light-dark(#0c6b5e, #5fd0bd); }
* { box-sizing: border-box; } body { margin: 0; background: var(--ground);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 70rem; margin: auto; padding: 1rem; } h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 0; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; display: grid; gap: .5rem;
  align-content: start; } dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: 0; }
dt, .soft { color: var(--soft); } dd { margin: 0; } .code { font: 700 1.4rem/1.2 ui-monospace, monospace; color: var(--brand); }
form { display: flex; gap: .4rem; flex-wrap: wrap; } select, input, button { font: inherit; padding: .35rem .6rem; max-width: 100%;
  border: 1px solid var(--soft); border-radius: .4rem; background: var(--card); color: inherit; } button { cursor: pointer; }
ul { margin: 0; padding-inline-start: 1.2rem; } table { width: 100%; border-collapse: collapse; font-size: .85rem; }
td { border-top: 1px solid var(--line); padding: .2rem .5rem .2rem 0; } .box { overflow-x: auto; }
"""


def draw(sandboxes: Mapping[str, Sandbox]) -> str:
    """The whole page; it loads itself anew every five seconds."""
    parts = "".join(_provider(slug, sandbox) for slug, sandbox in sandboxes.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sandbox</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>Sandbox</h1><p class='soft'>Stand-ins for the providers. Nothing here is real.</p>{parts}"
        "</main></body></html>"
    )


def _provider(slug: str, sandbox: Sandbox) -> str:
    cards = "".join(_account(slug, account) for account in sandbox.accounts())
    calls = "".join(
        f"<tr><td>{escape(call.method)}</td><td>{escape(call.path)}</td><td>{escape(call.account)}</td><td>{call.status}</td></tr>"
        for call in sandbox.calls[:-31:-1]
    )
    every = _form(slug, "*", sandbox.fault_of("*"))
    return (
        f"<h2>{escape(sandbox.label)}</h2><p>Fault of all accounts:</p>{every}<br><div class='grid'>{cards}</div>"
        f"<h2>Last calls</h2><div class='box'><table>{calls}</table></div>"
    )


def _account(slug: str, account: Mapping[str, Any]) -> str:
    days = "".join(f"<li>{escape(entry['on'])}: {escape(entry['name'])}</li>" for entry in account["calendar"])
    code = f"<dt>Code</dt><dd class='code'>{escape(account['code'])}</dd>" if account["code"] else ""
    return (
        f"<section class='card'><h2>{escape(account['email'])}</h2><dl><dt>Password</dt><dd><code>{escape(account['password'])}</code></dd>"
        f"{code}<dt>Second factor</dt><dd>{'yes' if account['mfa'] else 'no'}</dd>"
        f"<dt>Workouts</dt><dd>{len(account['workouts'])}</dd></dl>"
        f"<div class='soft'>Calendar</div><ul>{days or '<li>empty</li>'}</ul>"
        f"{_form(slug, account['email'], account['fault'])}{_workouts(slug, account)}</section>"
    )


def _workouts(slug: str, account: Mapping[str, Any]) -> str:
    options = "".join(
        f"<option value='{escape(w['id'])}'>{escape(w['name'][:60])}</option>" for w in account["workouts"]
    )
    return (
        f"<form method='post' action='/control/'>{_hidden(slug, account['email'])}"
        f"<select name='workout' aria-label='Workout'>{options}</select>"
        "<input name='value' aria-label='New name' placeholder='New name'>"
        "<button name='what' value='rename'>Rename</button><button name='what' value='delete'>Delete</button></form>"
    )


def _form(slug: str, account: str, chosen: str) -> str:
    options = "".join(
        f"<option value='{escape(key)}'{' selected' if key == chosen else ''}>{escape(words)}</option>"
        for key, words in {"": "No fault", **FAULTS}.items()
    )
    return (
        f"<form method='post' action='/control/'>{_hidden(slug, account)}<select name='value' aria-label='Fault'>{options}</select>"
        "<button name='what' value='fault'>Set</button></form>"
    )


def _hidden(slug: str, account: str) -> str:
    return f"<input type='hidden' name='provider' value='{escape(slug)}'><input type='hidden' name='account' value='{escape(account)}'>"
