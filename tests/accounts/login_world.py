"""Google and GitHub on loopback, and people in front of them; allauth's provider classes run as in production."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import requests
from django.http import HttpResponse
from django.test import Client

from integrations.sandbox import RunningSandbox
from integrations.sandbox.logins import LoginSandbox

NORA, ADA, CARLA, MIMIC = "1001", "1002", "1003", "1004"  # subjects of the sandbox's people


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@dataclass
class Visitor:
    """One browser."""

    world: RunningSandbox
    client: Client = field(default_factory=Client)

    def depart(self, provider: str = "google", **query: str) -> str:
        """Press the button; where it leads."""
        answer = self.client.post(f"/account/{provider}/login/", query_params=query)
        assert answer.status_code == 302, answer.text
        return str(answer["Location"])

    def consent(self, where: str, who: str) -> str:
        """Say yes at the provider; the address that it sends the browser back to."""
        answer = requests.get(f"{where}&as={who}", allow_redirects=False, timeout=60)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def arrive(self, back: str) -> HttpResponse:
        url = urlsplit(back)
        return self.client.get(url.path, query_params=query_of(back))  # type: ignore[return-value]

    def log_in(self, who: str, provider: str = "google", **query: str) -> HttpResponse:
        return self.arrive(self.consent(self.depart(provider, **query), who))

    def connect(self, who: str, provider: str = "google") -> HttpResponse:
        return self.log_in(who, provider, process="connect")

    @property
    def is_inside(self) -> bool:
        return "_auth_user_id" in self.client.session

    @property
    def user_id(self) -> int:
        return int(self.client.session["_auth_user_id"])

    def type_login(self, email: str, password: str) -> HttpResponse:
        return self.client.post("/account/login/", {"login": email, "password": password})  # type: ignore[return-value]


def stand_in(world: RunningSandbox, provider: str) -> LoginSandbox:
    return world.logins[provider]


def lie(world: RunningSandbox, provider: str, fault: str) -> None:
    """One of the stand-in's hostile answers, to everybody."""
    world.logins[provider].set_fault("*", fault)
