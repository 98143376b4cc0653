"""What operations allow: every mode, switch, phase and flag; the tables and the words agree; running work obeys."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.conf import settings
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from integrations import control, errors, events, flags, tasks
from integrations.models import FeatureFlag, MaintenanceWindow, Provider, ProviderMode, SyncJob, SyncStream
from integrations.recent import Recent
from integrations.sandbox import RunningSandbox
from tests.coaching.world import Account
from tests.integrations import library
from tests.integrations.broker import taken
from tests.integrations.library import ACCOUNT, LISTING, make_due, sync, work

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
READ = "GET /api/workout-service/workout/{identity}"
# Of a window: hours from now to announcing, draining, start and end.
PHASES: dict[str, tuple[float, float, float, float]] = {
    "planned": (1, 2, 3, 4),
    "announced": (-1, 2, 3, 4),
    "drain": (-2, -1, 3, 4),
    "read_only": (-3, -2, -1, 4),
    "over": (-4, -3, -2, -1),
}
NAMES = ("announce_at", "drain_at", "starts_at", "ends_at")
WAITS = SyncJob.Status.QUEUED


def window(provider: Provider, phase: str, **fields: Any) -> MaintenanceWindow:
    now = timezone.now()
    times = {name: now + hours * HOUR for name, hours in zip(NAMES, PHASES[phase], strict=True)}
    control.forget()
    return MaintenanceWindow.objects.create(provider=provider, message="Garmin changes its disks.", **times, **fields)


def let_in(percentage: int, direction: str) -> None:
    FeatureFlag.objects.update_or_create(name=f"garmin-{direction}", defaults={"percentage": percentage})
    flags.forget()


def may_go_on(provider: Provider, direction: str) -> bool:
    try:
        control.gate(provider.slug, direction)
    except errors.IntegrationDisabled:
        return False
    return True


@pytest.mark.parametrize("direction", control.DIRECTIONS)
def test_words_and_tables_agree_on_every_combination(garmin_provider: Provider, direction: str) -> None:
    phases: list[tuple[str, dict[str, Any]]] = [("", {}), *((phase, {}) for phase in PHASES)]
    phases += [(phase, {"cancelled_at": timezone.now()}) for phase in PHASES]
    for mode, switched_on, (phase, fields) in product(ProviderMode, (True, False), phases):
        MaintenanceWindow.objects.all().delete()
        if phase:
            window(garmin_provider, phase, **fields)
        Provider.objects.filter(pk=garmin_provider.pk).update(mode=mode, **{f"{direction}_enabled": switched_on})
        garmin_provider.refresh_from_db()
        control.forget()
        on = mode == ProviderMode.ENABLED and switched_on
        stands = "" if fields else phase
        begins, goes_on = on and stands not in {"drain", "read_only"}, on and stands != "read_only"
        case = (mode, switched_on, phase, fields)
        assert (control.refusal(garmin_provider, direction) is None) == begins, case
        assert (garmin_provider in Provider.objects.may_begin(direction)) == begins, case
        assert may_go_on(garmin_provider, direction) == goes_on, case
        assert (garmin_provider in Provider.objects.may_call(direction)) == goes_on, case


def test_a_switch_stops_its_own_direction_only(garmin_provider: Provider) -> None:
    garmin_provider.sync_enabled = False
    codes = {each: control.refusal(garmin_provider, each) for each in control.DIRECTIONS}
    assert {each for each, refused in codes.items() if refused} == {"sync"}
    assert codes["sync"] is not None
    assert codes["sync"].message == "Reading from Garmin Connect is paused at the moment."


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"mode": "off"}, "off", "Garmin Connect is switched off."),
        ({"mode": "hold"}, "hold", "Our operations people have paused Garmin Connect for everybody."),
        ({"mode": "hold", "notice": "Back at noon."}, "hold", "Back at noon."),
        ({"deliver_enabled": False, "notice": "Back at noon."}, "switched_off", "Back at noon."),
    ],
)
def test_a_refusal_says_why(garmin_provider: Provider, fields: dict[str, Any], code: str, words: str) -> None:
    for name, value in fields.items():
        setattr(garmin_provider, name, value)
    refused = control.refusal(garmin_provider, "deliver")
    assert refused is not None
    assert (refused.code, refused.message, refused.until) == (code, words, None)


@pytest.mark.parametrize(("phase", "code"), [("drain", "drain"), ("read_only", "maintenance")])
def test_maintenance_says_until_when(garmin_provider: Provider, phase: str, code: str) -> None:
    planned = window(garmin_provider, phase)
    refused = control.refusal(garmin_provider, "sync")
    assert refused is not None
    assert (refused.code, refused.message, refused.until) == (code, planned.message, planned.ends_at)
    assert control.disabled(garmin_provider, refused).retry_after == 60, "operations may end it early"


def test_of_several_windows_the_next_one_counts(garmin_provider: Provider) -> None:
    now = timezone.now()
    under_way = window(garmin_provider, "read_only")
    later = {name: now + hours * HOUR for name, hours in zip(NAMES, (-3, 5, 6, 7), strict=True)}
    MaintenanceWindow.objects.create(provider=garmin_provider, message="And its cables.", **later)
    refused = control.refusal(garmin_provider, "sync")
    assert refused is not None
    assert (refused.code, refused.until) == ("maintenance", under_way.ends_at)
    assert not may_go_on(garmin_provider, "sync")
    MaintenanceWindow.objects.filter(pk=under_way.pk).update(cancelled_at=now)
    control.forget()
    assert control.refusal(garmin_provider, "sync") is None, "the later one has not begun"


def test_who_is_not_in_yet_is_told_and_nobody_else(garmin_provider: Provider) -> None:
    let_in(0, "connect")
    refused = control.refusal(garmin_provider, "connect", 7)
    assert refused is not None
    assert (refused.code, refused.until) == ("not_yet", None)
    assert "Your turn will come." in refused.message
    assert control.refusal(garmin_provider, "connect") is None, "the provider itself is fine"
    assert control.refusal(garmin_provider, "sync", 7) is None
    let_in(100, "connect")
    assert control.refusal(garmin_provider, "connect", 7) is None


def test_a_look_within_two_seconds_asks_nobody(garmin_provider: Provider) -> None:
    control.gate("garmin", "sync")
    control.refusal(garmin_provider, "sync", 7)
    with CaptureQueriesContext(database) as queries:
        for direction in control.DIRECTIONS:
            control.gate("garmin", direction)
            control.refusal(garmin_provider, direction, 7)
    assert len(queries) == 0


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def hold(provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(mode=ProviderMode.HOLD)


def maintain(provider: Provider) -> None:
    planned = {name: timezone.now() + hours * HOUR for name, hours in zip(NAMES, PHASES["read_only"], strict=True)}
    MaintenanceWindow.objects.create(provider=provider, message="Disks.", **planned)


@pytest.mark.parametrize("stop", [hold, maintain])
def test_what_another_process_set_counts_within_five_seconds_by_the_clock(
    garmin_provider: Provider, monkeypatch: pytest.MonkeyPatch, stop: Callable[[Provider], None]
) -> None:
    clock = Clock()
    for name in ("_rows", "_windows"):
        monkeypatch.setattr(control, name, Recent[Any, Any](control.FRESH_S, most=100, clock=clock))
    assert may_go_on(garmin_provider, "sync")
    stop(garmin_provider)
    clock.now_s += control.FRESH_S - 0.1
    assert may_go_on(garmin_provider, "sync"), "what was read is kept, so that a call asks nobody"
    clock.now_s += 0.2
    assert not may_go_on(garmin_provider, "sync")
    assert control.FRESH_S <= 2


def test_a_turned_flag_counts_within_five_seconds_by_the_clock(
    garmin_provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(flags, "_flags", Recent[Any, Any](flags.FRESH_S, clock=clock))
    assert flags.is_on("garmin-sync", 7)
    FeatureFlag.objects.update_or_create(name="garmin-sync", defaults={"percentage": 0})
    clock.now_s += flags.FRESH_S - 0.1
    assert flags.is_on("garmin-sync", 7)
    clock.now_s += 0.2
    assert not flags.is_on("garmin-sync", 7)
    assert flags.FRESH_S <= 2


ANOTHER_PROCESS = """
import sys, time
import django
django.setup()
from integrations import control, errors
def refused():
    try:
        control.gate("garmin", "sync")
    except errors.IntegrationDisabled as exc:
        return exc.code
    return ""
