"""Who came from Google: the id token, checked whole. https://developers.google.com/identity/openid-connect/openid-connect

allauth skips the signature of a token that it fetched by itself; here every token is verified, whatever way it came.
"""

import hmac
from collections.abc import Mapping
from typing import Any

import jwt
from allauth.socialaccount.providers.oauth2.client import OAuth2Error

ALGORITHM = "RS256"  # what Google signs with; the token's own header has no say
CLAIMS = ["iss", "aud", "sub", "exp", "iat", "nonce"]
LEEWAY_S = 30
LONGEST_TOKEN = 10_000


def verify(token: object, *, keys: object, audience: str, issuer: str, nonce: str) -> dict[str, Any]:
    """The claims of a token that Google made for us, for this very login. Raises OAuth2Error."""
    if not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN:
        raise OAuth2Error("there is no id token")
    try:
        key = _key(keys, str(jwt.get_unverified_header(token).get("kid", "")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY_S,
            options={"require": CLAIMS},
        )
    except jwt.PyJWTError as exc:
        raise OAuth2Error(f"the id token was refused: {type(exc).__name__}") from None
    if claims["aud"] not in (audience, [audience]):
        raise OAuth2Error("the id token is for others, too")
    if not nonce or not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise OAuth2Error("the id token is of another login")
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise OAuth2Error("the id token names nobody")
    return claims


def _key(keys: object, kid: str) -> jwt.PyJWK:
    """The one key of the set that bears this id and signs as Google does."""
    listed = keys.get("keys") if isinstance(keys, Mapping) else None
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("kid") == kid and entry.get("kty") == "RSA":
            return jwt.PyJWK(entry, algorithm=ALGORITHM)
    raise jwt.InvalidKeyError("Google has no key of this id")
