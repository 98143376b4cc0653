"""What the vendors' libraries sign is accepted; nothing else is, and nothing but InvalidSignature is ever raised."""

import base64
import hashlib
import hmac
import random
import string
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
import standardwebhooks
import stripe
import svix
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import signatures
from integrations.signatures import InvalidSignature, Options, verify

NOW = 1_763_700_000
BODY = b'{"event": "updated", "id": 7, "name": "Z\xc3\xbcrich"}'
KEY = b"0123456789abcdef0123456789abcdef"
WHSEC = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(KEY[::-1]).decode()
TEXT = "It's a Secret to Everybody"


class Signed(NamedTuple):
    scheme: str
    secret: str
    headers: dict[str, str]
    options: Options = Options()
    body: bytes = BODY


def standard(secret: str = WHSEC, identity: str = "msg_1", at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    signature = standardwebhooks.Webhook(secret).sign(identity, datetime.fromtimestamp(at, UTC), body.decode())
    return {"webhook-id": identity, "webhook-timestamp": str(at), "webhook-signature": signature}


def by_svix() -> Signed:
    signature = svix.Webhook(WHSEC).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    return Signed("svix", WHSEC, {"svix-id": "msg_1", "svix-timestamp": str(NOW), "svix-signature": signature})


def by_stripe() -> Signed:
    digest = stripe.WebhookSignature._compute_signature(f"{NOW}.{BODY.decode()}", TEXT)
    return Signed("stripe", TEXT, {"Stripe-Signature": f"t={NOW},v1={digest},v0={'0' * 64}"})


def by_github() -> Signed:
    return Signed("github", TEXT, {"X-Hub-Signature-256": "sha256=" + mac(BODY).hex()})


def mac(signed: bytes, key: str = TEXT) -> bytes:
    return hmac.new(key.encode(), signed, hashlib.sha256).digest()


def by_polar() -> Signed:
    return Signed(
        "generic-hmac", TEXT, {"Polar-Webhook-Signature": mac(BODY).hex()}, Options("Polar-Webhook-Signature")
    )


def by_whoop() -> Signed:
    options = Options("X-WHOOP-Signature", "X-WHOOP-Signature-Timestamp", "base64", "{timestamp}{body}")
    digest = base64.b64encode(mac(str(NOW).encode() + BODY)).decode()
    return Signed("generic-hmac", TEXT, {"X-WHOOP-Signature": digest, "X-WHOOP-Signature-Timestamp": str(NOW)}, options)


def by_oura() -> Signed:
    options = Options("x-oura-signature", "x-oura-timestamp", "HEX", "{timestamp}{body}")
    digest = mac(str(NOW).encode() + BODY).hex().upper()
    return Signed("generic-hmac", TEXT, {"x-oura-signature": digest, "x-oura-timestamp": str(NOW)}, options)


def by_token() -> Signed:
    return Signed("static-token", "t0ken-of-the-provider", {"X-Token": "t0ken-of-the-provider"}, Options("X-Token"))


def by_standard() -> Signed:
    return Signed("standard-webhooks", WHSEC, standard())


VENDORS = [by_standard, by_svix, by_stripe, by_github, by_polar, by_whoop, by_oura, by_token]
every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.__name__)


def check(signed: Signed, **change: Any) -> None:
    given = {
        "secrets": [signed.secret],
        "headers": signed.headers,
        "body": signed.body,
        "now": NOW,
        "options": signed.options,
    }
    verify(signed.scheme, **{**given, **change})


def refused(signed: Signed, **change: Any) -> str:
    with pytest.raises(InvalidSignature) as caught:
        check(signed, **change)
    return caught.value.reason


@every_vendor
def test_what_the_vendor_signs_is_accepted_under_either_live_secret(vendor: Callable[[], Signed]) -> None:
    signed = vendor()
    check(signed)
    other = OTHER if signed.secret.startswith("whsec_") else "another"
    check(signed, secrets=[other, signed.secret])
    check(signed, secrets=[signed.secret, other])
    check(signed, headers={name.upper(): value for name, value in signed.headers.items()})


