"""A session the athlete does not do: what he says of it, who sees it, what becomes of the copy, and taking it back."""

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from coaching.models import (
    CoachingLink,
    DeclineReason,
    Delivery,
    DeliveryStatus,
    Match,
    Notification,
    Scope,
    Share,
    ShareStatus,
)
from coaching.services import attention, calling_off, delivering, sharing
from coaching.sessions import SessionState, between
from coaching.weeks import today_of
from integrations import errors
from integrations.models import Connection, DomainEvent, Provider
from tests.coaching.doings import did, dispatch, record
from tests.coaching.roster_world import account, ago, done, planned, trained_by

pytestmark = pytest.mark.django_db


@pytest.fixture
def ben(coach: User, garmin_provider: Provider) -> CoachingLink:
    link = trained_by(coach)
    account(link, garmin_provider)
    return link


def arrived(share: Share) -> Delivery:
    return Delivery.objects.create(
        share=share, connection=Connection.objects.get(user=share.link.athlete), revision=share.revision,
        sent_revision=share.revision, day=share.scheduled_for, sent_day=share.scheduled_for, status="delivered",
        create_sent_at=timezone.now(), remote_workout_id=str(share.pk), delivered_at=timezone.now(),
    )  # fmt: skip


def state_of(share: Share, viewer: User | None = None) -> Any:
    athlete, day = share.link.athlete, Share.objects.get(pk=share.pk).scheduled_for
    assert day is not None
    (session,) = between(viewer or athlete, [athlete.pk], day, day)[athlete.pk, day]
    return session


def call_off(share: Share, reason: str = "ill", words: str = "") -> None:
    calling_off.call_off(share, by=share.link.athlete, reason=DeclineReason(reason), words=words)
    share.refresh_from_db()


@pytest.mark.parametrize("days", [1, 0, -1])
def test_both_sides_read_the_reason_before_the_day_and_after(coach: User, ben: CoachingLink, days: int) -> None:
    share = planned(ben, ago(ben, days))
    call_off(share, "no_time", "The train\u202e was late.")
    assert share.decline_words == "The train was late."
    for viewer in (ben.athlete, coach):
        session = state_of(share, viewer)
        assert (session.state, session.word) == (SessionState.DECLINED, "Called off: no time")


def test_a_past_copy_stays_in_the_account_and_one_ahead_leaves_it(ben: CoachingLink) -> None:
    copies = {days: arrived(planned(ben, ago(ben, days))) for days in (1, 0, -1)}
    for days, copy in copies.items():
        call_off(copy.share)
        copy.refresh_from_db()
        is_taken = (copy.status, copy.remove_remote) == (DeliveryStatus.CANCELLED, True)
        assert is_taken == (days <= 0), days
    copies[1].refresh_from_db()
    assert (copies[1].status, copies[1].remove_remote) == (DeliveryStatus.DELIVERED, False)


@pytest.mark.parametrize(("hour", "is_taken"), [(22, True), (23, False)])
def test_the_day_is_over_when_it_is_over_for_the_athlete(ben: CoachingLink, hour: int, is_taken: bool) -> None:
    """Berlin is an hour ahead in November."""
    copy = arrived(planned(ben, date(2026, 11, 18)))
    with time_machine.travel(f"2026-11-18T{hour}:30:00Z", tick=False):
        call_off(copy.share)
    copy.refresh_from_db()
    assert copy.remove_remote == is_taken


def test_what_is_on_its_way_is_not_sent(ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, -1))
    delivering.begin([share])
    call_off(share)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error_code) == (DeliveryStatus.CANCELLED, "declined")


def test_taken_back_it_stands_as_before(ben: CoachingLink) -> None:
    accepted, offered = planned(ben, ago(ben, -1)), planned(ben, ago(ben, -2))
    arrived(accepted)
    Share.objects.filter(pk=offered.pk).update(status=ShareStatus.OFFERED)
    for share, status in ((accepted, ShareStatus.ACCEPTED), (offered, ShareStatus.OFFERED)):
        call_off(share, "other", "Work.")
        calling_off.resume(share, by=ben.athlete)
        share.refresh_from_db()
        assert (share.status, share.decline_reason, share.decline_words) == (status, "", "")
    assert set(Delivery.objects.values_list("share", "status")) == {
        (accepted.pk, DeliveryStatus.CANCELLED), (accepted.pk, DeliveryStatus.PENDING),
    }  # fmt: skip


