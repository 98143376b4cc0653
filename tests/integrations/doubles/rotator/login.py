"""The provider's side of a login: a refresh token is good once, and using it again ends the whole login."""

import itertools
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Lock

from django.utils import timezone

from integrations import errors
from integrations.spec import Gateway, Grant


class Site:
    """What the provider remembers. `on_answer` runs when the token is used up and the answer not yet there."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = itertools.count(1)
        self.good = ""
        self.calls = 0
        self.refused = 0
        self.revoked: list[str] = []
        self.lifetime: timedelta | None = timedelta(hours=1)
        self.takes_s = 0.0
        self.fails: errors.IntegrationError | None = None
        self.on_answer: Callable[[], None] = lambda: None

    def grant(self) -> Grant:
        number = next(self._numbers)
        self.good = f"refresh-{number}"
        ends = timezone.now() + self.lifetime if self.lifetime is not None else None
        return Grant({"access": f"access-{number}", "refresh": self.good}, ends)

    def renew(self, refresh: str) -> Grant:
        with self._lock:
            self.calls += 1
            if self.fails is not None:
                raise self.fails
            if refresh != self.good:
                self.good = ""
                self.refused += 1
                raise errors.AuthenticationError(code="invalid_grant", provider="rotator")
            answer = self.grant()
        time.sleep(self.takes_s)  # a slow provider: long enough for the others to come while it thinks
        self.on_answer()
        return answer

    def revoke(self, refresh: str) -> None:
        if self.fails is not None:
            raise self.fails
        self.revoked.append(refresh)


site = Site()


class Login:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def renew(self, secrets: Mapping[str, str]) -> Grant:
        return site.renew(secrets["refresh"])

    def begin(self, values: Mapping[str, str]) -> Grant:
        return site.grant()

    def answer(self, state: Mapping[str, object], code: str) -> Grant:
        return site.grant()

    def revoke(self, secrets: Mapping[str, str]) -> None:
        site.revoke(secrets["refresh"])
