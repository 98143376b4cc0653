"""The page of a provider: addresses that get in, limits, secrets, and modes."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from integrations import vault
from integrations.logins import secret_place
from integrations.models import (
    Provider,
    ProviderMode,
)
from tests.integrations.admin_pages import CANARY, page, provider_form, run, staff


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254",
        "https://169.254.169.254/latest",
        "https://127.1",
        "https://2130706433",
        "https://0x7f.1",
        "https://evil@connectapi.garmin.com",
        "https://connectapi.garmin.com@evil.example",
        "https://connectapi.garmin.com.evil.example",
        "https://connectapi.garmin.com.",
        "https://evilconnectapi.garmin.com",
        "https://x.connectapi.garmin.com",
        "https://connectapi.garmin.com:22",
        "https://connectapi.garmin.com:0",
        "https://connectapi.garmin.com:99999",
        "https://connectapi.garmin.com?x=1",
        "https://connectapi.garmin.com#x",
        "https://connectapi.garmin.com/../x",
        "https://connectapi.garmin.com\\@evil.example",
        "https://connectapi.garmin.com%2eevil.example",
        "https://cοnnectapi.garmin.com",
        "https://CONNECTAPI.garmin.com\u3002evil.example",
        "http://connectapi.garmin.com",
        "http://127.0.0.1",
        "http://127.0.0.1:80",
        "http://[::1]:22",
        "file:///etc/passwd",
        "gopher://connectapi.garmin.com",
        "//connectapi.garmin.com",
        "connectapi.garmin.com",
        "https://",
        "https:// connectapi.garmin.com",
        "https://connectapi.garmin.com/" + "a" * 300,
        "",
        7,
        None,
        ["https://connectapi.garmin.com"],
    ],
)
def test_no_other_address_gets_in(ops: Client, garmin_provider: Provider, url: Any) -> None:
    answer = ops.post(page(garmin_provider), provider_form(garmin_provider, base_urls=json.dumps({"api": url})))
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {"base_urls"}
    garmin_provider.refresh_from_db()
    assert garmin_provider.base_urls == {}


@pytest.mark.parametrize(
    "url", ["https://connectapi.garmin.com", "https://sso.garmin.com:443/x", "http://127.0.0.1:8011/garmin/api"]
)
def test_a_new_address_is_kept_and_puts_the_provider_on_hold(ops: Client, garmin_provider: Provider, url: str) -> None:
    answer = ops.post(
        page(garmin_provider), provider_form(garmin_provider, base_urls=json.dumps({"api": url})), follow=True
    )
    garmin_provider.refresh_from_db()
    assert garmin_provider.base_urls == {"api": url}
    assert garmin_provider.mode == ProviderMode.HOLD
    assert "is on hold" in answer.content.decode()


def test_loopback_is_for_the_sandbox_only(ops: Client, garmin_provider: Provider, settings: Any) -> None:
    settings.SANDBOX_ENABLED = False
    urls = json.dumps({"api": "http://127.0.0.1:8011"})
    assert ops.post(page(garmin_provider), provider_form(garmin_provider, base_urls=urls)).status_code == 200
    garmin_provider.refresh_from_db()
    assert garmin_provider.base_urls == {}


@pytest.mark.parametrize("field", ["base_urls", "limits", "scopes"])
@pytest.mark.parametrize(
    "text",
    [
        "{", "nonsense", "7", '"x"', "[1]", '{"__proto__": {"capacity": 1, "per_s": 1}}', '{"api": {"api": {}}}',
        '{"account": {"capacity": 1}}', '{"account": {"capacity": 1, "per_s": NaN}}',
        '{"account": {"capacity": 1, "per_s": Infinity}}', '{"account": {"capacity": -1, "per_s": 1}}',
        '{"account": {"capacity": true, "per_s": 1}}', '{"account": {"capacity": "2", "per_s": 1}}',
        '{"account": {"capacity": 1, "per_s": 1, "x": 1}}', '{"account": 7}', "[" * 3000, '{"a":' * 700,
        '["' + "x" * 1_000_000 + '"]',
    ],
)  # fmt: skip
def test_wrong_json_is_a_form_error(ops: Client, garmin_provider: Provider, field: str, text: str) -> None:
    if len(text) > 500_000:
        text = text[:500_000]
    answer = ops.post(page(garmin_provider), provider_form(garmin_provider, **{field: text}))
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {field}


def test_good_limits_are_kept(ops: Client, garmin_provider: Provider, operator: User) -> None:
    limits = {"account": {"capacity": 4, "per_s": 0.5}}
    assert ops.post(page(garmin_provider), provider_form(garmin_provider, limits=json.dumps(limits))).status_code == 302
    garmin_provider.refresh_from_db()
    assert garmin_provider.limits == limits
    entry = AuditEntry.objects.get(action="provider.edited")
    assert (entry.actor, entry.data) == (operator, {"fields": ["limits"], "reason": "trying it out"})


def test_a_client_secret_goes_in_and_never_comes_out(ops: Client, garmin_provider: Provider) -> None:
    answer = ops.post(page(garmin_provider), provider_form(garmin_provider, new_client_secret=CANARY), follow=True)
    garmin_provider.refresh_from_db()
    assert vault.open_json(garmin_provider.client_secret, **secret_place(garmin_provider)) == {"client_secret": CANARY}
    pages = [answer, ops.get(page(garmin_provider)), ops.get(page(garmin_provider).replace("change", "history"))]
    for shown in pages:
        assert CANARY not in shown.content.decode()
        assert garmin_provider.client_secret not in shown.content.decode()
    assert f"set, fingerprint {vault.fingerprint(garmin_provider.client_secret)}" in pages[1].content.decode()
    assert CANARY not in str(list(AuditEntry.objects.values()))
    ops.post(page(garmin_provider), provider_form(garmin_provider))
    garmin_provider.refresh_from_db()
    assert garmin_provider.client_secret, "an empty field leaves it as it is"
    refused = ops.post(page(garmin_provider), provider_form(garmin_provider, new_client_secret=CANARY, name=""))
    assert CANARY not in refused.content.decode()
    ops.post(page(garmin_provider), provider_form(garmin_provider, forget_client_secret="on"))
    garmin_provider.refresh_from_db()
    assert garmin_provider.client_secret == ""


def test_addresses_and_secrets_need_a_permission_of_their_own(garmin_provider: Provider) -> None:
    editor = staff("view_provider", "change_provider")
    urls = json.dumps({"api": "http://127.0.0.1:8011"})
    form = provider_form(garmin_provider, base_urls=urls, new_client_secret=CANARY, client_id="x", name="Renamed")
    assert editor.post(page(garmin_provider), form).status_code == 302
    garmin_provider.refresh_from_db()
    assert (garmin_provider.name, garmin_provider.base_urls) == ("Renamed", {})
    assert (garmin_provider.client_secret, garmin_provider.client_id) == ("", "")
    keeper = staff("view_provider", "change_provider", "set_provider_secrets")
    keeper.post(page(garmin_provider), form)
    garmin_provider.refresh_from_db()
    assert (garmin_provider.base_urls, garmin_provider.client_id) == ({"api": "http://127.0.0.1:8011"}, "x")


def test_modes_are_switched_and_every_process_hears_of_it(ops: Client, garmin_provider: Provider) -> None:
    before = garmin_provider.updated_at
    run(ops, "hold", garmin_provider)
    garmin_provider.refresh_from_db()
    assert garmin_provider.mode == ProviderMode.HOLD
    assert garmin_provider.updated_at > before
    run(ops, "switch_off", garmin_provider)
    run(ops, "enable", garmin_provider)
    garmin_provider.refresh_from_db()
    assert garmin_provider.mode == ProviderMode.ENABLED
