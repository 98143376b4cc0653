"""A workout in a provider's own format, without any call."""

from typing import Any

from integrations import errors, registry
from integrations.client import unsupported
from integrations.records import WorkoutRecord
from integrations.shortcomings import in_words


def as_sent_to(slug: str, record: WorkoutRecord) -> dict[str, Any]:
    """The JSON that the provider is sent. UnsupportedError, naming the steps, where it cannot express the workout."""
    if problems := unsupported(slug, record):
        words = " ".join(in_words(problem) for problem in problems[:5])
        raise errors.UnsupportedError(words, provider=slug)
    return dict(registry.translator(slug).from_workout(record))
