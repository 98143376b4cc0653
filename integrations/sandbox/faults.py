"""What a sandbox can be told to do wrong: words with an optional `:argument` and an optional `-once`.

`503` holds until it is healed, `503-once` for one request, `slow:0.5` answers half a second late, `429-retry:14` has
that Retry-After.
"""

import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Self

GENERAL = {
    "slow": "Answer late",
    "401": "401, the token is not accepted",
    "403": "403 with a page instead of JSON",
    "404": "404",
    "409": "409",
    "412": "412",
    "429": "429 without Retry-After",
    "429-retry": "429 with Retry-After: 2",
    "429-retry:date": "429 with Retry-After as a date",
    "429-retry:-5": "429 with a negative Retry-After",
    "429-retry:1000000000": "429 with a Retry-After of 31 years",
    "500": "500",
    "503": "503",
    "html": "200 with a page instead of JSON",
    "truncated": "Act, then answer half of the JSON",
    "cut": "Act, then break off in the middle of the answer",
    "drop": "Hang up without acting",
    "drop-after": "Act, then hang up",
    "slow-after": "Act, then answer late",
    "500-after": "Act, then answer 500",
}
ONCE = "-once"
DEFAULT_RETRY_AFTER = "2"
DATE_AHEAD_S = 2


class UnknownFault(ValueError):
    """No sandbox knows this word."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, taken apart. The empty one is none at all."""

    name: str = ""
    argument: str = ""
    once: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        name, _, argument = text.partition(":")
        return cls(name.removesuffix(ONCE), argument, name.endswith(ONCE))

    @property
    def is_status(self) -> bool:
        return bool(re.fullmatch(r"[45]\d\d", self.name))

    @property
    def is_general(self) -> bool:
        if self.name.startswith("slow") and not re.fullmatch(r"\d*\.?\d*", self.argument):
            return False
        return self.is_status or self.name in GENERAL

    def seconds(self, default: float) -> float:
        return float(self.argument or default)

    def retry_after(self) -> dict[str, str]:
        """The header of a 429; `date` means the other form, two seconds ahead."""
        if self.name != "429-retry":
            return {}
        asked = self.argument or DEFAULT_RETRY_AFTER
        return {"Retry-After": formatdate(time.time() + DATE_AHEAD_S, usegmt=True) if asked == "date" else asked}


NO_FAULT = Fault()
