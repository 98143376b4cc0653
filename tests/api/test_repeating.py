"""A request that is sent twice while, or after, the first one was at work."""

from datetime import timedelta

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import KeptAnswer, User
from accounts.rest import repeating
from accounts.rest.callers import Caller
from accounts.rest.problems import Problem

pytestmark = pytest.mark.django_db


def asked(user: User, *, match: str = "") -> HttpRequest:
    headers = {repeating.HEADER: "one", "If-Match": match}
    request = RequestFactory().post("/api/v1/x", b"{}", content_type="application/json", headers=headers)
    request.auth = Caller(user)  # type: ignore[attr-defined]
    return request


def test_who_comes_while_the_first_is_at_work_is_told_so_and_a_dead_one_is_no_hindrance(athlete: User) -> None:
    def again() -> HttpResponse:
        with pytest.raises(Problem) as problem:
            repeating.once(asked(athlete), HttpResponse, whole=False)
        assert (problem.value.status, problem.value.code) == (409, "in_progress")
        return HttpResponse("done", status=201)

    assert repeating.once(asked(athlete), again, whole=False).status_code == 201
    assert repeating.once(asked(athlete), HttpResponse, whole=False)["Idempotency-Replayed"] == "true"
    long_ago = timezone.now() - repeating.DEAD_AFTER - timedelta(seconds=1)
    KeptAnswer.objects.update(status=None, created_at=long_ago)
    assert repeating.once(asked(athlete), lambda: HttpResponse("anew"), whole=False).content == b"anew"


def test_a_failed_one_leaves_nothing_behind(athlete: User) -> None:
    def fail() -> HttpResponse:
        raise Problem(422)

    for whole in (True, False):
        with pytest.raises(Problem):
            repeating.once(asked(athlete), fail, whole=whole)
        assert repeating.once(asked(athlete), lambda: HttpResponse("done"), whole=whole).content == b"done"
        KeptAnswer.objects.all().delete()


def test_another_state_that_is_named_is_another_request(athlete: User) -> None:
    repeating.once(asked(athlete, match='"1"'), HttpResponse)
    with pytest.raises(Problem) as problem:
        repeating.once(asked(athlete, match='"2"'), HttpResponse)
    assert problem.value.code == "idempotency_key_reused"
