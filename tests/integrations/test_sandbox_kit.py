"""The sandbox's kit: faults, log, memory, pages and doors. Garmin's sandbox stands for any."""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from integrations.errors import parse_retry_after
from integrations.providers.garmin.sandbox.garmin import GarminSandbox
from integrations.sandbox import ForeignFile, RunningSandbox, Store, UnknownFault, kit, running
from tests.sandboxes import box_of

BEN, CARLA = "athlete2@sandbox.example", "coach@sandbox.example"
LIST, CREATE = "/api/workout-service/workouts", "/api/workout-service/workout"
SOME = {"workoutName": "Mine", "sportType": {"sportTypeId": 1}, "workoutSegments": [{"workoutSteps": []}]}
APP = "GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2"


@pytest.fixture
def box(sandbox: RunningSandbox) -> GarminSandbox:
    return box_of(sandbox, GarminSandbox)


class Caller(requests.Session):
    """Ben's phone."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        super().__init__()
        self.base = f"{sandbox.url}/garmin"
        state = sandbox["garmin"].state  # type: ignore[attr-defined]
        self.headers["Authorization"] = f"Bearer {state.grant(BEN, APP)['access_token']}"

    def ask(self, path: str = LIST, **headers: str) -> requests.Response:
        return self.get(self.base + path, headers=headers, timeout=60)

    def create(self) -> requests.Response:
        return self.post(self.base + CREATE, json=SOME, timeout=60)


@pytest.fixture
def ben(sandbox: RunningSandbox) -> Iterator[Caller]:
    with Caller(sandbox) as caller:
        yield caller


def library_size(box: GarminSandbox) -> int:
    return len(box.state.people[BEN]["workouts"])


@pytest.mark.parametrize("status", [401, 404, 409, 412, 422, 500, 503])
def test_a_status_is_answered_until_it_is_healed(box: GarminSandbox, ben: Caller, status: int) -> None:
    before = library_size(box)
    box.set_fault(BEN, str(status))
    assert [ben.ask().status_code, ben.create().status_code] == [status, status]
    assert library_size(box) == before
    box.set_fault(BEN, "")
    assert ben.ask().status_code == 200


def test_once_is_for_one_call_even_when_many_come_at_once(box: GarminSandbox, ben: Caller) -> None:
    box.set_fault(BEN, "503-once")

    def ask(_: int) -> int:
        return requests.get(ben.base + LIST, headers=dict(ben.headers), timeout=60).status_code  # a connection each

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(ask, range(8)))
    assert answers == [200] * 7 + [503]
    assert box.fault_of(BEN) == ""


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("429", None), ("429-retry", 2), ("429-retry:14", 14), ("429-retry:-5", 0), ("429-retry:1000000000", 1e9)],
)
def test_too_many_requests_in_every_form(box: GarminSandbox, ben: Caller, fault: str, seconds: float | None) -> None:
    box.set_fault(BEN, fault)
    answer = ben.ask()
    assert answer.status_code == 429
    assert parse_retry_after(answer.headers.get("Retry-After")) == seconds


def test_retry_after_may_be_a_date(box: GarminSandbox, ben: Caller) -> None:
    box.set_fault(BEN, "429-retry:date")
    asked = ben.ask().headers["Retry-After"]
    assert asked.endswith("GMT")
    assert 0 <= (parse_retry_after(asked) or 9) <= 2


@pytest.mark.parametrize(("fault", "status"), [("403", 403), ("html", 200)])
def test_a_page_comes_where_json_should(box: GarminSandbox, ben: Caller, fault: str, status: int) -> None:
    box.set_fault(BEN, fault)
    answer = ben.ask()
    assert answer.status_code == status
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("fault", "made"), [("drop", 0), ("drop-after", 1), ("cut", 1), ("drop-once", 0), ("drop-after-once", 1)]
)
def test_a_broken_connection_has_acted_or_not(box: GarminSandbox, ben: Caller, fault: str, made: int) -> None:
    before = library_size(box)
    box.set_fault(BEN, fault)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ben.create()
    assert library_size(box) == before + made
    box.set_fault(BEN, "")
    assert ben.create().status_code == 200


def test_half_an_answer_and_a_late_500_have_acted(box: GarminSandbox, ben: Caller) -> None:
    before = library_size(box)
    box.set_fault(BEN, "truncated-once")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        ben.create().json()
    box.set_fault(BEN, "500-after-once")
    assert ben.create().status_code == 500
    assert library_size(box) == before + 2


@pytest.mark.parametrize("fault", ["slow:0.04", "slow-after:0.04"])
def test_a_slow_answer_is_late_by_so_much(
    box: GarminSandbox, ben: Caller, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "SLOW_S", 600)  # where nothing is said; the test would not see its end
    box.set_fault(BEN, fault)
    start = time.monotonic()
    assert ben.ask().status_code == 200
    assert time.monotonic() - start >= 0.04


def test_a_fault_keeps_to_its_account_and_its_route(sandbox: RunningSandbox, box: GarminSandbox, ben: Caller) -> None:
    box.set_fault(CARLA, "503")
    assert ben.ask().status_code == 200
    box.set_fault(BEN, "500", on=f"POST {CREATE}")
    assert [ben.ask().status_code, ben.create().status_code] == [200, 500]
    box.set_fault("*", "503", on="/token/di-oauth2-service/oauth/token")
    url = sandbox.base_urls("garmin")["token"] + "/di-oauth2-service/oauth/token"
    assert requests.post(url, data={}, timeout=60).status_code == 503, "a route that is named takes any fault"
    assert {"account": BEN, "route": f"POST {CREATE}", "fault": "500"} in box.faults()
    box.set_fault(BEN, "", on=f"POST {CREATE}")
    assert ben.create().status_code == 200


def test_a_fault_of_everybody_and_one_of_a_request(box: GarminSandbox, ben: Caller) -> None:
    assert ben.ask(**{"X-Sandbox-Fault": "409"}).status_code == 409
    assert ben.ask().status_code == 200
    box.set_fault("*", "412")
    assert ben.ask().status_code == 412
    box.set_fault(BEN, "409")
    assert ben.ask().status_code == 409, "an account's own goes first"


def test_an_accounts_trouble_leaves_its_login_alone_and_waits_for_its_own_call(
    sandbox: RunningSandbox, box: GarminSandbox, ben: Caller
) -> None:
    page = f"{sandbox.base_urls('garmin')['sso']}/mobile/sso/en_US/sign-in"
    box.set_fault("*", "503-once")
    assert requests.get(page, timeout=60).status_code == 200
    assert [ben.ask().status_code, ben.ask().status_code] == [503, 200]
    box.set_fault("*", "login-429-once")
    assert ben.ask().status_code == 200
    assert [requests.get(page, timeout=60).status_code for _ in range(2)] == [429, 200]


@pytest.mark.parametrize("fault", ["nonsense", "200", "slow:often", "999"])
def test_a_fault_nobody_knows_is_not_taken(box: GarminSandbox, fault: str) -> None:
    with pytest.raises(UnknownFault):
        box.set_fault(BEN, fault)


def test_the_log_counts_and_holds_no_secret(sandbox: RunningSandbox, box: GarminSandbox, ben: Caller) -> None:
    ben.ask(LIST + "?start=0&secret=canary")
    ben.ask(LIST)
    ben.create()
    assert (box.count(LIST), box.count(LIST, BEN), box.count(LIST, CARLA)) == (2, 2, 0)
    assert (box.count(f"POST {CREATE}"), box.count(f"GET {CREATE}")) == (1, 0)
    told = requests.get(f"{sandbox.url}/control/log", timeout=60)
    assert [row["status"] for row in told.json()["garmin"]] == [200, 200, 200]
    assert "canary" not in told.text
    assert str(ben.headers["Authorization"])[-20:] not in told.text


def test_the_counts_outlive_the_lines(box: GarminSandbox, ben: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.sandbox.kit.MOST_CALLS", 10)
    for _ in range(25):
        ben.ask()
    assert len(box.calls) <= 10
    assert box.count(LIST, BEN) == 25


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.json"
    with running(file) as first, Caller(first) as ben:
        made = ben.create().json()["workoutId"]
        ben.post(f"{ben.base}/api/workout-service/schedule/{made}", json={"date": "2026-12-01"}, timeout=60)
        first["garmin"].set_fault(CARLA, "503")
        headers = dict(ben.headers)
    assert file.stat().st_mode & 0o077 == 0
    with running(file) as second:
        box = second["garmin"]
        url = f"{second.url}/garmin{CREATE}"
        assert requests.get(f"{url}/{made}", headers=headers, timeout=60).json()["workoutName"] == "Mine"
        assert requests.post(url, json=SOME, headers=headers, timeout=60).json()["workoutId"] == made + 1
        assert [row["on"] for row in box.accounts()[2]["calendar"]] == ["2026-12-01"]
        assert box.fault_of(CARLA) == "503"


def test_a_store_is_read_whole_whenever_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "store.json"
    store, stop, torn = Store(file), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if file.exists():
                try:
                    json.loads(file.read_text())
                except ValueError:
                    torn.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        store.section("any", "rows")[str(number)] = "x" * 5000
        store.save()
    stop.set()
    reader.join()
    assert not torn
    assert len(Store(file).section("any", "rows")) == 60


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1, "providers": {}}', "{half"])
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "sandbox.json"
    file.write_text(content)
    with pytest.raises(ForeignFile):
        Store(file)
    with pytest.raises(CommandError, match=r"sandbox\.json"):
        call_command("sandbox", file=file, port=0)
    assert file.read_text() == content


def test_a_store_in_memory_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store()
    store.section("a", "b")["day"] = "2026-01-01"
    store.save()
    assert list(tmp_path.iterdir()) == []


def post(sandbox: RunningSandbox, values: dict[str, str], **headers: str) -> requests.Response:
    return requests.post(f"{sandbox.url}/control/", data=values, headers=headers, timeout=60, allow_redirects=False)


def test_the_overview_shows_how_to_log_in_and_the_code(sandbox: RunningSandbox, box: GarminSandbox) -> None:
    sso = sandbox.base_urls("garmin")["sso"]
    with requests.Session() as browser:
        page = f"{sso}/mobile/sso/en_US/sign-in"
        browser.get(page, timeout=60)
        values = {"username": CARLA, "password": "sandbox-only"}
        browser.post(f"{sso}/mobile/api/login", json=values, headers={"Referer": page}, timeout=60)
    code = box.accounts()[0]["code"]
    answer = requests.get(sandbox.url, timeout=60)
    assert re.fullmatch(r"\d{6}", code)
    assert f"<strong>{code}</strong>" in answer.text
    assert "<title>Sandbox</title>" in answer.text
    assert all(f"athlete{number}@sandbox.example" in answer.text for number in range(1, 7))
    assert answer.headers["Refresh"]
    assert requests.get(f"{sandbox.url}/control/codes", timeout=60).json()["garmin"][CARLA][0]["code"] == code


def test_the_pages_run_nothing_and_show_names_as_text(sandbox: RunningSandbox, box: GarminSandbox) -> None:
    box.change(BEN, "add", "", "'><script>alert(3)</script>")
    for path in ("/", f"/account/garmin/{BEN}", "/account/garmin/*"):
        answer = requests.get(sandbox.url + path, timeout=60)
        assert "<script" not in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "&#x27;&gt;&lt;script&gt;alert(3)" in requests.get(f"{sandbox.url}/account/garmin/{BEN}", timeout=60).text
    assert requests.get(f"{sandbox.url}/sandbox.css", timeout=60).headers["Content-Type"].startswith("text/css")


def test_the_forms_of_an_account_do_what_they_say(sandbox: RunningSandbox, box: GarminSandbox) -> None:
    first = box.accounts()[2]["workouts"][0]
    values = {"provider": "garmin", "account": BEN}
    answer = post(sandbox, values | {"what": "rename", "workout": first["id"], "value": "Renamed"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/account/garmin/{BEN}")
    assert box.accounts()[2]["workouts"][0]["name"] == "Renamed"
    post(sandbox, values | {"what": "fault", "value": "429-retry:14", "once": "1", "on": f"POST {CREATE}"})
    assert box.fault_of(BEN, on=f"POST {CREATE}") == "429-retry-once:14"
    assert "429-retry-once:14" in requests.get(f"{sandbox.url}/account/garmin/{BEN}", timeout=60).text
    post(sandbox, values | {"what": "delete", "workout": first["id"]})
    assert first["id"] not in {row["id"] for row in box.accounts()[2]["workouts"]}
    post(sandbox, values | {"what": "toggle-mfa"})
    assert box.accounts()[2]["mfa"] is True


def test_a_script_gets_and_gives_json(sandbox: RunningSandbox, box: GarminSandbox) -> None:
    values = {"provider": "garmin", "account": BEN, "what": "fault", "value": "503"}
    assert requests.post(f"{sandbox.url}/control/", json=values, timeout=60).json() == {"done": True}
    told = {name: requests.get(f"{sandbox.url}/control/{name}", timeout=60).json() for name in ("accounts", "faults")}
    assert told["accounts"]["garmin"][2]["fault"] == "503"
    assert told["faults"]["garmin"] == [{"account": BEN, "route": "", "fault": "503"}]
    assert requests.get(f"{sandbox.url}/control/calendar", timeout=60).json()["garmin"][BEN] == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"provider": "nobody"}, 404),
        ({"account": "nobody@sandbox.example"}, 404),
        ({"what": "rename", "workout": "1"}, 404),
        ({"what": "explode"}, 400),
        ({"value": "nonsense"}, 400),
        ({"what": "train", "value": "someday"}, 400),
    ],
)
def test_a_form_that_makes_no_sense_changes_nothing(
    sandbox: RunningSandbox, box: GarminSandbox, change: dict[str, str], status: int
) -> None:
    before = box.accounts()
    values = {"provider": "garmin", "account": BEN, "what": "fault", "value": "503"}
    assert post(sandbox, values | change).status_code == status
    assert (box.accounts(), box.faults()) == (before, [])


def test_only_this_machines_own_pages_get_in(sandbox: RunningSandbox, box: GarminSandbox) -> None:
    values = {"provider": "garmin", "account": BEN, "what": "fault", "value": "503"}
    for host in ("evil.example", "evil.example:80", ""):
        assert requests.get(sandbox.url, headers={"Host": host}, timeout=60).status_code == 400
    assert post(sandbox, values, Origin="https://evil.example").status_code == 403
    assert post(sandbox, values, Origin="null").status_code == 403
    assert box.faults() == []
    assert post(sandbox, values, Origin=sandbox.url).status_code == 303
    assert sandbox.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("head", ["Content-Length: many", "Transfer-Encoding: chunked", "Content-Length: 99999999"])
def test_a_body_that_cannot_be_read_ends_the_connection(sandbox: RunningSandbox, head: str) -> None:
    with socket.create_connection(sandbox.server.server_address[:2], timeout=60) as line:  # type: ignore[arg-type]
        line.sendall(f"POST /control/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n\r\n".encode())
        answer = b""
        while part := line.recv(4096):
            answer += part
    assert re.match(rb"HTTP/1\.1 41[13] ", answer)


def test_a_caller_who_hangs_up_early_leaves_no_traceback_and_a_real_error_does(
    sandbox: RunningSandbox, box: GarminSandbox, ben: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        with socket.create_connection(sandbox.server.server_address[:2], timeout=60) as line:  # type: ignore[arg-type]
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # hang up, not goodbye
            head = f"Host: 127.0.0.1\r\nAuthorization: {ben.headers['Authorization']!s}\r\nX-Sandbox-Fault: slow:0.02"
            line.sendall(f"GET /garmin{LIST} HTTP/1.1\r\n{head}\r\n\r\n".encode())
    assert ben.ask(**{"X-Sandbox-Fault": "slow:0.04"}).ok, "it goes on, and is later than the three"
    assert "Traceback" not in capfd.readouterr().err
    try:
        raise KeyError("a real one")
    except KeyError:
        sandbox.server.handle_error(None, ("127.0.0.1", 2))
    assert "a real one" in capfd.readouterr().err


def test_it_does_not_start_where_it_is_switched_off(settings: object, tmp_path: Path) -> None:
    settings.SANDBOX_ENABLED = False  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="SANDBOX_ENABLED"):
        call_command("sandbox", file=tmp_path / "sandbox.json", port=0, stdout=StringIO())
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told_in_one_line(sandbox: RunningSandbox) -> None:
    port = sandbox.server.server_address[1]
    with pytest.raises(CommandError, match=f"port {port}"):
        call_command("sandbox", port=port, stdout=StringIO())
