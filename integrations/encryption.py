"""The cv1 envelope: what a secret looks like at rest. Pure, no settings: bytes in, text out.

`cv1:<key id>:<base64url of salt 32 | commitment 32 | nonce 12 | ciphertext | tag 16>`. Every envelope has a key of its
own (HKDF-SHA512 over a fresh salt), a commitment to it, and is bound to its place: it opens nowhere else.
"""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

type Context = tuple[str, str, str, str]  # model label, row uuid, field, owner ("user:42", "provider:garmin")

VERSION = "cv1"
KEY_BYTES = 32
SALT_BYTES = 32
COMMITMENT_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
COMMITMENT_AT = SALT_BYTES
NONCE_AT = COMMITMENT_AT + COMMITMENT_BYTES
CIPHERTEXT_AT = NONCE_AT + NONCE_BYTES
OVERHEAD_BYTES = SALT_BYTES + COMMITMENT_BYTES + NONCE_BYTES + TAG_BYTES
MOST_PLAINTEXT_BYTES = 64 * 1024
TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # what is not of the URL-safe alphabet becomes what is of none
KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")


class VaultError(Exception):
    """An envelope that did not open. The message names the key id, the model and the row, nothing else."""

    kind: ClassVar[str] = "error"
    words: ClassVar[str] = "could not be opened"

    def __init__(self, kid: str = "", *, context: Context | None = None) -> None:
        self.kid = kid
        where = f"{context[0]} {context[1]} " if context else "the envelope "
        super().__init__(f"{where}{self.words}" + (f" (key {kid})" if kid else ""))


class VaultMalformed(VaultError, ValueError):
    kind = "malformed"
    words = "is not a cv1 envelope"


class VaultKeyMissing(VaultError):
    """The ring lacks the key; putting it back is all it takes."""

    kind = "key_missing"
    words = "was sealed with a key that is not in the ring"


class VaultWrongKey(VaultError):
    """The ring has other bytes under this id, or the id in the envelope was rewritten."""

    kind = "wrong_key"
    words = "was sealed with another key of the same id"


class VaultTampered(VaultError):
    """Right key, but content or place are not what was sealed."""

    kind = "tampered"
    words = "was changed or moved since it was sealed"


class KeyRingInvalid(ValueError):
    """`code` is the system check's number; the message never holds key material."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class Secret[T: (str, bytes)]:
    """A value that shows itself nowhere: `reveal()` is the only door."""

    __slots__ = ("__value",)
    __hash__ = None  # type: ignore[assignment]  # a hash would tell equality, and not in constant time

    def __init__(self, value: T) -> None:
        self.__value: T = value

    def reveal(self) -> T:
        return self.__value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_to_bytes(self.__value), _to_bytes(other.reveal()))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled or copied")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The master keys by id, the primary one first: it seals, all of them open."""

    keys: Mapping[str, Secret[bytes]] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "k2:<base64 of 32 bytes>,k1:<…>". Raises KeyRingInvalid."""
        keys: dict[str, Secret[bytes]] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            kid, _, encoded = entry.partition(":")
            if not KEY_ID.fullmatch(kid):
                raise KeyRingInvalid("E004", "a key id must be 1 to 16 of a-z, 0-9 and -, not starting with -")
            if kid in keys:
                raise KeyRingInvalid("E003", f"the key id {kid} stands there twice")
            keys[kid] = Secret(_read_key(kid, encoded))
        if not keys:
            raise KeyRingInvalid("E001", "there is no key")
        return cls(keys)

    @property
    def primary(self) -> str:
        return next(iter(self.keys))

    def key(self, kid: str) -> bytes:
        """Raises VaultKeyMissing."""
        try:
            return self.keys[kid].reveal()
        except KeyError:
            raise VaultKeyMissing(kid) from None

    def check_value(self, kid: str) -> str:
        """Tells whether two rings hold the same bytes under `kid`, without telling the bytes."""
        return hmac.digest(self.key(kid), b"cv1-check", "sha256")[:16].hex()

    def weak_keys(self, *, secret_key: str = "") -> list[str]:
        """Ids of keys that nobody drew at random: one byte repeated, or the bytes of `secret_key`."""
        taken = {secret_key.encode(), secret_key.encode()[:KEY_BYTES]}
        return [kid for kid in self.keys if len(set(self.key(kid))) == 1 or self.key(kid) in taken]


def new_key(kid: str) -> str:
    """A fresh entry for the ring's text."""
    return f"{kid}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def seal(plaintext: bytes, *, keyring: KeyRing, context: Context) -> str:
    """The envelope of `plaintext` under the primary key, to be opened with the same `context` only."""
    if len(plaintext) > MOST_PLAINTEXT_BYTES:
        raise ValueError(f"a sealed value has at most {MOST_PLAINTEXT_BYTES} bytes")
    kid = keyring.primary
    drawn = os.urandom(SALT_BYTES + NONCE_BYTES)
    salt, nonce = drawn[:SALT_BYTES], drawn[SALT_BYTES:]
    data_key, commitment = _derive(keyring.key(kid), salt, kid)
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, _associated(kid, context))
    return f"{VERSION}:{kid}:{_encode(salt + commitment + nonce + ciphertext)}"