assert not refused()
print("calls", flush=True)
sys.stdin.readline()
start = time.monotonic()
while time.monotonic() - start < 60 and not refused():
    time.sleep(0.02)
print(refused(), time.monotonic() - start, flush=True)
"""


def test_what_operations_set_counts_in_another_process_within_five_seconds(garmin_provider: Provider) -> None:
    name = str(settings.DATABASES["default"]["NAME"])
    script = f"from django.conf import settings\nsettings.DATABASES['default']['NAME'] = {name!r}\n{ANOTHER_PROCESS}"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], cwd=settings.BASE_DIR, **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "calls"
        window(garmin_provider, "read_only")
        told, _ = other.communicate("now\n", timeout=60)
    code, took_s = told.split()
    assert code == "maintenance"
    assert float(took_s) < 50, "not when some cache ends; ten times the five seconds, for machines that are busy"


@pytest.fixture
def stream(garmin: RunningSandbox, coach: User) -> SyncStream:
    stream = library.connect(garmin, coach)
    SyncStream.objects.exclude(pk=stream.pk).delete()
    return stream


@pytest.mark.parametrize(("phase", "ends"), [("read_only", WAITS), ("drain", "succeeded"), ("announced", "succeeded")])
def test_maintenance_stops_a_running_sync_at_its_next_page_and_draining_lets_it_finish(
    garmin: RunningSandbox, stream: SyncStream, garmin_provider: Provider, phase: str, ends: str
) -> None:
    Account(garmin, ACCOUNT).when(READ, lambda: MaintenanceWindow.objects.exists() or window(garmin_provider, phase))
    job = sync(stream)
    assert job.status == ends
    if ends == WAITS:
        assert (job.attempts, job.error_code, job.finished_at) == (0, "maintenance", None)
        assert "Garmin changes its disks." in job.error_detail
        assert job.next_attempt_at > timezone.now() + timedelta(seconds=30)
        assert garmin["garmin"].count(LISTING) == 1


def test_what_another_process_set_stops_a_running_sync_at_its_next_page_and_not_two_seconds_later(
    garmin: RunningSandbox, stream: SyncStream, garmin_provider: Provider
) -> None:
    Account(garmin, ACCOUNT).when(READ, lambda: hold(garmin_provider))
    job = sync(stream)
    assert (job.status, job.attempts, job.error_code) == (WAITS, 0, "disabled")
    assert garmin["garmin"].count(LISTING) == 1
    assert library.stored(stream) == {}


def test_what_is_asked_for_by_itself_at_the_end_stops_as_well(
    garmin: RunningSandbox, stream: SyncStream, garmin_provider: Provider
) -> None:
    sync(stream)
    account, stored = Account(garmin, ACCOUNT), library.stored(stream)
    for workout_id in list(stored)[:3]:
        account.delete(workout_id)
    account.when(READ, lambda: hold(garmin_provider))
    asked = garmin["garmin"].count(library.READING)
    assert sync(stream).status == WAITS
    assert garmin["garmin"].count(library.READING) == asked + 1
    assert library.stored(stream) == stored, "nothing is taken for gone"


def test_nothing_new_begins_while_it_drains_and_all_goes_on_by_itself(
    garmin: RunningSandbox, stream: SyncStream, garmin_provider: Provider
) -> None:
    planned = window(garmin_provider, "drain")
    job = sync(stream)
    assert (job.status, job.attempts, job.error_code) == (WAITS, 0, "drain")
    assert garmin["garmin"].count(LISTING) == 0
    make_due(job)
    taken("sync")
    tasks.tick_jobs()
    assert taken("sync") == [], "nobody rings for what may not begin"
    MaintenanceWindow.objects.filter(pk=planned.pk).update(
        starts_at=timezone.now() - HOUR / 2, ends_at=timezone.now() - timedelta(seconds=1)
    )
    control.forget()
    tasks.tick_jobs()
    assert taken("sync") == [("integrations.tasks.run_sync", [job.pk])]
    assert work(job).status == "succeeded"


def test_a_sync_of_who_is_not_in_yet_waits_an_hour_and_turns_in_no_circle(
    garmin: RunningSandbox, stream: SyncStream
) -> None:
    let_in(0, "sync")
    job = sync(stream)
    assert (job.status, job.attempts, job.error_code) == (WAITS, 0, "not_yet")
    assert abs(job.next_attempt_at - timezone.now() - HOUR) < timedelta(minutes=1)
    assert garmin["garmin"].calls == []
    taken("sync")
    tasks.tick_streams()
    tasks.tick_jobs()
    assert taken("sync") == []
    let_in(100, "sync")
    flag = FeatureFlag.objects.get(name="garmin-sync")
    events.publish("flag.changed", flag, flag=flag.name, enabled=True, percentage=100)
    events.dispatch_due()
    job.refresh_from_db()
    assert job.next_attempt_at < timezone.now() + timedelta(seconds=6), "it need not wait out its hour"
    make_due(job)
    assert work(job).status == "succeeded"
