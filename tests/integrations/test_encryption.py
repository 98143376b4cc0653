"""cv1: an independent reader opens what we seal, and nothing else ever opens."""

import base64
import copy
import hmac
import json
import pickle
import subprocess
import sys
from functools import cache
from itertools import permutations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.encryption import (
    MOST_PLAINTEXT_BYTES,
    Context,
    KeyRing,
    KeyRingInvalid,
    Secret,
    VaultError,
    VaultKeyMissing,
    VaultMalformed,
    VaultTampered,
    VaultWrongKey,
    key_id,
    new_key,
    open_sealed,
    seal,
)

OLD = "k1:" + base64.b64encode(bytes(range(32))).decode()
NEW = "k2:" + base64.b64encode(bytes(range(32, 64))).decode()
RING = KeyRing.parse(OLD)
PLACE: Context = ("integrations.credential", "11111111-2222-4333-8444-555555555555", "sealed", "user:42")

# Written by an HMAC-only HKDF and AES-GCM with fixed salt (0xa5) and nonce (0x3c): never by the code under test.
KNOWN = (
    "cv1:k1:"
    "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWOFQCVYeGbPbVRfeWMMldt0Mbi_cNpYcew47LT"
    "oHvwZDw8PDw8PDw8PDw8PNqPe_YQVpjasaT1vl5PQl2YgEsFVaH5S781h-6_JTjkS2oTJE18g3I"
)


def hkdf(key: bytes, *, salt: bytes, info: bytes, length: int, digest: str = "sha512") -> bytes:
    """RFC 5869 by hand."""
    extracted = hmac.new(salt, key, digest).digest()
    output, block, counter = b"", b"", 0
    while len(output) < length:
        counter += 1
        block = hmac.new(extracted, block + info + bytes([counter]), digest).digest()
        output += block
    return output[:length]


def bound_to(kid: str, place: Context) -> bytes:
    associated = b""
    for part in ("cv1", kid, *place):
        associated += len(part.encode()).to_bytes(2, "big") + part.encode()
    return associated


def read_independently(blob: str, key: bytes, place: Context) -> bytes:
    version, kid, text = blob.split(":")
    assert version == "cv1"
    body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    salt, commitment, nonce, ciphertext = body[:32], body[32:64], body[64:76], body[76:]
    derived = hkdf(key, salt=salt, info=b"credential-vault/cv1/" + kid.encode(), length=64)
    assert commitment == derived[32:]
    return AESGCM(derived[:32]).decrypt(nonce, ciphertext, bound_to(kid, place))


def write_independently(plaintext: bytes, *, kid: str, key: bytes, salt: bytes, nonce: bytes, place: Context) -> str:
    derived = hkdf(key, salt=salt, info=b"credential-vault/cv1/" + kid.encode(), length=64)
    ciphertext = AESGCM(derived[:32]).encrypt(nonce, plaintext, bound_to(kid, place))
    return f"cv1:{kid}:" + base64.urlsafe_b64encode(salt + derived[32:] + nonce + ciphertext).rstrip(b"=").decode()


def test_the_independent_reader_derives_as_the_rfc_does() -> None:
    """RFC 5869, appendix A.1 (it has SHA-256 answers only; the digest is all that differs)."""
    derived = hkdf(b"\x0b" * 22, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)), length=42, digest="sha256")
    assert derived.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"


def test_a_known_envelope_opens() -> None:
    assert open_sealed(KNOWN, keyring=RING, context=PLACE).reveal() == b'{"token":"known answer"}'
    again = write_independently(
        b'{"token":"known answer"}',
        kid="k1",
        key=bytes(range(32)),
        salt=b"\xa5" * 32,
        nonce=b"\x3c" * 12,
        place=PLACE,
    )
    assert again == KNOWN


