"""Outgoing calls reach allowed hosts at public addresses, and loopback sees nobody."""

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from integrations import errors
from integrations.addresses import problem_of
from integrations.registry import spec_for
from integrations.resilience.outbound import PinnedAdapter, Target, check
from tests.integrations.resilience import hostile_urls
from tests.integrations.resilience.hostile_urls import HOST, PUBLIC, PUBLIC6
from tests.integrations.resilience.wire import Listener, Server, Wire, install, serving

OTHER = "other.provider.example"
HOSTS = frozenset({HOST, OTHER})
TOKEN = "t0k3n-canary"


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return install(monkeypatch)


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


@pytest.fixture
def server(tmp_path: Path, wire: Wire) -> Iterator[Server]:
    """The provider at its public address."""
    with serving(tmp_path, HOST) as started:
        wire.names[HOST] = [[PUBLIC]]
        wire.routes[PUBLIC] = started.port
        yield started


def session(
    *, loopback: bool = False, verify: str | bool = True, adapter: PinnedAdapter | None = None
) -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    made.verify = verify
    adapter = adapter or PinnedAdapter(allowed_hosts=HOSTS, loopback=loopback)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


def checked(url: str, *, loopback: bool = False) -> Target:
    return check(url, allowed_hosts=HOSTS, loopback=loopback)


# --- hostile URLs


def test_the_list_is_long_and_says_nothing_twice() -> None:
    assert len(hostile_urls.URLS) >= 60
    assert len(set(hostile_urls.URLS)) == len(hostile_urls.URLS)


def test_a_careless_client_would_reach_the_listener(wire: Wire, listener: Listener) -> None:
    """Else the list would prove nothing."""
    careless = requests.Session()
    careless.trust_env = False
    for url in hostile_urls.LOOPBACK:
        with pytest.raises(requests.RequestException):
            careless.get(url.format(port=listener.port), timeout=60)
    reached = [port for _, port in wire.connected if port == listener.port]
    assert len(reached) >= 20
    assert listener.visits > 0


def call_all(mine: requests.Session, port: int) -> None:
    for url in hostile_urls.URLS:
        with pytest.raises((requests.RequestException, errors.ConfigurationError)):
            mine.get(url.format(port=port), timeout=60)


def test_no_hostile_url_connects(wire: Wire, listener: Listener) -> None:
    wire.names = {HOST: [["127.0.0.1"]], OTHER: [["127.0.0.1"]]}
    call_all(session(), listener.port)
    assert (wire.connected, listener.visits) == ([], 0)


def test_with_a_sandbox_they_get_no_further_than_its_port(wire: Wire, listener: Listener) -> None:
    wire.names = {HOST: [["127.0.0.1"]], OTHER: [["127.0.0.1"]]}
    call_all(session(loopback=True), listener.port)
    assert {(address, port) for address, port in wire.connected} <= {
        ("127.0.0.1", listener.port),
        ("::1", listener.port),
    }