def open_sealed(blob: str, *, keyring: KeyRing, context: Context) -> Secret[bytes]:
    """What was sealed. Raises VaultMalformed, VaultKeyMissing, VaultWrongKey or VaultTampered."""
    kid, body = _split(blob, context)
    salt, commitment = body[:COMMITMENT_AT], body[COMMITMENT_AT:NONCE_AT]
    nonce, ciphertext = body[NONCE_AT:CIPHERTEXT_AT], body[CIPHERTEXT_AT:]
    if kid not in keyring.keys:
        raise VaultKeyMissing(kid, context=context)
    data_key, expected = _derive(keyring.key(kid), salt, kid)
    if not hmac.compare_digest(commitment, expected):
        raise VaultWrongKey(kid, context=context)
    try:
        return Secret(AESGCM(data_key).decrypt(nonce, ciphertext, _associated(kid, context)))
    except InvalidTag:
        raise VaultTampered(kid, context=context) from None


def key_id(blob: str) -> str:
    """The id of the key that sealed `blob`. Raises VaultMalformed."""
    return _split(blob, None)[0]


def _split(blob: str, context: Context | None) -> tuple[str, bytes]:
    version, _, rest = blob.partition(":")
    kid, _, encoded = rest.partition(":")
    if version != VERSION or not KEY_ID.fullmatch(kid):
        raise VaultMalformed(context=context)
    try:
        text = encoded.encode("ascii").translate(TO_STANDARD)
        body = binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:  # the text is no ASCII or no base64
        raise VaultMalformed(kid, context=context) from None
    fits = OVERHEAD_BYTES <= len(body) <= OVERHEAD_BYTES + MOST_PLAINTEXT_BYTES
    if not fits or not _is_the_one_text(encoded, body):
        raise VaultMalformed(kid, context=context)
    return kid, body


def _is_the_one_text(encoded: str, body: bytes) -> bool:
    """One text for one content: base64 lets the spare bits of its last letters be anything."""
    spare = len(body) % 3
    return not spare or encoded.endswith(_encode(body[-spare:]))


def _derive(key: bytes, salt: bytes, kid: str) -> tuple[bytes, bytes]:
    """(data key, commitment) of one envelope."""
    info = f"credential-vault/{VERSION}/{kid}".encode()
    derived = HKDF(algorithm=SHA512(), length=KEY_BYTES + COMMITMENT_BYTES, salt=salt, info=info).derive(key)
    return derived[:KEY_BYTES], derived[KEY_BYTES:]


def _associated(kid: str, context: Context) -> bytes:
    """Each part with its length in front, so that ("ab", "c") and ("a", "bc") differ."""
    associated = b""
    for word in (VERSION, kid, *context):
        part = word.encode()
        associated += len(part).to_bytes(2, "big") + part
    return associated


def _encode(body: bytes) -> str:
    return binascii.b2a_base64(body, newline=False).rstrip(b"=").translate(TO_URL_SAFE).decode()


def _read_key(kid: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise KeyRingInvalid("E002", f"the key {kid} is not base64") from None
    if len(key) != KEY_BYTES:
        raise KeyRingInvalid("E002", f"the key {kid} has {len(key)} bytes, it must have {KEY_BYTES}")
    return key


def _to_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
