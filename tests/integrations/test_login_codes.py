"""The second factor: one code, checked once, in whichever process."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection as database
from django.db.models.functions import Now

from accounts.models import User
from integrations import explanations
from integrations.models import (
    ConnectSession,
)
from integrations.sandbox import RunningSandbox
from integrations.services import connecting, logging_in
from integrations.timing import seconds, timing
from tests.integrations.logins import (
    COACH,
    LOGIN,
    Session,
    State,
    answer,
    code_of,
    connect,
    connection_of,
    in_parallel,
    wrong_code,
)

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]


def test_a_code_finishes_the_login_in_another_process(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    assert (session.status, session.method) == (Session.NEEDS_CODE, "email")
    left = (session.expires_at - session.created_at).total_seconds()
    assert abs(left - timing().connect_session_s) < 10
    assert connecting.submit_code(session, code_of(garmin))
    script = f"import django; django.setup(); from integrations import tasks; tasks.submit_code({session.pk})"
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}").geturl()
    elsewhere = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url}
    subprocess.run([sys.executable, "-c", script], env=os.environ | elsewhere, cwd=ROOT, check=True, timeout=60)
    session.refresh_from_db()
    assert (session.status, session.sealed) == (Session.DONE, "")
    assert connection_of(coach).external_name == "Carla Coach"
    assert garmin["garmin"].count(LOGIN) == 1


def test_a_wrong_code_may_be_corrected(garmin: RunningSandbox, coach: User) -> None:
    session = answer(connect(coach, COACH), wrong_code(garmin))
    assert (session.status, session.error_code) == (Session.NEEDS_CODE, "wrong_code")
    assert answer(session, code_of(garmin)).status == Session.DONE
    assert garmin["garmin"].count(LOGIN) == 1


def test_five_wrong_codes_end_the_login(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    states = [answer(session, wrong_code(garmin)).status for _ in range(5)]
    assert states == [Session.NEEDS_CODE] * 4 + [Session.FAILED]
    assert (session.error_code, session.sealed) == ("too_many_codes", "")
    assert not connecting.submit_code(session, code_of(garmin))


def test_an_outage_while_the_code_is_checked_costs_no_new_login(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    garmin["garmin"].set_fault(COACH, "login-500")
    assert answer(session, code_of(garmin)).error_code == "unreachable"
    garmin["garmin"].set_fault(COACH, "")
    assert answer(session, code_of(garmin)).status == Session.DONE


def test_twenty_clicks_on_one_code_check_it_once(garmin: RunningSandbox, coach: User) -> None:
    session, code = connect(coach, COACH), code_of(garmin)
    taken = in_parallel(20, lambda _: connecting.submit_code(ConnectSession.objects.get(pk=session.pk), code))
    in_parallel(20, lambda _: logging_in.check_code(session.pk))
    assert taken.count(True) == 1
    assert garmin["garmin"].count("/sso/mobile/api/mfa/verifyCode") == 1
    assert connection_of(coach).status == State.ACTIVE


def test_after_ten_minutes_the_code_is_too_late(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    ConnectSession.objects.update(created_at=Now() - seconds(900), expires_at=Now() - seconds(1))
    session.refresh_from_db()
    assert session.is_expired
    assert not connecting.submit_code(session, code_of(garmin))
    assert logging_in.tidy() == 1
    session.refresh_from_db()
    assert (session.status, session.error_code, session.sealed) == (Session.FAILED, "expired", "")


def test_a_login_that_the_provider_ended_meanwhile_is_no_wrong_code(garmin: RunningSandbox, coach: User) -> None:
    session = connect(coach, COACH)
    garmin["garmin"].set_fault(COACH, "challenge-over")
    session = answer(session, code_of(garmin))
    assert (session.status, session.error_code, session.sealed) == (Session.FAILED, "challenge_over", "")
    assert explanations.of_session(session).what == "Garmin Connect no longer waits for this code"
    garmin["garmin"].set_fault(COACH, "")
    again = connect(coach, COACH)
    assert answer(again, code_of(garmin)).status == Session.DONE, "starting over gives a new code"


def test_a_forgotten_login_says_so_at_the_first_code_and_a_wrong_code_does_not(
    garmin: RunningSandbox, coach: User
) -> None:
    session = answer(connect(coach, COACH), wrong_code(garmin))
    assert session.error_code == "wrong_code"
    garmin["garmin"].state.sessions.clear()  # type: ignore[attr-defined]
    assert answer(session, code_of(garmin)).error_code == "challenge_over"