@pytest.mark.parametrize("url", [*hostile_urls.URLS, *hostile_urls.MENDED])
def test_a_hostile_url_is_refused_as_text(wire: Wire, url: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        checked(url.format(port=8011))
    assert caught.value.code == "address_refused"
    assert not caught.value.retryable
    assert wire.looked_up == []


@pytest.mark.parametrize("url", hostile_urls.MENDED)
def test_what_requests_mends_goes_to_the_allowed_host_alone(
    server: Server, wire: Wire, listener: Listener, url: str
) -> None:
    try:
        session(verify=server.ca).get(url.format(port=listener.port), timeout=60)
    except (requests.RequestException, errors.ConfigurationError):
        assert server.calls == []
    assert {address for address, _ in wire.connected} <= {PUBLIC}
    assert {call.host for call in server.calls} <= {HOST}
    assert listener.visits == 0


@pytest.mark.parametrize("answers", hostile_urls.ANSWERS, ids=" ".join)
def test_a_name_that_leads_inside_is_refused(wire: Wire, listener: Listener, answers: list[str]) -> None:
    wire.names[HOST] = [answers]
    with pytest.raises(errors.ConfigurationError) as judged:
        checked(f"https://{HOST}/")
    with pytest.raises(errors.ConfigurationError) as called:
        session().get(f"https://{HOST}/", timeout=60)
    assert judged.value.code == called.value.code == "address_refused"
    assert (wire.connected, listener.visits) == ([], 0)


def test_a_name_that_leads_inside_the_second_time_gains_nothing(server: Server, wire: Wire, listener: Listener) -> None:
    wire.names[HOST] = [[PUBLIC], ["127.0.0.1"]]
    assert [str(address) for address in checked(f"https://{HOST}/").addresses] == [PUBLIC]
    with pytest.raises(errors.ConfigurationError):
        session(verify=server.ca).get(f"https://{HOST}/", timeout=60)
    assert wire.connected == []


def test_a_connection_goes_where_its_one_look_up_led(server: Server, wire: Wire, listener: Listener) -> None:
    wire.names[HOST] = [[PUBLIC], ["127.0.0.1"]]
    assert session(verify=server.ca).get(f"https://{HOST}/", timeout=60).status_code == 200
    assert wire.looked_up == [HOST]
    assert wire.connected == [(PUBLIC, 443)]


def test_the_allow_list_takes_no_numbers(wire: Wire) -> None:
    for host in ("127.0.0.1", "8.8.8.8", "[2606:4700:4700::1111]", "134744072", "0x8080808", "localhost", "8.8.8.8."):
        with pytest.raises(errors.ConfigurationError):
            check(f"https://{host}/", allowed_hosts={host}, loopback=False)


def test_a_refusal_names_the_host_and_nothing_else() -> None:
    for url in (
        f"https://user:{TOKEN}@evil.example/{TOKEN}?key={TOKEN}#{TOKEN}",
        f"https://evil.example/{TOKEN}?key={TOKEN}",
    ):
        for call in (checked, session().get):
            with pytest.raises(errors.ConfigurationError) as caught:
                call(url)
            assert "evil.example" in str(caught.value)
            assert TOKEN not in f"{caught.value} {caught.value.context}"
            assert caught.value.__cause__ is None


def test_a_refusal_writes_no_second_line_in_the_log() -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        checked("https://evil\u2028\x1b.example/")
    assert str(caught.value).isprintable()


# --- redirects, proxies, certificates


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "goal", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", f"https://{OTHER}/", "/again"]
)
def test_no_redirect_is_followed(server: Server, wire: Wire, listener: Listener, status: int, goal: str) -> None:
    server.answer = lambda path: (status, {"Location": goal.format(port=listener.port)})
    wire.names[OTHER] = [[PUBLIC]]
    answer = session(verify=server.ca, loopback=True).get(f"https://{HOST}/x", headers={"X-Api-Key": TOKEN}, timeout=60)
    assert answer.status_code == status
    assert [call.path for call in server.calls] == ["/x"]
    assert listener.visits == 0


def test_a_created_thing_keeps_its_location(server: Server) -> None:
    server.answer = lambda path: (201, {"Location": "/things/1"})
    assert session(verify=server.ca).get(f"https://{HOST}/").headers["Location"] == "/things/1"


def test_no_proxy_is_asked(server: Server, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"http://127.0.0.1:{listener.port}"
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    mine = session(verify=server.ca)
    mine.trust_env = True
    proxies = {"https": proxy, "all": proxy}
    answer = mine.get(f"https://{HOST}/", proxies=proxies, timeout=60, verify=server.ca)
    assert answer.status_code == 200
    assert listener.visits == 0


def test_the_server_sees_the_name_and_proves_it(server: Server) -> None:
    session(verify=server.ca).get(f"https://{HOST}/x?y=1", timeout=60)
    assert server.server_names == [HOST]
    assert [(call.host, call.path) for call in server.calls] == [(HOST, "/x?y=1")]


@pytest.mark.parametrize("verify", [True, False])
def test_a_certificate_that_nobody_vouches_for_is_refused(server: Server, verify: bool) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        session(verify=verify).get(f"https://{HOST}/", timeout=60, verify=verify)
    assert server.calls == []


def test_a_certificate_of_another_host_is_refused(server: Server, wire: Wire) -> None:
    wire.names[OTHER] = [[PUBLIC]]
    with pytest.raises(requests.exceptions.SSLError):
        session(verify=server.ca).get(f"https://{OTHER}/", timeout=60)
    assert server.calls == []


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.1", "93.184.215.15", "::ffff:127.0.0.1"])
def test_a_connection_that_ended_elsewhere_is_cut_before_a_word(server: Server, wire: Wire, peer: str) -> None:
    wire.peers[PUBLIC] = peer
    with pytest.raises(errors.ConfigurationError) as caught:
        session(verify=server.ca).get(f"https://{HOST}/", timeout=60)
    assert caught.value.code == "address_refused"
    assert (server.calls, server.server_names) == ([], [])


# --- allowed calls


def test_a_target_tells_where_it_leads(wire: Wire) -> None:
    wire.names[HOST] = [[PUBLIC, PUBLIC6, PUBLIC]]
    target = checked(f"https://{HOST}:443/users/@me?at=1%2F2")
    assert (target.scheme, target.host, target.port) == ("https", HOST, 443)
    assert [str(address) for address in target.addresses] == [PUBLIC, PUBLIC6]


@pytest.mark.parametrize("answer", [PUBLIC, f"::ffff:{PUBLIC}", PUBLIC6, "2001:4860:4860::8888"])
def test_public_addresses_pass(wire: Wire, answer: str) -> None:
    wire.names[HOST] = [[answer]]
    assert [str(address) for address in checked(f"https://{HOST}").addresses] == [answer]


def test_an_unknown_name_is_worth_another_try(wire: Wire) -> None:
    for call in (checked, session().get):
        with pytest.raises(errors.ConnectionError) as caught:
            call(f"https://{HOST}/{TOKEN}")
        assert caught.value.retryable
        assert TOKEN not in str(caught.value)


def test_a_connection_is_used_again_without_a_look_up(server: Server, wire: Wire) -> None:
    mine = session(verify=server.ca)
    for number in range(5):
        assert mine.get(f"https://{HOST}/{number}", timeout=60).status_code == 200
    assert (server.connections, len(wire.connected), len(wire.looked_up)) == (1, 1, 1)


def test_threads_share_one_adapter_and_its_connections(server: Server, wire: Wire) -> None:
    adapter = PinnedAdapter(allowed_hosts=HOSTS, loopback=False)

    def call(number: int) -> int:
        with session(verify=server.ca, adapter=adapter).get(f"https://{HOST}/{number}", timeout=60) as answer:
            return answer.status_code

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(call, range(40))) == {200}
    assert len(server.calls) == 40
    assert 1 <= server.connections <= 4


