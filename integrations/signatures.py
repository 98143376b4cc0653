"""Webhook signatures: pure functions over the raw bytes, stricter than the vendors' libraries where these are lax.

`verify` answers with nothing or InvalidSignature, whatever it is given. A reason is for logs and metrics; the sender is
told the same for all. Sources: Standard Webhooks 1.0.0; the vendors' pages on signatures, named at each scheme.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MOST_TOKENS = 16
LEAST_KEY, MOST_KEY = 24, 64  # bytes of a Standard Webhooks secret

_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_ID = re.compile(r"[!-~]{1,255}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_UPPER_HEX = re.compile(r"[0-9A-F]{64}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=", re.ASCII)  # of 32 bytes
_KEY = re.compile(r"[A-Za-z0-9+/]{1,88}={0,2}", re.ASCII)


class InvalidSignature(Exception):
    """The request is not proven to come from the provider. `reason` is one of few words and holds nothing secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Options:
    """Where a provider puts its HMAC-SHA256 or its token, for the schemes that leave it open.

    `signed` says what the digest is over: "{timestamp}" and "{body}" are replaced. `prefix` stands before the digest.
    """

    header: str = ""
    timestamp_header: str = ""
    encoding: Literal["hex", "HEX", "base64"] = "hex"
    signed: str = "{body}"
    prefix: str = ""


def verify(
    scheme: str,
    *,
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    now: int,
    tolerance_s: int = 300,
    options: Options = Options(),
) -> None:
    """Raise InvalidSignature unless one of `secrets` signed exactly these bytes, at most `tolerance_s` from `now`.

    Every secret is tried against every signature, without an early end. An empty secret verifies nothing.
    """
    check = _SCHEMES.get(scheme)
    if check is None:
        raise InvalidSignature("unknown_scheme")
    usable = [secret for secret in secrets if isinstance(secret, str) and secret]
    if not usable:
        raise InvalidSignature("no_secret")
    if not isinstance(body, bytes):
        raise InvalidSignature("malformed_body")
    check(_Request(headers, body, now, tolerance_s, options), usable)


@dataclass(frozen=True, slots=True)
class _Request:
    headers: Mapping[str, str]
    body: bytes
    now: int
    tolerance_s: int
    options: Options

    def header(self, name: str) -> str:
        """The one header of that name, whatever its case."""
        found = [value for key, value in self.headers.items() if isinstance(key, str) and key.lower() == name.lower()]
        if not found:
            raise InvalidSignature("missing_header")
        if len(found) > 1 or not isinstance(found[0], str):
            raise InvalidSignature("malformed_header")
        return found[0]

    def fresh(self, timestamp: str) -> bytes:
        """The timestamp as it was signed, when it is one and near."""
        if not _TIMESTAMP.fullmatch(timestamp):
            raise InvalidSignature("malformed_timestamp")
        if abs(int(timestamp) - self.now) > self.tolerance_s:
            raise InvalidSignature("stale")
        return timestamp.encode()


def _standard(request: _Request, secrets: Sequence[str]) -> None:
    """Standard Webhooks, and Svix, which sent them first: `id.timestamp.body` under the decoded `whsec_` secret.

    One family of headers counts; a mixture of both does not verify.
    """
    names = {name.lower() for name in request.headers if isinstance(name, str)}
    family = "svix-" if any(name.startswith("svix-") for name in names) else "webhook-"
    identity = request.header(f"{family}id")
    if not _ID.fullmatch(identity):
        raise InvalidSignature("malformed_id")
    timestamp = request.fresh(request.header(f"{family}timestamp"))
    tokens = request.header(f"{family}signature").split(" ")
    if len(tokens) > MOST_TOKENS:
        raise InvalidSignature("too_many_signatures")
    digests = [digest for token in tokens if token.startswith("v1,") and (digest := _from_base64(token[3:]))]
    keys = [key for secret in secrets if (key := _decoded(secret))]
    if not keys:
        raise InvalidSignature("bad_secret")
    _match(keys, identity.encode() + b"." + timestamp + b"." + request.body, digests)


