"""What strangers and broken senders send, over the wire to the real web server: B1 to B20 of the catalogue."""

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.models import Provider, ProviderMode, SyncStream
from tests.webhooks.wire import Door, body_of, event
from webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookEvent
from webhooks.services import processing

FIXED = b'{"error":"unauthorized"}'
JSON = {"content-type": "application/json"}


def nothing_stored() -> bool:
    return not WebhookEvent.objects.exists()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_b1_other_methods_are_refused(door: Door, method: str) -> None:
    answer = door.ask(method, headers=JSON)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert nothing_stored()


@pytest.mark.parametrize(
    "path",
    [
        "sender/{other}/",
        "nobody/{token}/",
        "garmin/{token}/",
        "../admin/{token}/",
        "%00/{token}/",
        "sender/%00/",
        f"{'x' * 300}/{{token}}/",
        "sender/{token}",
        "sender/{token}/more/",
        "sender/",
        "",
    ],
)
def test_b2_what_is_not_there_is_404(door: Door, endpoint: WebhookEndpoint, path: str) -> None:
    address = "/webhooks/" + path.format(token=endpoint.token, other="A" * 43)
    body = body_of()
    answer = door.ask("POST", path=address, body=body, headers=door.signed(body))
    assert (answer.status, answer.said) == (404, {"error": "not_found"})
    assert nothing_stored()