@given(st.binary(max_size=300), st.tuples(*[st.text(st.characters(codec="utf-8"), max_size=40)] * 4))
def test_an_independent_reader_opens_what_we_seal(plaintext: bytes, place: Context) -> None:
    blob = seal(plaintext, keyring=RING, context=place)
    assert read_independently(blob, bytes(range(32)), place) == plaintext
    assert open_sealed(blob, keyring=RING, context=place).reveal() == plaintext
    assert len(base64.urlsafe_b64decode(blob.split(":")[2] + "==")) == len(plaintext) + 92


@cache
def _one_envelope() -> str:
    return seal(b"refresh-token-of-a-person", keyring=RING, context=PLACE)


@given(st.data())
@settings(max_examples=400)
def test_any_bit_flipped_never_opens(data: st.DataObject) -> None:
    blob = _one_envelope().encode()
    position = data.draw(st.integers(0, len(blob) - 1))
    flipped = bytes([blob[position] ^ (1 << data.draw(st.integers(0, 6)))])
    changed = (blob[:position] + flipped + blob[position + 1 :]).decode()
    with pytest.raises(VaultError):
        open_sealed(changed, keyring=RING, context=PLACE)


@given(st.integers(0, 92 * 8 + 25 * 8 - 1))
def test_any_bit_of_the_content_flipped_is_found(bit: int) -> None:
    body = bytearray(base64.urlsafe_b64decode(_one_envelope().split(":")[2] + "=="))
    body[bit // 8] ^= 1 << (bit % 8)
    changed = "cv1:k1:" + base64.urlsafe_b64encode(bytes(body)).rstrip(b"=").decode()
    with pytest.raises((VaultWrongKey, VaultTampered)):
        open_sealed(changed, keyring=RING, context=PLACE)


@given(
    st.lists(st.tuples(*[st.sampled_from(["a", "b", "ab", "bc", "c", ""])] * 4), unique=True, min_size=2, max_size=6)
)
def test_any_two_swapped_never_open(places: list[Context]) -> None:
    """A pasted ciphertext opens nowhere, not even where the parts only run together differently ("ab|c", "a|bc")."""
    blobs = {place: seal(b"secret", keyring=RING, context=place) for place in places}
    for one, other in permutations(places, 2):
        with pytest.raises(VaultTampered):
            open_sealed(blobs[one], keyring=RING, context=other)


def test_the_same_value_never_looks_the_same() -> None:
    assert len({seal(b"x", keyring=RING, context=PLACE) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "blob",
    [
        "",
        "cv1",
        "cv1:k1",
        "cv1:k1:",
        "cv2:k1:" + "A" * 200,
        "cv1:K1:" + "A" * 200,
        "cv1:k1:" + "A" * 121,
        "cv1:k1:" + "A" * 91,
        "cv1:k1:" + "!" * 200,
        "cv1:k1:" + "A" * 200 + "=",
        "cv1:k1:" + "A" * 199 + "\n",
        "cv1:k1:" + "é" * 200,
        "cv1:k1:" + "+/" * 100,
        "cv1:k1:" + "A" * 90_000,
        KNOWN + ":x",
    ],
)
def test_what_is_no_envelope_is_malformed(blob: str) -> None:
    with pytest.raises(VaultMalformed):
        open_sealed(blob, keyring=RING, context=PLACE)


def test_one_content_has_one_text() -> None:
    """base64 ignores the spare bits of its last letter; we do not."""
    blob = seal(b"xx", keyring=RING, context=PLACE)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = blob[:-1] + alphabet[alphabet.index(blob[-1]) ^ 1]
    pad = "=" * (-len(blob.split(":")[2]) % 4)
    assert base64.urlsafe_b64decode(twin.split(":")[2] + pad) == base64.urlsafe_b64decode(blob.split(":")[2] + pad)
    with pytest.raises(VaultMalformed):
        open_sealed(twin, keyring=RING, context=PLACE)


def test_a_missing_key_a_wrong_key_and_a_rewritten_id_are_told_apart() -> None:
    blob = seal(b"x", keyring=KeyRing.parse(f"{NEW},{OLD}"), context=PLACE)
    assert key_id(blob) == "k2"
    with pytest.raises(VaultKeyMissing) as missing:
        open_sealed(blob, keyring=RING, context=PLACE)
    assert missing.value.kid == "k2"
    with pytest.raises(VaultWrongKey):
        open_sealed(blob, keyring=KeyRing.parse(new_key("k2")), context=PLACE)
    with pytest.raises(VaultWrongKey):
        open_sealed(blob.replace("cv1:k2:", "cv1:k1:"), keyring=RING, context=PLACE)


def test_every_key_of_the_ring_opens_and_the_first_one_seals() -> None:
    before = seal(b"x", keyring=RING, context=PLACE)
    both = KeyRing.parse(f" {NEW} , {OLD} ,\n")
    assert open_sealed(before, keyring=both, context=PLACE).reveal() == b"x"
    assert key_id(seal(b"x", keyring=both, context=PLACE)) == both.primary == "k2"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E001"),
        (" , \n", "E001"),
        ("k1:not base64", "E002"),
        ("k1:" + base64.b64encode(b"short").decode(), "E002"),
        ("k1", "E002"),
        (f"{OLD},{OLD}", "E003"),
        (OLD.replace("k1", "K1"), "E004"),
        (OLD.replace("k1", "-k"), "E004"),
        (OLD.replace("k1", "k" * 17), "E004"),
        (OLD.removeprefix("k1:"), "E004"),
    ],
)
def test_a_broken_ring_says_what_is_wrong_and_shows_no_key(text: str, code: str) -> None:
    with pytest.raises(KeyRingInvalid) as refused:
        KeyRing.parse(text)
    assert refused.value.code == code
    assert base64.b64encode(bytes(range(32))).decode()[:8] not in str(refused.value)


