"""P3: a token of an invitation is drawn from more than can be tried, and opens one door, once, for one person."""

import random
from collections.abc import Iterator
from hashlib import sha256
from itertools import batched

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from coaching.models import CoachingLink, Invitation, Scope
from coaching.services import inviting

GUESSES, MANY = 20_000, 1_000_000
SEED = 20261121


def guesses(length: int, number: int) -> Iterator[str]:
    """Texts as the tokens are; the same in every run."""
    chance = random.Random(SEED)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return ("".join(chance.choices(letters, k=length)) for _ in range(number))


def open_nothing(coach: User, number: int) -> None:
    """Asked of the database by their hashes, as a request asks for one."""
    tokens = [inviting.invite(coach, f"n{number}@example.org")[1] for number in range(40)]
    assert len(set(tokens)) == 40
    assert min(map(len, tokens)) * 6 >= 128, "six bits a letter"
    for some in batched(guesses(len(tokens[0]), number), 20_000):
        hashes = [sha256(guess.encode()).hexdigest() for guess in some]
        assert not Invitation.objects.filter(token_hash__in=hashes).exists()
    assert inviting.find(tokens[0]) is not None, "the right one is still right"


def test_guesses_open_no_invitation(coach: User) -> None:
    open_nothing(coach, GUESSES)


@pytest.mark.soak
def test_a_million_guesses_open_no_invitation(coach: User) -> None:
    open_nothing(coach, MANY)


def test_a_token_that_somebody_has_used_is_none_to_the_next(coach: User, athlete: User, stranger: User) -> None:
    invitation, token = inviting.invite(coach, "somebody@example.org")
    inviting.accept(invitation, athlete=athlete, scopes=[Scope.PLAN.value], auto_import=False)
    for person in (stranger, athlete, coach):
        client = Client()
        client.force_login(person)
        assert client.get(reverse("coaching:arrive", args=[token])).status_code == 404
    assert [link.athlete for link in CoachingLink.objects.all()] == [athlete]
