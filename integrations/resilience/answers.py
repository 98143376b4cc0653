"""What a provider's answer says, read without trust."""

import json
import re
from typing import Any

_WORD = re.compile(r"[A-Za-z_.]{1,40}")


def parsed(body: bytes) -> Any:
    """The JSON in `body`; ValueError or RecursionError for anything else.

    A bare NaN or Infinity, which is no JSON, becomes its word: it spoils the one item that needs a number there, and
    not all the others of its page.
    """
    return json.loads(body, parse_constant=str)


def provider_code(body: bytes) -> str:
    """The provider's own word for an error, never its prose.

    `{"error": "invalid_grant"}`, or "Token.invalid" of `{"errors": [{"resource": "Token", "code": "invalid"}]}`.
    """
    try:
        answer = json.loads(body)
        word = answer.get("error", "")
        if not word and (listed := answer.get("errors")):
            word = f"{listed[0]['resource']}.{listed[0]['code']}"
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError):
        return ""
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""