def test_the_next_address_is_tried_and_all_share_the_time(server: Server, wire: Wire) -> None:
    wire.names[HOST] = [["198.51.101.1", PUBLIC6, PUBLIC]]
    wire.dead = {"198.51.101.1"}
    wire.routes[PUBLIC6] = server.port
    assert session(verify=server.ca).get(f"https://{HOST}/", timeout=(60, 60)).status_code == 200
    assert [address for address, _ in wire.connected] == ["198.51.101.1", PUBLIC6, PUBLIC]
    assert wire.waited[0] == pytest.approx(20, abs=5), "a third of what is left"


def test_silence_and_refusal_are_told_apart_as_requests_does(wire: Wire) -> None:
    wire.names[HOST] = [[PUBLIC]]
    with pytest.raises(requests.ConnectionError) as refused:
        session().get(f"https://{HOST}/", timeout=60)
    wire.dead = {PUBLIC}
    with pytest.raises(requests.ConnectTimeout) as silent:
        session().get(f"https://{HOST}/", timeout=60)
    for caught in (refused, silent):
        assert type(errors.from_exception(caught.value, provider="x")) is errors.ConnectionError


def test_a_copy_keeps_the_rules() -> None:
    copied = pickle.loads(pickle.dumps(PinnedAdapter(allowed_hosts=HOSTS, loopback=False)))
    with pytest.raises(errors.ConfigurationError):
        session(adapter=copied).get("https://evil.example/")


# --- the sandbox's loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_sandbox_is_called_on_loopback(tmp_path: Path, host: str) -> None:
    with serving(tmp_path, host, tls=False) as sandbox:
        url = f"http://{host}:{sandbox.port}/x"
        assert all(address.is_loopback for address in checked(url, loopback=True).addresses)
        assert session(loopback=True).get(url, timeout=60).status_code == 200
        with pytest.raises(errors.ConfigurationError):
            session().get(url, timeout=60)
        assert len(sandbox.calls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1:1023/",
        "https://[::1]:22/",
        "ftp://127.0.0.1:8011/",
        "http://127.0.0.2:8011/",
    ],
)
def test_the_sandbox_opens_no_more_of_loopback(url: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        checked(url, loopback=True)


def test_localhost_has_to_be_this_machine(wire: Wire) -> None:
    wire.names["localhost"] = [["127.0.0.1", "10.0.0.1"]]
    with pytest.raises(errors.ConfigurationError):
        checked("http://localhost:8011/", loopback=True)


# --- the form for base URLs


@pytest.mark.parametrize("url", [*hostile_urls.URLS, *hostile_urls.MENDED])
def test_the_form_takes_no_hostile_address(url: str) -> None:
    spec = spec_for("garmin")
    hostile = url.format(port=22).replace(HOST, "connectapi.garmin.com")
    assert problem_of(hostile, spec)


def test_what_the_form_takes_may_be_called(wire: Wire) -> None:
    spec = spec_for("garmin")
    wire.names = {host: [[PUBLIC]] for host in spec.allowed_hosts}
    for url in (*spec.base_urls.values(), "https://connectapi.garmin.com:443/x", "http://127.0.0.1:8011/garmin/api"):
        assert problem_of(url, spec) == ""
        assert check(f"{url}/path?q=1", allowed_hosts=spec.allowed_hosts, loopback=True).addresses