def test_a_past_one_taken_back_is_missed_and_nothing_is_sent(ben: CoachingLink) -> None:
    copy = arrived(planned(ben, ago(ben, 2)))
    call_off(copy.share)
    calling_off.resume(copy.share, by=ben.athlete)
    assert state_of(copy.share).state == SessionState.MISSED
    assert Delivery.objects.get().status == DeliveryStatus.DELIVERED
    waiting = planned(ben, ago(ben, 1))
    delivering.begin([waiting])
    call_off(waiting)
    calling_off.resume(waiting, by=ben.athlete)
    assert Delivery.objects.get(share=waiting).status == DeliveryStatus.CANCELLED


def test_taken_back_it_is_matched_with_what_was_done(ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, 2))
    arrived(share)
    call_off(share)
    did(ben.athlete, record("a", day=ago(ben, 2)))
    assert not Match.objects.exists()
    calling_off.resume(share, by=ben.athlete)
    dispatch()
    assert state_of(share).state == SessionState.DONE


def test_what_is_done_is_not_called_off(ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, 1))
    done(ben, ago(ben, 1), share)
    with pytest.raises(errors.ValidationError, match="It is done"):
        call_off(share)
    assert Share.objects.get().status == ShareStatus.ACCEPTED


def test_it_is_the_athletes_to_say(ben: CoachingLink, coach: User, stranger: User) -> None:
    share = planned(ben, ago(ben, 1))
    for person in (coach, stranger):
        with pytest.raises(errors.NotFoundError):
            calling_off.call_off(share, by=person, reason=DeclineReason.ILL)
        with pytest.raises(errors.NotFoundError):
            calling_off.resume(share, by=person)
    CoachingLink.objects.update(status="ended", ended_at=timezone.now())
    with pytest.raises(errors.NotFoundError):
        call_off(share)


@pytest.mark.parametrize("status", ["offered", "accepted", "withdrawn"])
def test_only_what_is_declined_is_taken_back(ben: CoachingLink, status: str) -> None:
    share = planned(ben, ago(ben, -1))
    Share.objects.update(status=status)
    with pytest.raises(errors.NotFoundError):
        calling_off.resume(share, by=ben.athlete)
    assert Share.objects.get().status == status


def test_what_the_coach_shared_anew_is_not_doubled(ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, -1))
    call_off(share)
    sharing.share_workout(share.revision, targets=[(ben, share.scheduled_for)], by=ben.coach)
    with pytest.raises(errors.ConflictError):
        calling_off.resume(share, by=ben.athlete)
    share.refresh_from_db()
    assert (share.status, share.decline_reason) == (ShareStatus.DECLINED, "ill")


def test_the_coach_is_told_once_and_the_last_reason_counts(ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, -1))
    for reason in ("ill", "ill", "injured"):
        call_off(share, reason)
    dispatch()
    assert share.decline_reason == "injured"
    assert AuditEntry.objects.filter(action="share.declined").count() == 1
    assert DomainEvent.objects.filter(type="share.declined").count() == 1
    notice = Notification.objects.get(template="share_declined", channel="in_app")
    assert notice.recipient == ben.coach
    assert "ill" not in notice.context["text"].split(), "how somebody feels goes into no mail"


