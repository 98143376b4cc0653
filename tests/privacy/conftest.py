"""An athlete of whom something is in every table that knows people."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.models import AccessToken, KeptAnswer, User
from coaching.models import (
    Activity,
    ActivityDetail,
    ActivityFile,
    CalendarFeed,
    CoachingLink,
    ComplianceBands,
    DailyTotal,
    DuplicatePair,
    Group,
    Invitation,
    Match,
    Note,
    Notification,
    NotificationChoice,
    NotificationTimes,
    Share,
    Upload,
)
from coaching.services import inviting, sharing
from integrations import credentials
from integrations.models import Connection, ConnectSession, DomainEvent, Provider, SyncJob, SyncStream
from integrations.spec import Grant
from tests.coaching.world import make_workout

SECRET = "a-token-nobody-may-see"
WORDS = "left knee hurts"


@pytest.fixture(autouse=True)
def _media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def known(coach: User, athlete: User, garmin_provider: Provider, transactional_db: None) -> User:
    """The athlete, who also coaches."""
    User.objects.start_coaching(athlete)
    EmailAddress.objects.create(user=athlete, email=athlete.email, verified=True, primary=True)
    _, token = inviting.invite(coach, athlete.email)
    invitation = inviting.find(token)
    assert invitation is not None
    link = inviting.accept(invitation, athlete, scopes=["plan", "activities", "notes"])
    revision = make_workout(coach).current
    assert revision is not None
    sharing.share_workout(revision, targets=[(link, date(2026, 12, 1))], by=coach, message=WORDS)
    share = Share.objects.get(link=link)
    connection = Connection.objects.create(
        user=athlete, provider=garmin_provider, status="active", external_account_id="77", external_name="ada77"
    )
    credentials.store(connection, Grant(secrets={"token": SECRET}, expires_at=None), kind="session")
    SyncJob.objects.create(stream=SyncStream.objects.create(connection=connection, resource="activities"))
    first, second = (_run(athlete, connection, str(n)) for n in (1, 2))
    ActivityDetail.objects.create(activity=first, laps=[{"n": 1}])
    ActivityFile.objects.create(
        athlete=athlete, activity=first, stored=ContentFile(b"the original", "a.fit"), name="a.fit", format="fit",
        sha256="0" * 64, bytes_n=12,
    )  # fmt: skip
    Upload.objects.create(
        athlete=athlete, stored=ContentFile(b"as it was sent", "b"), name="Morning run.zip", sha256="9" * 64, bytes_n=14
    )
    Match.objects.create(share=share, activity=first, how="day")
    DuplicatePair.objects.create(athlete=athlete, first=first, second=second)
    DailyTotal.objects.create(
        athlete=athlete, day=first.day, source="garmin", sport="running", activities_n=2, duration_s=3600
    )
    _around(athlete, link, share)
    return athlete


def _run(athlete: User, connection: Connection, external_id: str) -> Activity:
    return Activity.objects.create(
        athlete=athlete, connection=connection, source="garmin", external_id=external_id, sport="running",
        name="Morning run", started_at=datetime(2026, 11, 20, 6, tzinfo=UTC), day=date(2026, 11, 20), duration_s=1800,
        content_hash=external_id,
    )  # fmt: skip


def _around(athlete: User, link: CoachingLink, share: Share) -> None:
    Note.objects.create(link=link, share=share, author=athlete, text=WORDS)
    Group.objects.create(coach=athlete, name="Tuesday group")
    ComplianceBands.objects.create(coach=athlete)
    CalendarFeed.objects.create(user=athlete, token_hash="1" * 64)
    Invitation.objects.create(
        coach=athlete, email="x@example.org", token_hash="2" * 64, expires_at=timezone.now() + timedelta(days=1)
    )
    make_workout(athlete)
    AccessToken.objects.create(user=athlete, name="script", token_hash="3" * 64, hint="abcd", expires_at=timezone.now())
    KeptAnswer.objects.create(user=athlete, key="k", request_hash="4" * 64)
    NotificationChoice.objects.create(user=athlete, kind="welcome", channels=["email"])
    NotificationTimes.objects.create(user=athlete)
    SocialAccount.objects.create(user=athlete, provider="google", uid="g-77", extra_data={"name": "Ada Athlete"})
    Authenticator.objects.create(user=athlete, type="recovery_codes", data={})
    UserSession.objects.create(user=athlete, session_key="s" * 32, ip="192.0.2.7", user_agent="a browser")
    told = DomainEvent.objects.create(type="link.started", subject_type="x", subject_id="1")
    Notification.objects.create(event=told, recipient=athlete, channel="in_app", template="x", context={"text": WORDS})
    ConnectSession.objects.create(
        user=athlete, provider=Provider.objects.get(slug="garmin"), kind="password", state_hash="5" * 64,
        expires_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
