"""The trace id that runs through request → log → task → outgoing call."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from structlog.contextvars import bound_contextvars, get_contextvars

HEADER = "X-Request-ID"
_VALID = re.compile(r"[0-9a-f]{32}")


def new_trace_id() -> str:
    return uuid4().hex


def current_trace_id() -> str:
    """The running request's or task's id, or an empty text outside both."""
    return str(get_contextvars().get("trace_id", ""))


@contextmanager
def trace(trace_id: str = "", **context: str) -> Iterator[str]:
    """Bind a trace id (a new one unless a well-formed one is given) and log context for the block."""
    chosen = trace_id if _VALID.fullmatch(trace_id) else new_trace_id()
    with bound_contextvars(trace_id=chosen, **context):
        yield chosen