def test_another_reason_needs_words_and_a_reason_a_refusal(ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, -1))
    with pytest.raises(errors.ValidationError, match="few words"):
        call_off(share, "other", "  \u202e ")
    for wrong in ({"decline_reason": "ill"}, {"decline_words": "x"}, {"status": "declined", "decline_reason": "tired"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Share.objects.update(**wrong)


def concern(coach: User, reason: str) -> str:
    found = attention.concerns(list(attention.watched(coach)))
    return next((each.words for each in found if each.reason == reason), "")


def test_today_tells_the_reasons_and_what_was_missed_without_a_word(coach: User, ben: CoachingLink) -> None:
    planned(ben, ago(ben, -10))
    for days, reason in ((8, "ill"), (7, "ill"), (6, "ill"), (5, "injured"), (4, ""), (3, "")):
        share = planned(ben, ago(ben, days))
        if reason:
            call_off(share, reason)
    done(ben, ago(ben, 2), planned(ben, ago(ben, 2)))
    said = "5 of 6 sessions of the last 7 days missed: 2 × ill, injured, 2 × without a word."
    assert sorted(concern(coach, "missed").partition(": ")[2].rstrip(".").split(", ")) == sorted(
        said.partition(": ")[2].rstrip(".").split(", ")
    )
    assert concern(coach, "missed").startswith("5 of 6 sessions")


def test_a_plain_refusal_is_not_missed(coach: User, ben: CoachingLink) -> None:
    planned(ben, ago(ben, 1))
    Share.objects.update(status="declined")
    assert concern(coach, "missed") == ""


def test_today_tells_of_what_is_called_off_ahead(coach: User, ben: CoachingLink) -> None:
    planned(ben, ago(ben, 0))
    planned(ben, ago(ben, -2))
    assert concern(coach, "called_off") == ""
    for days in (0, -7):
        call_off(planned(ben, ago(ben, days)), "travelling")
    call_off(planned(ben, ago(ben, -8)), "ill")
    assert concern(coach, "called_off") == "2 sessions of the next 7 days are called off: 2 × travelling."
    assert concern(coach, "missed") == ""


def test_the_athlete_says_it_from_his_week_and_takes_it_back(client: Client, coach: User, ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, 0), name="Hill sprints")
    client.force_login(ben.athlete)
    assert "Call it off" in client.get("/week/").text
    off, resume = (reverse(f"coaching:{name}", args=[share.public_id]) for name in ("call_off", "resume"))
    answer = client.post(off, {"reason": "other", "words": "My tooth hurts", "from": "week"}, follow=True)
    assert answer.redirect_chain[0][0] == f"/week/?day={share.scheduled_for}"
    assert "Called off: another reason" in answer.text
    assert "My tooth hurts" in answer.text
    answer = client.post(resume, {}, follow=True)
    assert answer.redirect_chain[0][0] == reverse("coaching:session", args=[share.public_id])
    assert "Called off" not in answer.text


@pytest.mark.parametrize(("reason", "words"), [("tired", ""), ("", ""), ("ill", "x" * 301), ("other", "")])
def test_what_does_not_fit_is_refused_in_words(client: Client, ben: CoachingLink, reason: str, words: str) -> None:
    share = planned(ben, ago(ben, 0))
    client.force_login(ben.athlete)
    off = reverse("coaching:call_off", args=[share.public_id])
    assert 'class="notice bad"' in client.post(off, {"reason": reason, "words": words}, follow=True).text
    assert Share.objects.get().status == ShareStatus.ACCEPTED


def test_the_coach_reads_it_on_his_pages(as_coach: Client, ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, 0))
    call_off(share, "injured", "The knee again.")
    for name, args in (("calendar", []), ("today", []), ("athlete", [ben.public_id])):
        assert "Called off: injured" in as_coach.get(reverse(f"coaching:{name}", args=args)).text, name
    for name in ("session", "delivery"):
        page = as_coach.get(reverse(f"coaching:{name}", args=[share.public_id])).text
        assert "Called off: injured" in page
        assert "The knee again." in page
        assert "Take it back" not in page


def test_the_athlete_moves_a_session_from_his_week(client: Client, ben: CoachingLink) -> None:
    share = planned(ben, ago(ben, 1))
    client.force_login(ben.athlete)
    move = reverse("coaching:move", args=[share.public_id])
    assert f"and {ben.coach} is told" in client.get(move).text
    day = today_of(ben.athlete) + timedelta(days=2)
    answer = client.post(move, {"on": day.isoformat(), "back": "https://evil.example/"})
    assert answer["Location"].startswith("/week/")
    share.refresh_from_db()
    assert share.scheduled_for == day


def test_what_has_no_day_is_no_session(client: Client, ben: CoachingLink) -> None:
    share = planned(ben, None)
    client.force_login(ben.athlete)
    assert client.get(reverse("coaching:session", args=[share.public_id])).status_code == 404
    activity = done(ben, ago(ben, 1), share)
    page = client.get(reverse("coaching:activity", args=[activity.public_id])).text
    assert reverse("coaching:offer", args=[share.public_id]) in page


def test_activities_of_an_athlete_lead_to_their_pages(as_coach: Client, ben: CoachingLink) -> None:
    activity = done(ben, ago(ben, 0))
    assert Scope.ACTIVITIES in ben.scopes
    page = as_coach.get(reverse("coaching:athlete", args=[ben.public_id])).text
    assert reverse("coaching:activity", args=[activity.public_id]) in page
