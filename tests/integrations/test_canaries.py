"""P10: secrets of every kind go through every flow, the failing ones too, and are found nowhere but in the vault."""

import base64
import logging
from collections.abc import Iterator
from io import StringIO
from urllib.parse import quote

import pytest
import redis
import structlog
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings as configured
from django.contrib import admin
from django.core import mail
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from accounts import personal_tokens
from accounts.models import LoginApplication, TokenScope, User
from config.metrics import exposition
from integrations import credentials, vault
from integrations.logins import secret_place
from integrations.models import Provider
from integrations.sandbox import RunningSandbox
from integrations.services import connecting, scheduling, syncing
from tests.integrations.broker import taken
from tests.integrations.logins import BEN, CHEN, COACH, PASSWORD, answer, code_of, connect, connection_of, wrong_code

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = "canary-of-a-mistyped-password"
CLIENT, LOGIN = "canary-of-the-provider-client", "canary-of-the-login-application"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXQ"
QUEUES = ("interactive", "sync", "housekeeping", "webhooks")


def shapes(secret: str) -> set[str]:
    """As it is, packed for the wire, and in halves that somebody has turned round."""
    half = len(secret) // 2
    halves = {part[::-1] for part in (secret[:half], secret[half:]) if len(part) >= 8}
    coded = {base64.b64encode(secret.encode()).decode().rstrip("="), base64.urlsafe_b64encode(secret.encode()).decode()}
    return {secret, quote(secret, safe=""), *(each.rstrip("=") for each in coded), *halves}


def tables() -> Iterator[tuple[str, str]]:
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{table}\" AS t")
            yield f"table {table}", str(cursor.fetchone()[0])


def in_redis() -> Iterator[tuple[str, str]]:
    for url in {str(configured.REDIS_URL), str(configured.CELERY_BROKER_URL).replace("redis+socket", "unix")}:
        with redis.Redis.from_url(url.replace("virtual_host=", "db=")) as client:
            for key in client.keys("*"):
                yield f"Redis {key!r}", repr(client.dump(key))


def pages(client: Client) -> Iterator[tuple[str, str]]:
    """The admin's list, page and history of every row there is."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses = [reverse(f"{name}_changelist")]
        for row in model._default_manager.order_by("-pk")[:3]:
            try:
                addresses += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")]
            except NoReverseMatch:
                continue
        yield from ((address, client.get(address).text) for address in addresses)


def dumped() -> str:
    told = StringIO()
    call_command("dumpdata", stdout=told)
    return told.getvalue()


def everything_happens(
    garmin: RunningSandbox, provider: Provider, coach: User, athlete: User, stranger: User
) -> set[str]:
    """Logins that work, that want a code and that fail; a reading, a refused one, a renewal, an end."""
    connect(stranger, CHEN, WRONG)
    session = answer(connect(coach, COACH), wrong_code(garmin))
    answer(session, code_of(garmin))
    connect(athlete, BEN)
    secrets = {PASSWORD, WRONG, CLIENT, LOGIN, SEED}
    for person in (coach, athlete):
        connection = connection_of(person)
        held = credentials.usable(connection)
        secrets |= {value for value in held.secrets.values() if len(value) >= 12}
        stream = connection.streams.first()
        if stream:
            syncing.run(scheduling.request_sync(stream, trigger="manual").pk)
        secrets |= set(credentials.renew(connection, seen_version=held.version).secrets.values())
    provider.client_secret = vault.seal_json({"client_secret": CLIENT}, **secret_place(provider))
    provider.save()
    application = LoginApplication(provider="google", client_id="id-1")
    application.seal_secret(LOGIN)
    application.save()
    TOTP.activate(coach, SEED)
    secrets.add(personal_tokens.make(coach, name="script", scopes=TokenScope.values, days=7)[1])
    connecting.disconnect(connection_of(athlete), actor=athlete, purge=True)
    return {secret for secret in secrets if len(secret) >= 12}


def test_no_secret_is_found_outside_the_vault(
    garmin: RunningSandbox, garmin_provider: Provider, coach: User, athlete: User, stranger: User, operator: User,
    settings: Settings, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        secrets = everything_happens(garmin, garmin_provider, coach, athlete, stranger)
    client = Client(raise_request_exception=False)
    client.force_login(operator)
    sinks = [("log", caplog.text), ("lines", str(lines)), ("metrics", exposition().decode()), ("dumpdata", dumped())]
    sinks += [*tables(), *in_redis(), *pages(client)]
    sinks += [("mail", f"{message.subject} {message.body} {message.message()}") for message in mail.outbox]
    sinks += [("message", str(message)) for queue in QUEUES for message in taken(queue)]
    settings.DEBUG, settings.CREDENTIAL_KEYS = True, "broken"  # a page for programmers, of a vault that does not open
    sinks.append(("DEBUG", client.get("/admin/integrations/vaultkey/").text))
    sinks.append(("output", "".join(capfd.readouterr())))
    assert len(secrets) >= 8
    assert len([name for name, _ in sinks if name.startswith("/admin/")]) > len(admin.site._registry)
    for secret in secrets:
        for shape in shapes(secret):
            assert not [name for name, text in sinks if shape in text], f"a secret of {len(secret)} letters"


def test_the_search_finds_what_is_there(coach: User) -> None:
    """Or the test above could not fail."""
    User.objects.filter(pk=coach.pk).update(display_name=f"x {CLIENT} y")
    assert [name for name, text in tables() if CLIENT in text] == ["table accounts_user"]
    with redis.Redis.from_url(str(configured.REDIS_URL)) as client:
        client.set("tc:canary", LOGIN)
        assert [name for name, text in in_redis() if LOGIN in text] == ["Redis b'tc:canary'"]
        client.delete("tc:canary")
    assert shapes("abcdefghijklmnop") >= {"hgfedcba", "ponmlkji", "YWJjZGVmZ2hpamtsbW5vcA"}
    assert CLIENT in dumped()
