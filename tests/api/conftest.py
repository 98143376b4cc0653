"""Callers of the API, with tokens of their own."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import personal_tokens
from accounts.models import TokenScope, User

type MakeCaller = Callable[..., Client]


def token_of(user: User, *scopes: str) -> str:
    return personal_tokens.make(user, name="test", scopes=scopes or TokenScope.values, days=7)[1]


@pytest.fixture
def calling() -> MakeCaller:
    """A client that sends the person's token; all scopes, or those named."""

    def make(user: User, *scopes: str) -> Client:
        return Client(headers={"Authorization": f"Bearer {token_of(user, *scopes)}"})

    return make
