"""How people come in, from the outside: forms, second factors, mails, and the clock of a session."""

import re
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.totp.internal.auth import TOTP
from django.core import mail
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from tests.accounts.login_world import Visitor
from tests.authenticator_app import code_of
from tests.conftest import PASSWORD

SEED = "JBSWY3DPEHPK3PXP"


def totp_code() -> str:
    return code_of(SEED)


def with_totp(user: User) -> User:
    TOTP.activate(user, SEED)
    return user


def log_in(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> HttpResponse:
    return client.post("/account/login/", {"login": email, "password": password}, **extra)  # type: ignore[return-value]


def without_traces(answer: Any) -> str:
    return re.sub(r'[0-9a-f]{32}|"X-CSRFToken": "\w+"|value="\w{64}"', "", answer.text)


def is_inside(client: Client) -> bool:
    return "_auth_user_id" in client.session


def sign_up(visitor: Visitor, email: str, password: str) -> None:
    cache.clear()  # a second code for one address is sent after ten seconds only
    answer = visitor.client.post("/account/signup/", {"email": email, "password1": password, "password2": password})
    assert (answer.status_code, answer["Location"]) == (302, "/account/confirm-email/")


def newest_code() -> str:
    found = re.findall(r"^[A-Z0-9]{3,}(?:-?[A-Z0-9]{3,})?$", str(mail.outbox[-1].body), re.MULTILINE)
    return str(found[0])


def prove(visitor: Visitor) -> None:
    visitor.client.post("/account/confirm-email/", {"code": newest_code()})


def reset_link() -> str:
    return next(word for word in str(mail.outbox[-1].body).split() if "/password/reset/key/" in word)


def set_new_password(visitor: Visitor, link: str, password: str) -> bool:
    """Through the link of a mail; whether it was taken."""
    form = visitor.client.get(urlsplit(link).path, follow=True)
    if "password1" not in form.text:
        return False
    path = form.redirect_chain[-1][0] if form.redirect_chain else urlsplit(link).path
    answer = visitor.client.post(path, {"password1": password, "password2": password})
    return answer.status_code == 302


def age(visitor: Visitor, seconds: int) -> None:
    """The last confirmation of this session is so long ago."""
    session = visitor.client.session
    session["confirmed_at"] -= seconds
    session.save()
