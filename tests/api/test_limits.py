"""How fast one may ask, by person, by address and by what it costs."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from config import limits
from tests.api.conftest import MakeCaller


def slow(settings: Settings, **a_minute: int) -> None:
    settings.INBOUND_LIMITS = settings.INBOUND_LIMITS | a_minute


def test_the_answer_says_how_much_is_left_and_when_to_come_back(
    coach: User, calling: MakeCaller, settings: Settings
) -> None:
    slow(settings, read=3)
    api = calling(coach)
    left = [api.get("/api/v1/me").headers["RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = api.get("/api/v1/me")
    assert (refused.status_code, refused.json()["code"], refused.json()["status_code"]) == (429, "rate_limit", 429)
    assert 1 <= int(refused["Retry-After"]) <= 20
    assert refused["RateLimit-Limit"] == "3"


def test_one_person_does_not_slow_another_down(
    coach: User, athlete: User, calling: MakeCaller, settings: Settings
) -> None:
    slow(settings, read=1)
    assert [calling(person).get("/api/v1/me").status_code for person in (coach, coach, athlete)] == [200, 429, 200]


def test_pages_and_api_count_together_and_a_page_says_it_in_words(
    coach: User, calling: MakeCaller, client: Client, settings: Settings
) -> None:
    slow(settings, read=1)
    client.force_login(coach)
    assert client.get("/account/settings/").status_code == 200
    refused = client.get("/account/settings/")
    assert refused.status_code == 429
    assert "A little slower" in refused.text
    assert refused["Retry-After"]
    assert calling(coach).get("/api/v1/me").status_code == 429


def test_what_calls_a_provider_is_slower_than_other_posts(coach: User, client: Client) -> None:
    client.force_login(coach)
    answers = [client.post("/library/sync/").status_code for _ in range(11)]
    assert answers == [302] * 10 + [429]
    assert client.post("/notifications/read/").status_code == 302


@pytest.mark.parametrize(("proxies", "told"), [(0, "9.9.9.9"), (1, "9.9.9.9"), (1, "1.2.3.4, 9.9.9.9")])
def test_an_address_that_the_caller_made_up_counts_for_nothing(
    proxies: int, told: str, db: None, client: Client, settings: Settings
) -> None:
    """Behind one proxy its word counts, which is the last; without one, nobody's."""
    slow(settings, address=2)
    settings.TRUSTED_PROXY_COUNT = proxies
    forged = [told if not proxies else f"8.8.8.{i}, {told}" for i in range(3)]
    answers = [
        client.get("/", headers={"X-Forwarded-For": each}, REMOTE_ADDR="10.0.0.1").status_code for each in forged
    ]
    assert answers == [200, 200, 429]
    other = "7.7.7.7"
    fresh = client.get("/", headers={"X-Forwarded-For": other}, REMOTE_ADDR="10.0.0.1")
    assert fresh.status_code == (200 if proxies else 429)


def test_who_comes_past_the_proxies_counts_by_himself(client: Client, db: None, settings: Settings) -> None:
    slow(settings, address=1)
    settings.TRUSTED_PROXY_COUNT = 2
    headers = {"X-Forwarded-For": "9.9.9.9"}
    assert [client.get("/", headers=headers).status_code for _ in range(2)] == [200, 429]


def test_a_network_of_addresses_counts_as_one(client: Client, db: None, settings: Settings) -> None:
    slow(settings, address=1)
    answers = [client.get("/", REMOTE_ADDR=f"2001:db8::{i}").status_code for i in (1, 2)]
    assert answers == [200, 429]
    assert client.get("/", REMOTE_ADDR="2001:db8:1::1").status_code == 200


def test_unknown_routes_count_too_and_webhooks_never(client: Client, db: None, settings: Settings) -> None:
    slow(settings, address=1)
    assert [client.get("/api/v1/nothing").status_code for _ in range(2)] == [404, 429]
    assert [client.post("/webhooks/garmin/nobody/").status_code for _ in range(3)] == [404] * 3


def test_without_redis_each_process_counts_for_itself(
    client: Client, db: None, settings: Settings, nowhere: str
) -> None:
    slow(settings, address=8)  # four processes: two each
    settings.REDIS_URL = nowhere.replace("http", "redis")
    limits.admission.cache_clear()
    try:
        assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
    finally:
        limits.admission.cache_clear()