def test_weak_keys_are_named() -> None:
    typed = "a-secret-key-of-32-letters-or-so"
    ring = KeyRing.parse(
        f"zero:{base64.b64encode(bytes(32)).decode()},same:{base64.b64encode(b'k' * 32).decode()},"
        f"typed:{base64.b64encode(typed.encode()).decode()},{OLD}"
    )
    assert ring.weak_keys(secret_key=typed) == ["zero", "same", "typed"]
    assert ring.weak_keys(secret_key=typed + "-and-more") == ["zero", "same", "typed"]


def test_too_much_is_refused() -> None:
    most = b"x" * MOST_PLAINTEXT_BYTES
    assert open_sealed(seal(most, keyring=RING, context=PLACE), keyring=RING, context=PLACE).reveal() == most
    with pytest.raises(ValueError, match="at most"):
        seal(most + b"x", keyring=RING, context=PLACE)


@pytest.mark.parametrize("value", ["hunter2-hunter2", b"hunter2-hunter2"])
def test_a_secret_shows_itself_nowhere(value: str) -> None:
    secret = Secret(value)
    assert secret.reveal() == value
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        repr([secret]),
        repr({"a": secret}),
    ]
    assert not [text for text in shown if "hunter" in text]
    assert not hasattr(secret, "__dict__")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, hash):
        with pytest.raises(TypeError):
            leak(secret)
    assert secret == Secret(value)
    assert secret != Secret("hunter2-hunter3")
    assert secret != value


def test_neither_rings_nor_errors_show_key_or_content() -> None:
    assert "Secret" not in repr(RING)
    assert str(list(range(32))) not in repr(RING)
    with pytest.raises(VaultTampered) as refused:
        open_sealed(_one_envelope(), keyring=RING, context=("m", "r", "f", "user:7"))
    assert str(refused.value) == "m r was changed or moved since it was sealed (key k1)"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_it_needs_no_settings() -> None:
    code = "import integrations.encryption, sys; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
