"""B67: whose address counts, behind proxies and without; limits, logs, audit and sessions take the same one."""

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts.addresses import client_address, network_of
from accounts.models import AuditEntry, User
from tests.conftest import PASSWORD

PROXY = "10.0.0.1"
VICTIM, CALLER, INNER = "198.51.100.7", "203.0.113.9", "10.0.0.2"


def seen(settings: Settings, proxies: int, forwarded: str | None, remote: str = PROXY) -> str:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, PROXY),
        (0, VICTIM, PROXY),  # nobody of ours has written it
        (1, CALLER, CALLER),
        (1, f"{VICTIM}, {CALLER}", CALLER),
        (1, f"{VICTIM},{VICTIM}, {CALLER}", CALLER),
        (2, f"{VICTIM}, {CALLER}, {INNER}", CALLER),
        (2, f"{CALLER}, {INNER}", CALLER),
        (2, VICTIM, PROXY),  # it came past one of the two
        (1, None, PROXY),
        (1, "", PROXY),
        (1, "unknown", PROXY),
        (1, f"{VICTIM}, <script>", PROXY),
        (1, f"{CALLER}:51234", CALLER),
        (1, "[2001:db8::9]:443", "2001:db8::9"),
        (1, "2001:DB8::9", "2001:db8::9"),
        (1, f"::ffff:{CALLER}", CALLER),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "1.2.3.4.5", PROXY),
        (1, "2130706433", PROXY),
    ],
)
def test_the_outermost_of_our_own_proxies_says_who_asks(
    settings: Settings, proxies: int, forwarded: str | None, address: str
) -> None:
    assert seen(settings, proxies, forwarded) == address


@pytest.mark.parametrize("remote", ["", "unix:", "@"])
def test_where_the_server_does_not_know_either_nothing_breaks(settings: Settings, remote: str) -> None:
    assert seen(settings, 0, None, remote) == ""
    assert network_of("") == "unknown"


def test_a_subscriber_of_ipv6_counts_as_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of(CALLER) == CALLER


@pytest.fixture
def settled(coach: User) -> User:
    EmailAddress.objects.create(user=coach, email=coach.email, verified=True, primary=True)
    return coach


def log_in(user: User, password: str, forwarded: str) -> Client:
    client = Client(headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=PROXY)
    assert client.post("/account/login/", {"login": user.email, "password": password}).status_code in {200, 302}
    return client


def test_audit_sessions_and_log_hold_the_callers_address(
    settled: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    with caplog.at_level("INFO"):
        log_in(settled, PASSWORD, f"{VICTIM}, {CALLER}")
    assert AuditEntry.objects.get(action="user.logged_in").ip == CALLER
    assert UserSession.objects.get(user=settled).ip == CALLER
    lines = [str(record.msg) for record in caplog.records if record.name == "request"]
    assert lines
    assert all(CALLER in line and PROXY not in line for line in lines)
    assert VICTIM not in caplog.text


@pytest.mark.parametrize(("proxies", "told"), [(0, f"{VICTIM}, {CALLER}"), (2, CALLER)])
def test_what_the_caller_says_of_himself_stands_nowhere(
    settled: User, settings: Settings, proxies: int, told: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    log_in(settled, "wrong horse", told)
    log_in(settled, PASSWORD, told)
    assert set(AuditEntry.objects.values_list("ip", flat=True)) == {PROXY}
    assert UserSession.objects.get(user=settled).ip == PROXY


def test_allauths_limits_count_the_same_address(db: None, settings: Settings) -> None:
    """Ten wrong tries a minute from one address, however it says it is called; another address has its own."""
    settings.TRUSTED_PROXY_COUNT = 1

    def knock(number: int, address: str) -> str:
        client = Client(headers={"X-Forwarded-For": f"192.0.2.{number}, {address}"}, REMOTE_ADDR=PROXY)
        return client.post("/account/login/", {"login": f"nobody{number}@example.org", "password": "wrong"}).text

    answers = ["Too many failed" in knock(number, CALLER) for number in range(11)]
    assert answers == [False] * 10 + [True]
    assert "Too many failed" not in knock(99, VICTIM)


def test_a_login_over_a_socket_without_addresses_works(settled: User) -> None:
    client = Client(REMOTE_ADDR="")
    assert client.post("/account/login/", {"login": settled.email, "password": PASSWORD}).status_code == 302
    assert AuditEntry.objects.get(action="user.logged_in").ip is None