def test_b2_disabled_is_as_if_it_were_not_there(door: Door, endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(is_active=False)
    assert door.send().status == 404
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(is_active=True)
    Provider.objects.filter(slug="sender").update(mode=ProviderMode.OFF)
    assert door.send().status == 404


def test_b3_and_b4_all_reasons_are_answered_alike(door: Door) -> None:
    body, now = body_of(), int(time.time())
    good = door.signed(body)
    tries = [
        JSON,
        door.signed(body + b" "),
        door.signed(body, at=now - 301),
        door.signed(body, at=now + 330),
        door.signed(body, at=0),
        door.signed(body, secret="whsec_" + "QUFB" * 10),
        {**good, "webhook-signature": ""},
        {**good, "webhook-signature": "v1," + "A" * 5000},
        {**good, "webhook-timestamp": "１２３".encode().decode("latin-1")},
        {**good, "webhook-id": ""},
        {**good, "svix-id": "other"},
    ]
    answers = [door.send(body, headers=headers) for headers in tries]
    assert {(answer.status, answer.body) for answer in answers} == {(401, FIXED)}
    told = [{k: v for k, v in a.headers.items() if k not in ("date", "x-request-id")} for a in answers]
    assert all(each == told[0] for each in told)
    assert nothing_stored()


def test_b5_a_body_announced_as_too_long_is_refused_unread(door: Door) -> None:
    head = f"POST {door.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    started = time.monotonic()
    answer = door.say(f"{head}Content-Length: 1073741824\r\n\r\n".encode(), until_closed=True)
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - started < 20, "the server waited for the rest"
    assert nothing_stored()


def test_b6_a_drip_without_a_length_is_cut_one_byte_after_the_cap(door: Door, endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(max_body_bytes=4096)
    head = f"POST {door.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    answer = door.say(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), then=chunk * 5, until_closed=True)
    assert answer.startswith(b"HTTP/1.1 413")
    assert nothing_stored()


def test_a_signed_body_in_chunks_is_taken(door: Door) -> None:
    body = body_of()
    lines = "".join(f"{name}: {value}\r\n" for name, value in door.signed(body).items())
    head = f"POST {door.path} HTTP/1.1\r\nHost: localhost\r\n{lines}Transfer-Encoding: chunked\r\n\r\n"
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
    assert door.say(head.encode(), then=pieces + b"0\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert bytes(WebhookEvent.objects.get().body or b"") == body


@pytest.mark.parametrize("lengths", [["-1"], ["ten"], ["5", "6"], ["1e3"]], ids=str)
def test_b7_an_impossible_length_is_400(door: Door, lengths: list[str]) -> None:
    head = f"POST {door.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    lines = "".join(f"Content-Length: {length}\r\n" for length in lengths)
    assert door.say(f"{head}{lines}\r\n".encode(), then=b"{}").startswith(b"HTTP/1.1 400")
    assert nothing_stored()


def test_b8_a_compressed_body_is_refused(door: Door) -> None:
    body = gzip.compress(b"0" * 10_000_000)
    answer = door.send(body, headers={**door.signed(body), "content-encoding": "gzip"})
    assert (answer.status, answer.said) == (415, {"error": "unsupported_encoding"})
    assert nothing_stored()


@pytest.mark.parametrize(
    "kind",
    ["text/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "", "application/json5"],
)
def test_b9_only_json_is_offered(door: Door, kind: str) -> None:
    body = body_of()
    headers = {**door.signed(body), "content-type": kind}
    assert door.send(body, headers=headers).status == 415
    assert nothing_stored()


def test_json_may_say_its_charset(door: Door) -> None:
    body = body_of()
    headers = {**door.signed(body), "content-type": "application/json; charset=UTF-8"}
    assert door.send(body, headers=headers).status == 200


INVALID = {
    "empty": b"",
    "text": b"hello",
    "utf-16": json.dumps({"events": []}).encode("utf-16"),
    "bom": b"\xef\xbb\xbf{}",
    "invalid utf-8": b'{"a": "\xff"}',
    "nan": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "infinite": b'{"a": 1e999}',
    "long number": b'{"a": ' + b"1" * 5000 + b"}",
    "long fraction": b'{"a": 0.' + b"1" * 50 + b"}",
    "deep": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "nul": b'{"a": "x\\u0000"}',
    "nul in a key": b'{"x\\u0000": 1}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone low surrogate": b'{"a": ["\\udc00"]}',
    "raw control": b'{"a": "\x01"}',
    "two values": b"{} {}",
}


@pytest.mark.parametrize("body", INVALID.values(), ids=INVALID)
def test_b10_and_b11_signed_nonsense_is_400(door: Door, body: bytes) -> None:
    answer = door.send(body)
    assert (answer.status, answer.said) == (400, {"error": "invalid_json"})
    assert nothing_stored()


def test_200_000_brackets_do_not_break_the_server(door: Door, endpoint: WebhookEndpoint) -> None:
    body = b"[" * 200_000
    from_part = 64 * 1024
    assert len(body) > from_part
    assert door.send(body).status == 413
    assert door.send(body[:from_part]).status == 400


@pytest.mark.parametrize("body", [b"1", b"null", b'"x"', b"true", b"1.5"])
def test_b12_a_scalar_is_no_message(door: Door, body: bytes) -> None:
    answer = door.send(body)
    assert (answer.status, answer.said) == (400, {"error": "bad_schema"})
    assert nothing_stored()


def test_64_deep_with_pairs_of_surrogates_and_40_digits_is_still_taken(door: Door) -> None:
    inner = {"emoji": "\U0001f3c3", "number": int("9" * 40)}
    for _ in range(61):
        inner = {"a": inner}
    body = body_of(more=inner)
    assert body.count(b"{") + body.count(b"[") > 64
    assert door.send(body).status == 200


def test_b13_the_same_again_is_a_duplicate(door: Door) -> None:
    body = body_of()
    first, second = (door.send(body, identity="msg_1") for _ in range(2))
    assert (first.status, first.said["status"]) == (200, "accepted")
    assert (second.status, second.said["status"]) == (200, "duplicate")
    assert first.said["id"] == second.said["id"]
    row = WebhookEvent.objects.get()
    assert (row.redeliveries, row.is_conflicting) == (1, False)


def test_b14_another_body_under_the_same_id_is_flagged_and_the_first_kept(door: Door) -> None:
    door.send(body_of(event(number="first")), identity="msg_1")
    answer = door.send(body_of(event(number="second")), identity="msg_1")
    assert (answer.status, answer.said["status"]) == (200, "duplicate")
    row = WebhookEvent.objects.get()
    assert row.is_conflicting
    assert b"first" in bytes(row.body or b"")


def test_b16_an_unknown_type_is_stored_and_ignored(door: Door) -> None:
    answer = door.send(body_of(event("kudos")))
    assert (answer.status, answer.said["status"]) == (200, "ignored")
    row = WebhookEvent.objects.get()
    assert (row.status, row.reason, row.event_type) == ("ignored", "unknown_type", "kudos")
    assert row.finished_at is not None
    assert processing.process_due() == 0


@pytest.mark.usefixtures("stream")
def test_b17_an_unknown_owner_is_answered_like_a_known_one(door: Door) -> None:
    known, unknown = door.send(body_of(event())), door.send(body_of(event(account="nobody")))
    assert (known.status, known.said["status"]) == (unknown.status, unknown.said["status"]) == (200, "accepted")


def test_b20_without_a_secret_nothing_is_ever_proven(door: Door, provider: Provider) -> None:
    bare = WebhookEndpoint.objects.create(provider=provider, name="bare")
    body = body_of()
    answer = door.ask("POST", path=f"/webhooks/sender/{bare.token}/", body=body, headers=door.signed(body))
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert nothing_stored()


def test_a_body_for_somebody_elses_application_is_not_taken(door: Door) -> None:
    answer = door.send(body_of(client="another"))
    assert (answer.status, answer.body) == (401, FIXED)
    assert door.send(body_of(client="client")).status == 200
    assert WebhookEvent.objects.count() == 1


def test_a_key_named_twice_is_flagged(door: Door) -> None:
    assert door.send(b'{"events": [], "events": []}').status == 200
    assert WebhookEvent.objects.get().has_duplicate_keys


def test_every_answer_carries_a_trace_id_and_no_cookie(door: Door) -> None:
    for answer in (door.send(), door.send(headers=JSON), door.ask("PUT"), door.ask("POST", path="/webhooks/x/")):
        assert len(answer.headers["x-request-id"]) == 32
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-type"] == "application/json"


def test_a_trace_id_that_came_along_is_kept(door: Door) -> None:
    body, trace_id = body_of(), "ab" * 16
    door.send(body, headers={**door.signed(body), "x-request-id": trace_id})
    assert WebhookEvent.objects.get().trace_id == trace_id


def test_no_signature_is_ever_stored(door: Door) -> None:
    body = body_of()
    headers = door.signed(body)
    door.send(body, headers={**headers, "authorization": "Bearer canary", "user-agent": "Sender/1"})
    kept = WebhookEvent.objects.get().headers
    assert kept["user-agent"] == "Sender/1"
    assert not {"webhook-signature", "authorization"} & set(kept)


@pytest.mark.parametrize("ids", [20, pytest.param(100, marks=pytest.mark.soak)])
def test_b15_parallel_copies_make_one_row_and_one_effect_and_all_are_answered(
    door: Door, stream: SyncStream, ids: int
) -> None:
    copies = 50
    bodies = {f"msg_{number}": body_of(event(number=f"o{number}")) for number in range(ids)}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda each: door.send(each[1], identity=each[0]), list(bodies.items()) * copies))
    assert {answer.status for answer in answers} == {200}
    assert sum(answer.said["status"] == "accepted" for answer in answers) == ids
    assert WebhookEvent.objects.count() == ids
    assert set(WebhookEvent.objects.values_list("redeliveries", flat=True)) == {copies - 1}
    while processing.process_due():
        pass
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"processed"}
    assert WebhookAttempt.objects.count() == ids
