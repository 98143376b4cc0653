"""Connecting where a person says yes at the provider itself: against Strava's sandbox, through the real pages."""

import pytest

from accounts.models import User
from integrations import credentials
from integrations.models import Credential
from integrations.sandbox import RunningSandbox
from tests.integrations.consenting import ADA, SCOPES, Session, State, connect, connection_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_yes_at_the_provider_connects(strava: RunningSandbox, athlete: User) -> None:
    session = connect(athlete, ADA)
    connection = connection_of(athlete)
    assert (session.status, session.error_code, session.sealed) == (Session.DONE, "", "")
    assert (connection.status, connection.external_name, connection.scopes) == (State.ACTIVE, "Ada Athlete", [*SCOPES])
    assert connection.external_account_id
    assert not connection.delivers, "Strava takes no workouts"
    assert connection.credential.kind == Credential.Kind.OAUTH2
    assert set(credentials.usable(connection).secrets) == {"access_token", "refresh_token"}
