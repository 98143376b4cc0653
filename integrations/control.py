"""What operations allow: mode, switches, maintenance and flags, asked in one place, with the words for people."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from integrations import errors, flags, wording
from integrations.models import MaintenanceWindow, Phase, Provider, ProviderMode
from integrations.recent import Recent
from integrations.timing import timing

DIRECTIONS = ("connect", "sync", "deliver")
NOT_YET = "not_yet"
FRESH_S = 2.0  # so that what operations set counts for all workers within five seconds
KNOWN_EVERYWHERE = timedelta(seconds=5)
SWITCHED_OFF = {
    "connect": wording.pattern(_("Connecting to {p} is paused at the moment.")),
    "sync": wording.pattern(_("Reading from {p} is paused at the moment.")),
    "deliver": wording.pattern(_("Sending to {p} is paused at the moment.")),
}
NOT_OPEN = {
    "connect": wording.pattern(_("Connecting to {p} is not open to everybody yet. Your turn will come.")),
    "sync": wording.pattern(_("Reading from {p} is not open to everybody yet. Your turn will come.")),
    "deliver": wording.pattern(_("Sending to {p} is not open to everybody yet. Your turn will come.")),
}
OFF = wording.pattern(_("{p} is switched off."))
ON_HOLD = wording.pattern(_("Our operations people have paused {p} for everybody."))
DOING = {"connect": "Connecting to {p}", "sync": "Reading from {p}", "deliver": "Sending to {p}"}

_rows: Recent[str, Provider] = Recent(FRESH_S, most=100)
_windows: Recent[str, dict[int, MaintenanceWindow]] = Recent(FRESH_S)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why work of a direction may not begin, or go on. `since` and `until` are known of maintenance only.

    `message` is in English, as rows keep it, or what operations wrote; `words` are for who looks at a page.
    """

    code: str  # "off", "hold", "switched_off", "drain", "maintenance" or "not_yet"
    message: str
    until: datetime | None = None
    since: datetime | None = None

    @property
    def words(self) -> str:
        return wording.told(self.message)


def refusal(provider: Provider, direction: str, user_id: int | None = None) -> Refusal | None:
    """What keeps new work of `direction` from beginning, for that person; None when nothing does.

    The row counts as it is given; windows and flags are at most two seconds old.
    """
    found = _refusal(provider, direction, window_of(provider), stops_new=True)
    if found is None and user_id is not None and not flags.is_on(flag_name(provider.slug, direction), user_id):
        found = Refusal(NOT_YET, NOT_OPEN[direction].format(p=provider))
    return found


def window_of(provider: Provider) -> MaintenanceWindow | None:
    """The maintenance that people are told of: under way or announced, the next one first."""
    return _windows.get("all", _announced).get(provider.pk)


def gate(slug: str, direction: str) -> None:
    """For every outgoing call: raises IntegrationDisabled. What it knows is at most two seconds old.

    Work that has begun may finish while maintenance only drains.
    """
    provider = _rows.get(slug, partial(Provider.objects.get, slug=slug))
    if found := _refusal(provider, direction, window_of(provider), stops_new=False):
        raise disabled(provider, found)


def disabled(provider: Provider, found: Refusal) -> errors.IntegrationDisabled:
    """The error that work stops with.

    Who is not in yet waits long. A window's end is waited for in short steps, since operations may end it early.
    """
    wait = timing().not_yet_s if found.code == NOT_YET else None
    if found.until:
        wait = min(max((found.until - timezone.now()).total_seconds(), 1), timing().sync_halted_s)
    return errors.IntegrationDisabled(found.message, provider=provider.slug, code=found.code, retry_after=wait)


def flag_name(slug: str, direction: str) -> str:
    return f"{slug}-{direction}"


def forget() -> None:
    """The next look reads the tables."""
    _rows.forget()
    _windows.forget()


def _refusal(
    provider: Provider, direction: str, window: MaintenanceWindow | None, *, stops_new: bool
) -> Refusal | None:
    if provider.mode == ProviderMode.OFF:
        return Refusal("off", provider.notice or OFF.format(p=provider))
    if provider.mode == ProviderMode.HOLD:
        return Refusal("hold", provider.notice or ON_HOLD.format(p=provider))
    if not provider.is_switched_on(direction):
        return Refusal("switched_off", provider.notice or SWITCHED_OFF[direction].format(p=provider))
    if window and window.phase == Phase.READ_ONLY:
        return Refusal("maintenance", window.message, window.ends_at, window.starts_at)
    if window and window.phase == Phase.DRAIN and stops_new:
        return Refusal("drain", window.message, window.ends_at, window.drain_at)
    return None


def _announced() -> dict[int, MaintenanceWindow]:
    """By provider, the next one of each; one query for all of them."""
    rows = MaintenanceWindow.objects.announced().order_by("-starts_at")
    return {window.provider_id: window for window in rows}
