from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django.live_server_helper import LiveServer


def probe(part: str, **options: int) -> None:
    call_command("probe", part, **options)


@pytest.mark.django_db
def test_beat_is_well_while_it_starts_things() -> None:
    tasks = PeriodicTask.objects.exclude(name="celery.backend_cleanup")
    tasks.update(last_run_at=None)
    with pytest.raises(CommandError, match="ten minutes"):
        probe("beat")
    tasks.update(last_run_at=timezone.now() - timedelta(minutes=11))
    with pytest.raises(CommandError, match="ten minutes"):
        probe("beat")
    newest = tasks.first()
    assert newest is not None
    tasks.filter(pk=newest.pk).update(last_run_at=timezone.now())
    probe("beat")


def test_a_web_server_that_is_away_is_told() -> None:
    with pytest.raises(CommandError, match="does not answer"):
        probe("web", port=1)


def test_the_web_is_asked_under_its_own_name(live_server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    port = int(live_server.url.rpartition(":")[2])
    with override_settings(SITE_URL="https://coaching.example", ALLOWED_HOSTS=["coaching.example"]):
        probe("web", port=port)
    assert capsys.readouterr().out == "ok\n"
    with (
        override_settings(SITE_URL="https://coaching.example", ALLOWED_HOSTS=["another.example"]),
        pytest.raises(CommandError),
    ):
        probe("web", port=port)


def test_a_worker_without_a_broker_is_not_well() -> None:
    with (
        override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"),
        pytest.raises(CommandError, match="broker is away"),
    ):
        probe("worker")