def _github(request: _Request, secrets: Sequence[str]) -> None:
    """GitHub: `X-Hub-Signature-256: sha256=<hex>` over the body. Its SHA-1 header is not looked at."""
    _match(_as_text(secrets), request.body, [_digest(request.header("X-Hub-Signature-256"), "sha256=", "hex")])


def _stripe(request: _Request, secrets: Sequence[str]) -> None:
    """Stripe: `t=<unix>,v1=<hex>` over `t.body`; the secret is used as text, with its prefix."""
    pairs = [part.partition("=") for part in request.header(request.options.header or "Stripe-Signature").split(",")]
    stamps = [value for key, _, value in pairs if key == "t"]
    values = [value for key, _, value in pairs if key == "v1"]
    is_whole = all(key and sign for key, sign, _ in pairs)
    if not is_whole or len(stamps) != 1 or not 1 <= len(values) <= MOST_TOKENS:
        raise InvalidSignature("malformed_signature")
    timestamp = request.fresh(stamps[0])
    _match(_as_text(secrets), timestamp + b"." + request.body, [_digest(value, "", "hex") for value in values])


def _generic(request: _Request, secrets: Sequence[str]) -> None:
    """HMAC-SHA256 as `options` say: Polar, Suunto, WHOOP, Oura and their like."""
    options = request.options
    digest = _digest(request.header(options.header), options.prefix, options.encoding)
    timestamp = request.fresh(request.header(options.timestamp_header)) if options.timestamp_header else b""
    before, _, after = options.signed.partition("{body}")
    around = [part.encode().replace(b"{timestamp}", timestamp) for part in (before, after)]
    _match(_as_text(secrets), around[0] + request.body + around[1], [digest])


def _static(request: _Request, secrets: Sequence[str]) -> None:
    """No signature: a shared token in a header. Proves less, and is for providers that offer nothing better."""
    given = _bytes(request.header(request.options.header))
    found = [hmac.compare_digest(given, key) for key in _as_text(secrets)]
    if not any(found):
        raise InvalidSignature("mismatch")


_SCHEMES: Mapping[str, Callable[[_Request, Sequence[str]], None]] = {
    "standard-webhooks": _standard,
    "svix": _standard,
    "github": _github,
    "stripe": _stripe,
    "generic-hmac": _generic,
    "static-token": _static,
}
SCHEMES = tuple(_SCHEMES)


def _match(keys: Sequence[bytes], signed: bytes, digests: Sequence[bytes]) -> None:
    expected = [hmac.digest(key, signed, "sha256") for key in keys]
    found = [hmac.compare_digest(one, other) for one in expected for other in digests]
    if not any(found):
        raise InvalidSignature("mismatch" if digests else "malformed_signature")


def _digest(text: str, prefix: str, encoding: str) -> bytes:
    """The 32 bytes of a digest written in exactly one way."""
    value = text[len(prefix) :] if text.startswith(prefix) else ""
    if encoding == "base64":
        digest = _from_base64(value)
    else:
        pattern = _UPPER_HEX if encoding == "HEX" else _HEX
        digest = bytes.fromhex(value) if pattern.fullmatch(value) else b""
    if not digest:
        raise InvalidSignature("malformed_signature")
    return digest


def _from_base64(text: str) -> bytes:
    """32 bytes, or none: the last letter has two spare bits, and only zeros are taken there."""
    if not _BASE64.fullmatch(text):
        return b""
    digest = base64.b64decode(text)
    return digest if base64.b64encode(digest).decode() == text else b""


def _decoded(secret: str) -> bytes | None:
    text = secret.removeprefix("whsec_")
    if not _KEY.fullmatch(text):
        return None
    bare = text.rstrip("=")
    try:
        key = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return None
    return key if LEAST_KEY <= len(key) <= MOST_KEY else None


def _as_text(secrets: Sequence[str]) -> list[bytes]:
    return [_bytes(secret) for secret in secrets]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
