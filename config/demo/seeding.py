"""The people and switches that a fresh demo starts with. What visitors changed since is left alone."""

import time
from datetime import timedelta
from typing import Any

import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from coaching.models import CoachingLink, Scope
from config.demo import past
from config.demo.people import ATHLETES, COACH, OPERATOR, PASSWORD, Person
from integrations import logins, registry, vault
from integrations.models import Provider, ProviderMode
from integrations.spec import Capability, Part
from webhooks.models import WebhookEndpoint
from webhooks.services import securing, subscribing

GENEROUS = {"capacity": 100, "per_s": 100}  # a demo's visitors do not wait for a bucket
EVERYTHING = [Scope.PLAN, Scope.ACTIVITIES, Scope.HEART_RATE, Scope.NOTES]
CONSENT = {  # who allows more, or less, than activities
    "ada@demo.example": EVERYTHING,
    "ben@demo.example": EVERYTHING,
    "elif@demo.example": [Scope.PLAN],
    "finn@demo.example": [Scope.PLAN, Scope.ACTIVITIES, Scope.NOTES],
}
SUBJECTS = {"ada@demo.example": "1002"}  # who logs in with Google and GitHub, and is known there under this number
ENDPOINT = "Demo"
SANDBOX_WITHIN_S = 20.0
LOOK_S = 0.1


@transaction.atomic
def seed(sandbox_url: str) -> None:
    """Safe to run at every start."""
    for slug in registry.specs():
        point_at_sandbox(slug, sandbox_url)
    coach, _ = _settle(COACH)
    User.objects.start_coaching(coach)
    _settle(OPERATOR, is_staff=True, is_superuser=True)
    new: dict[str, CoachingLink] = {}
    began = timezone.now() - timedelta(days=30)
    for person in ATHLETES:
        athlete, is_new = _settle(person)
        if is_new:
            scopes = CONSENT.get(person.email, [Scope.PLAN, Scope.ACTIVITIES])
            new[person.email] = CoachingLink.objects.create(
                coach=coach, athlete=athlete, scopes=scopes, started_at=began
            )
    if new:
        past.tell(coach, new)


def point_at_sandbox(slug: str, sandbox_url: str) -> None:
    """Switch a provider on, with the sandbox in the place of its hosts."""
    spec = registry.spec_for(slug)
    Provider.objects.filter(slug=slug).update(
        mode=ProviderMode.ENABLED,
        base_urls={role: f"{sandbox_url}/{slug}/{role}" for role in spec.base_urls},
        limits=dict.fromkeys(spec.limits, GENEROUS),
    )
    if spec.oauth:
        register_client(Provider.objects.get(slug=slug))


def register_client(provider: Provider) -> None:
    """As the application that the sandbox knows."""
    client_id, secret = registry.part(provider.slug, Part.SANDBOX).SANDBOX.client
    provider.client_id = client_id
    provider.client_secret = vault.seal_json({"client_secret": secret}, **logins.secret_place(provider))
    provider.save()


def take_webhooks(sandbox_url: str) -> None:
    """From every provider that sends any. The sandbox is running, or about to. Safe to run at every start."""
    for slug in registry.having(Capability.WEBHOOKS):
        receive_from(slug, sandbox_url)


def receive_from(slug: str, sandbox_url: str) -> None:
    """An address for the provider's webhooks, which the sandbox sends to. One that operations ended stays ended."""
    endpoint, is_new = WebhookEndpoint.objects.get_or_create(
        provider=Provider.objects.get(slug=slug),
        name=ENDPOINT,
        defaults={"must_be_signed": bool(registry.spec_for(slug).client_signature)},
    )
    if not (is_new or endpoint.registration or not registry.spec_for(slug).subscribes):
        return
    told = _ask(sandbox_url, provider=slug, what="listen", value=subscribing.address_of(endpoint))
    if told.get("secret") and not endpoint.secrets.live().exists():
        securing.rotate(endpoint, str(told["secret"]))
    endpoint.registration = told.get("registration", {})
    endpoint.save(update_fields=["registration"])


def _ask(sandbox_url: str, **said: str) -> dict[str, Any]:
    """The sandbox starts beside us and may take a moment."""
    end = time.monotonic() + SANDBOX_WITHIN_S
    while True:
        try:
            answer = requests.post(f"{sandbox_url}/control/", json=said, timeout=SANDBOX_WITHIN_S)
            answer.raise_for_status()
            return dict(answer.json())
        except requests.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(LOOK_S)


def _settle(person: Person, **fields: bool) -> tuple[User, bool]:
    if found := User.objects.filter(email=person.email).first():
        return found, False
    user = User.objects.create_user(
        person.email, PASSWORD, display_name=person.name, time_zone=person.time_zone, units=person.units, **fields
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    if subject := SUBJECTS.get(person.email):
        for name in ("google", "github"):
            SocialAccount.objects.create(user=user, provider=name, uid=subject, extra_data={"email": user.email})
    return user, True
