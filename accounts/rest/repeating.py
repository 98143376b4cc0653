"""Writes that are sent twice take effect once: the Idempotency-Key header names the request."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse

from accounts.models import KeptAnswer, User
from accounts.rest.callers import user_of
from accounts.rest.problems import Problem

HEADER = "Idempotency-Key"
LONGEST = 100
KEPT = timedelta(hours=24)
DEAD_AFTER = timedelta(minutes=2)  # an attempt that answered nothing by then died
SHOWN = ("ETag", "Location")

type Write = Callable[[], HttpResponse]


def once(request: HttpRequest, write: Write, *, whole: bool = True) -> HttpResponse:
    """The answer of `write`, or the one it gave when the same request came before, within 24 hours.

    `whole`: write and answer commit together. Otherwise `write` commits by itself and must be harmless when repeated.
    Errors are not kept. Problem 422 for another request under the same key, 409 while the first is at work.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return write()
    if len(key) > LONGEST or not key.isprintable():
        raise Problem(400, "bad_idempotency_key", f"An Idempotency-Key has at most {LONGEST} printable letters.")
    user, asked = user_of(request), _hashed(request)
    if not whole:
        return _in_two_steps(user, key, asked, write)
    with transaction.atomic():
        kept, _ = _claim(user, key, asked)  # who comes second waits here for the first one's commit
        return _replay(kept) if kept.status else _keep(kept, write())


def _in_two_steps(user: User, key: str, asked: str, write: Write) -> HttpResponse:
    with transaction.atomic():
        kept, is_new = _claim(user, key, asked)
    if kept.status:
        return _replay(kept)
    if not is_new:
        raise Problem(409, "in_progress", "The first request with this key is still at work.")
    with ExitStack() as otherwise:  # whatever ends the attempt, a stopped process included, the key is free again
        otherwise.callback(_let_go, kept)
        answer = _keep(kept, write())
        otherwise.pop_all()
    return answer


def _claim(user: User, key: str, asked: str) -> tuple[KeptAnswer, bool]:
    """The row of the key, and whether this request made it."""
    same = KeptAnswer.objects.filter(user=user, key=key)
    same.filter(created_at__lt=Now() - KEPT).delete()
    same.filter(status=None, created_at__lt=Now() - DEAD_AFTER).delete()
    kept, is_new = same.get_or_create(user=user, key=key, defaults={"request_hash": asked})
    if kept.request_hash != asked:
        raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was sent with another request.")
    return kept, is_new


def _keep(kept: KeptAnswer, answer: HttpResponse) -> HttpResponse:
    headers = {name: answer[name] for name in SHOWN if name in answer}
    body = answer.content.decode()
    KeptAnswer.objects.filter(pk=kept.pk).update(status=answer.status_code, body=body, headers=headers)
    return answer


def _let_go(kept: KeptAnswer) -> None:
    KeptAnswer.objects.filter(pk=kept.pk, status=None).delete()


def _replay(kept: KeptAnswer) -> HttpResponse:
    headers = {**kept.headers, "Idempotency-Replayed": "true"}
    return HttpResponse(kept.body, status=kept.status, content_type="application/json", headers=headers)


def _hashed(request: HttpRequest) -> str:
    asked = f"{request.method} {request.get_full_path()}\n{request.headers.get('If-Match', '')}\n"
    return sha256(asked.encode() + request.body).hexdigest()