@every_vendor
def test_another_secret_or_body_is_refused(vendor: Callable[[], Signed]) -> None:
    signed = vendor()
    other = OTHER if signed.secret.startswith("whsec_") else "another"
    assert refused(signed, secrets=[other]) == "mismatch"
    if signed.scheme != "static-token":
        assert refused(signed, body=BODY + b" ") == "mismatch"
        assert refused(signed, body=b"") == "mismatch"


@every_vendor
@pytest.mark.parametrize("secrets", [[], [""], ["", ""], [None]])
def test_no_secret_verifies_nothing(vendor: Callable[[], Signed], secrets: list[Any]) -> None:
    assert refused(vendor(), secrets=secrets) == "no_secret"


@every_vendor
def test_a_missing_header_is_refused(vendor: Callable[[], Signed]) -> None:
    assert refused(vendor(), headers={}) == "missing_header"


@pytest.mark.parametrize("vendor", [by_standard, by_svix, by_stripe, by_whoop, by_oura], ids=lambda v: v.__name__)
@pytest.mark.parametrize(("shift", "is_accepted"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_it_is_as_old_or_as_early_as_five_minutes(
    vendor: Callable[[], Signed], shift: int, *, is_accepted: bool
) -> None:
    if is_accepted:
        check(vendor(), now=NOW + shift)
    else:
        assert refused(vendor(), now=NOW + shift) == "stale"


@pytest.mark.parametrize(
    "stamp", ["", "0", "01763700000", "+1763700000", "1763700000.0", " 1763700000", "١", "1" * 13, "-5"]
)
def test_a_timestamp_is_plain_digits(stamp: str) -> None:
    for name in ("webhook-timestamp",):
        assert refused(by_standard(), headers=standard() | {name: stamp}) == "malformed_timestamp"


@pytest.mark.parametrize("identity", ["", "a b", "x" * 256, "ü", "a\n"])
def test_an_id_is_visible_ascii(identity: str) -> None:
    assert refused(by_standard(), headers=standard() | {"webhook-id": identity}) == "malformed_id"


def test_families_of_headers_do_not_mix() -> None:
    mixed = standard() | {"svix-id": "msg_1"}
    assert refused(by_standard(), headers=mixed) == "missing_header"


def test_one_of_several_signatures_is_enough_and_strange_ones_are_skipped() -> None:
    good = standard()["webhook-signature"]
    for tokens in (f"v1,{'A' * 44} {good}", f"v1a,xyz v2,abc {good}", f"nonsense {good} v1,", f" {good} "):
        check(by_standard(), headers=standard() | {"webhook-signature": tokens})
    many = " ".join([good] * 17)
    assert refused(by_standard(), headers=standard() | {"webhook-signature": many}) == "too_many_signatures"


def test_a_signature_is_written_in_one_way_only() -> None:
    good = standard()["webhook-signature"]
    last = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    twin = last[last.index(good[-2]) ^ 1]
    assert base64.b64decode(good[3:-2] + twin + "=") == base64.b64decode(good[3:])
    for changed in (good[:-2] + twin + "=", good[:-1], good + "=", good.replace("v1,", "V1,"), good.replace(",", ", ")):
        headers = standard() | {"webhook-signature": changed}
        assert refused(by_standard(), headers=headers) in {"malformed_signature", "mismatch"}
    hexed = by_github().headers["X-Hub-Signature-256"]
    for changed in (hexed.upper(), hexed[7:], hexed + " ", "sha1=" + hexed[7:], hexed.replace("sha256", "SHA256")):
        assert refused(by_github(), headers={"X-Hub-Signature-256": changed}) == "malformed_signature"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ", "),
        lambda text: text + f",t={NOW}",
        lambda text: text.replace("v1=", "v2="),
        lambda text: text.replace("v1=", "v1 ="),
        lambda text: text + ",",
        lambda text: text + ",nonsense",
        lambda text: text + ",=nonsense",
        lambda text: ",".join([text.split(",")[0], *[text.split(",")[1]] * 17]),
    ],
)
def test_a_stripe_header_is_one_time_and_few_signatures(change: Callable[[str], str]) -> None:
    header = change(by_stripe().headers["Stripe-Signature"])
    assert refused(by_stripe(), headers={"Stripe-Signature": header}) == "malformed_signature"


