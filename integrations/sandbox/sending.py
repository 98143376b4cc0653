"""What a provider sends of its own accord: webhooks on their way to us, and what each was answered."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

PATIENCE_S = 3.0
TRACE, LONGEST = "X-Request-ID", 64


@dataclass(frozen=True, slots=True)
class Letter:
    """One webhook. `words` say to a person what it is; `tries` how often it is sent until it is answered 200."""

    address: str
    body: bytes
    words: str
    account: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a letter. Status 0: nobody answered. `said` is the answer's word, `event` the number it gave."""

    at: float
    words: str
    account: str
    status: int
    said: str = ""
    event: str = ""
    trace_id: str = ""
    tries: int = 1


def send(letter: Letter) -> Sent:
    """Until it is answered 200, or was sent as often as it may be. Raises nothing."""
    sent = Sent(time.time(), letter.words, letter.account, 0)
    for number in range(1, letter.tries + 1):
        sent = _once(letter, number)
        if sent.status == 200:
            break
    return sent


def send_all(letters: Sequence[Letter], note: "list[Sent]") -> None:
    """In this order, each noted once it was answered."""
    for letter in letters:
        note.append(send(letter))


def _once(letter: Letter, number: int) -> Sent:
    at = time.time()
    headers = {"Content-Type": "application/json", **letter.headers}
    try:
        answer = requests.post(
            letter.address, data=letter.body, headers=headers, timeout=PATIENCE_S, allow_redirects=False
        )
    except requests.RequestException:
        return Sent(at, letter.words, letter.account, 0, tries=number)
    told = _told(answer)
    return Sent(
        at,
        letter.words,
        letter.account,
        answer.status_code,
        said=str(told.get("status") or told.get("error") or "")[:LONGEST],
        event=str(told.get("id") or "")[:LONGEST],
        trace_id=answer.headers.get(TRACE, "")[:LONGEST],
        tries=number,
    )


def _told(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
