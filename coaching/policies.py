"""What the providers' terms let us show, keep and merge, as operations have set it."""

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.models import Provider
from integrations.recent import Recent

FRESH_S = 2.0  # so that a change counts everywhere within five seconds


@dataclass(frozen=True, slots=True)
class Policies:
    """By source, which is a provider's slug; what is not named here, uploaded files too, is free."""

    hidden_from_coach: frozenset[str]
    unmerged: frozenset[str]
    kept_days: Mapping[str, int]


_policies: Recent[str, Policies] = Recent(FRESH_S)


def standing() -> Policies:
    return _policies.get("all", _read)


def forget() -> None:
    """The next look reads the table."""
    _policies.forget()


def _read() -> Policies:
    rows = list(Provider.objects.values_list("slug", "visible_to_coach", "may_merge", "cache_days"))
    return Policies(
        hidden_from_coach=frozenset(slug for slug, visible, _, _ in rows if not visible),
        unmerged=frozenset(slug for slug, _, may_merge, _ in rows if not may_merge),
        kept_days={slug: days for slug, _, _, days in rows if days is not None},
    )