def test_what_is_signed_may_go_on_behind_the_body() -> None:
    options = Options("X-Signature", "X-Time", signed="v0:{timestamp}:{body}:{timestamp}")
    digest = mac(b"v0:%d:" % NOW + BODY + b":%d" % NOW).hex()
    signed = Signed("generic-hmac", TEXT, {"X-Signature": digest, "X-Time": str(NOW)}, options)
    check(signed)
    without = mac(b"v0:%d:" % NOW + BODY).hex()
    assert refused(signed, headers={"X-Signature": without, "X-Time": str(NOW)}) == "mismatch"


@every_vendor
def test_a_body_that_was_read_as_text_is_refused(vendor: Callable[[], Signed]) -> None:
    assert refused(vendor(), body=BODY.decode()) == "malformed_body"


@pytest.mark.parametrize("size", [23, 65])
def test_a_standard_secret_has_24_to_64_bytes(size: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(size)).decode()
    assert refused(by_standard(), secrets=[secret]) == "bad_secret"


@pytest.mark.parametrize("size", [24, 64])
def test_padding_of_a_secret_is_optional(size: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(range(size))).decode()
    check(Signed("standard-webhooks", secret, standard(secret)), secrets=[secret.rstrip("=")])


def test_a_doubled_header_is_refused() -> None:
    signed = by_github()
    value = signed.headers["X-Hub-Signature-256"]
    doubled = {"X-Hub-Signature-256": value, "x-hub-signature-256": value}
    assert refused(signed, headers=doubled) == "malformed_header"


def test_an_unknown_scheme_is_refused() -> None:
    assert refused(by_github()._replace(scheme="md5")) == "unknown_scheme"


@settings(max_examples=300, deadline=None)
@given(
    scheme=st.sampled_from(signatures.SCHEMES) | st.text(),
    secrets=st.lists(st.text() | st.none() | st.just(WHSEC), max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "X-Hub-Signature-256", "X", ""])
        | st.text(),
        st.text() | st.none() | st.just(str(NOW)),
        max_size=5,
    ),
    body=st.binary() | st.none() | st.text(),
)
def test_whatever_comes_nothing_but_invalid_signature_is_raised(
    scheme: str, secrets: list[Any], headers: Mapping[str, Any], body: Any
) -> None:
    with pytest.raises(InvalidSignature):
        verify(scheme, secrets=secrets, headers=headers, body=body, now=NOW, options=Options("X", "", "hex"))


def mutated(signed: Signed, chance: random.Random) -> Signed:
    """One small change to body or headers that makes it another request."""
    if chance.random() < 0.5 and signed.scheme != "static-token":
        body = bytearray(signed.body)
        place = chance.randrange(len(body))
        how = chance.randrange(3)
        if how == 0:
            body[place] ^= 1 << chance.randrange(8)
        elif how == 1:
            body.insert(place, chance.randrange(256))
        else:
            del body[place]
        return signed._replace(body=bytes(body))
    name = chance.choice(list(signed.headers))
    value = signed.headers[name]
    place = chance.randrange(len(value))
    if name.lower().endswith("stripe-signature"):  # its v0 part is ignored by design
        place = chance.randrange(value.index(",v0"))
    letter = chance.choice(string.printable)
    changed = value[:place] + letter + value[place + chance.randrange(2) :]
    return signed._replace(headers=signed.headers | {name: changed})


@pytest.mark.parametrize("times", [pytest.param(4_000), pytest.param(100_000, marks=pytest.mark.soak)])
def test_no_mutation_is_accepted(times: int) -> None:
    chance = random.Random(20261121)
    originals = [vendor() for vendor in VENDORS]
    tried = 0
    while tried < times:
        original = chance.choice(originals)
        forged = mutated(original, chance)
        if forged == original or _means_the_same(original, forged):
            continue
        tried += 1
        with pytest.raises(InvalidSignature):
            check(forged)


def _means_the_same(one: Signed, other: Signed) -> bool:
    """A list of signatures may hold spaces and strangers around the one that counts."""
    names = [
        name for name in one.headers if name.endswith("-signature") and one.scheme in {"svix", "standard-webhooks"}
    ]
    return one.body == other.body and any(
        one.headers[name] in other.headers[name].split(" ") and one.headers != other.headers for name in names
    )
