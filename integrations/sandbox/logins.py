"""Stand-ins for Google and GitHub as places to log in: their real protocols, made-up people, and lies on request.

They share the sandbox's port and have no accounts to steer, so the control page does not list them.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from functools import cached_property
from html import escape
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integrations.sandbox.kit import OwnFault, Route, Sandbox, route
from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.store import Store

CLIENT_ID, CLIENT_SECRET = "sandbox-login", "sandbox-login-secret"
LOOPBACK = {"127.0.0.1", "localhost", "testserver"}
ISSUER = "https://accounts.google.com"  # as the real one, which signs with another key
CODE_S, TOKEN_S = 60, 3600
KEY_ID, KEY_BITS = "sandbox-1", 2048
PEOPLE = (
    {"sub": "1001", "login": "nora", "name": "Nora Newcomer", "email": "nora@demo.example", "verified": True},
    {"sub": "1005", "login": "nils", "name": "Nils Newcomer", "email": "nils@demo.example", "verified": True},
    {"sub": "1002", "login": "ada", "name": "Ada Athlete", "email": "ada@demo.example", "verified": True},
    {"sub": "1003", "login": "carla", "name": "Carla Coach", "email": "coach@demo.example", "verified": True},
    {"sub": "1004", "login": "mallory", "name": "Mallory Mimic", "email": "coach@demo.example", "verified": False},
)


class LoginSandbox(Sandbox):
    """Authorization codes with PKCE (RFC 6749 and 7636), each good for one exchange."""

    keeps_workouts = False
    client = (CLIENT_ID, CLIENT_SECRET)

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.people: dict[str, dict[str, Any]] = {str(person["sub"]): dict(person) for person in PEOPLE}
        self.codes: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}  # access token → sub

    def account_of(self, _: Request) -> str:
        return ""

    def accounts(self) -> list[dict[str, Any]]:
        return []

    def change(self, key: str, *_: str) -> None:
        raise KeyError(key)

    def refuse(self, *_: Route | Request) -> Answer | None:
        return None

    def consent(self, request: Request) -> Answer:
        """Who are you? Links, as a browser holds a form's redirects against the page's policy."""
        asked = request.query
        where = asked.get("redirect_uri", "")
        known = asked.get("client_id") == CLIENT_ID and urlsplit(where).hostname in LOOPBACK
        if not known or asked.get("response_type") != "code":
            return Answer(400, text="<!doctype html><title>Error</title><h1>Error 400: invalid_request</h1>")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return _back(where, {"error": "invalid_request", "state": asked.get("state", "")})
        if asked.get("as") == "nobody":
            return _back(where, {"error": "access_denied", "state": asked.get("state", "")})
        if person := self.people.get(asked.get("as", "")):
            return _back(where, {"code": self.code_for(person, asked), "state": asked.get("state", "")})
        return self._page(asked)

    def code_for(self, person: Mapping[str, Any], asked: Mapping[str, str]) -> str:
        code = secrets.token_urlsafe(24)
        kept = {name: asked.get(name, "") for name in ("redirect_uri", "code_challenge", "nonce")}
        self.codes[code] = {**kept, "sub": person["sub"], "until": time.time() + CODE_S}
        return code

    def redeem(self, form: Mapping[str, str]) -> dict[str, Any] | None:
        """What was asked with the code; None for a wrong client, code, address or verifier."""
        asked = self.codes.pop(form.get("code", ""), None)
        client = (form.get("client_id"), form.get("client_secret"))
        if asked is None or client != self.client or asked["until"] < time.time():
            return None
        fits = asked["redirect_uri"] == form.get("redirect_uri")
        return asked if fits and asked["code_challenge"] == _challenge(form.get("code_verifier", "")) else None

    def token_for(self, sub: str) -> str:
        token = secrets.token_urlsafe(24)
        self.tokens[token] = sub
        return token

    def bearer(self, request: Request) -> dict[str, Any] | None:
        token = request.headers.get("authorization", "").partition(" ")[2]
        return self.people.get(self.tokens.get(token, ""))

    def _page(self, asked: Mapping[str, str]) -> Answer:
        rows = "".join(
            f'<li><a href="?{escape(urlencode({**asked, "as": person["sub"]}))}">{escape(person["name"])}</a> '
            f"{escape(person['email'])}{'' if person['verified'] else ', not verified'}</li>"
            for person in self.people.values()
        )
        no = escape(urlencode({**asked, "as": "nobody"}))
        body = (
            f"<h1>{escape(self.label)}, in the sandbox</h1><p class='lead'>Who are you? Nobody here is real.</p>"
            f"<ul>{rows}</ul><p><a href='?{no}'>Cancel</a></p>"
        )
        text = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.label)} · Sandbox</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
            f'<link rel="stylesheet" href="/sandbox.css"></head><body><main>{body}</main></body></html>'
        )
        return Answer(text=text, headers={"Cache-Control": "no-store"})


class GoogleSandbox(LoginSandbox):
    slug = "google"
    label = "Google"
    own_faults: ClassVar[Mapping[str, OwnFault]] = {
        name: OwnFault(words, ("/token",))
        for name, words in {
            "wrong-nonce": "The id token is of another login",
            "no-nonce": "The id token has no nonce",
            "wrong-audience": "The id token is for another application",
            "two-audiences": "The id token is for us and another application",
            "wrong-issuer": "Somebody else issued the id token",
            "expired": "The id token is of yesterday",
            "no-subject": "The id token names nobody",
            "alg-none": "The id token is not signed",
            "alg-hs256": "The id token is signed with the public key as a password",
            "foreign-key": "The id token is signed with another key under the same id",
            "unknown-kid": "The id token names a key that nobody has",
            "no-id-token": "There is no id token",
            "odd-expiry": "expires_in is a text",
        }.items()
    }

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)

    @route("GET", "/authorize")
    def authorize(self, request: Request) -> Answer:
        return self.consent(request)

    @route("POST", "/token")
    def token(self, request: Request) -> Answer:
        asked = self.redeem(request.form())
        if asked is None:
            return Answer(400, {"error": "invalid_grant", "error_description": "Bad Request"})
        fault = request.fault.name
        answer: dict[str, Any] = {
            "access_token": self.token_for(asked["sub"]),
            "token_type": "Bearer",
            "expires_in": "soon" if fault == "odd-expiry" else TOKEN_S,
        }
        if fault != "no-id-token":
            answer["id_token"] = self._id_token(self._claims(asked, fault), fault)
        return Answer(data=answer)

    @route("GET", "/certs")
    def certs(self, _: Request) -> Answer:
        numbers = self.key.public_key().public_numbers()
        entry = {"kty": "RSA", "kid": KEY_ID, "use": "sig", "alg": "RS256"}
        return Answer(data={"keys": [{**entry, "n": _number(numbers.n), "e": _number(numbers.e)}]})

    @route("GET", "/userinfo")
    def userinfo(self, request: Request) -> Answer:
        person = self.bearer(request)
        return Answer(data=_profile(person)) if person else Answer(401, {"error": "invalid_token"})

    def _claims(self, asked: Mapping[str, Any], fault: str) -> dict[str, Any]:
        now = int(time.time()) - (86_400 if fault == "expired" else 0)
        audiences: dict[str, Any] = {"wrong-audience": "somebody-else", "two-audiences": [CLIENT_ID, "somebody-else"]}
        claims = {
            **_profile(self.people[asked["sub"]]),
            "iss": "https://accounts.example.net" if fault == "wrong-issuer" else ISSUER,
            "aud": audiences.get(fault, CLIENT_ID),
            "iat": now,
            "exp": now + TOKEN_S,
            "nonce": "of-another-login" if fault == "wrong-nonce" else asked["nonce"],
        }
        gone = {"no-nonce": "nonce", "no-subject": "sub"}.get(fault)
        return {name: value for name, value in claims.items() if name != gone}

    def _id_token(self, claims: dict[str, Any], fault: str) -> str:
        headers = {"kid": "nobodys" if fault == "unknown-kid" else KEY_ID}
        if fault == "alg-none":
            return jwt.encode(claims, "", algorithm="none", headers=headers)
        if fault == "alg-hs256":
            return _signed_with_public_key(claims, headers, self.key)
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS) if fault == "foreign-key" else self.key
        return jwt.encode(claims, key, algorithm="RS256", headers=headers)


class GitHubSandbox(LoginSandbox):
    slug = "github"
    label = "GitHub"
    own_faults: ClassVar[Mapping[str, OwnFault]] = {
        "odd-emails": OwnFault("The list of addresses is no list", ("/api/v3/user/emails",)),
        "no-emails": OwnFault("The list of addresses is not found", ("/api/v3/user/emails",)),
        "odd-user": OwnFault("The profile's number is a text", ("/api/v3/user",)),
    }

    @route("GET", "/login/oauth/authorize")
    def authorize(self, request: Request) -> Answer:
        return self.consent(request)

    @route("POST", "/login/oauth/access_token")
    def token(self, request: Request) -> Answer:
        """GitHub answers 200 to a bad code, too."""
        asked = self.redeem(request.form())
        if asked is None:
            return Answer(data={"error": "bad_verification_code"})
        return Answer(
            data={"access_token": self.token_for(asked["sub"]), "token_type": "bearer", "scope": "user:email"}
        )

    @route("GET", "/api/v3/user")
    def user(self, request: Request) -> Answer:
        person = self.bearer(request)
        if person is None:
            return Answer(401, {"message": "Bad credentials"})
        number = person["sub"] if request.suffers("odd-user") else int(person["sub"])
        return Answer(data={"id": number, "login": person["login"], "name": person["name"], "email": person["email"]})

    @route("GET", "/api/v3/user/emails")
    def emails(self, request: Request) -> Answer:
        person = self.bearer(request)
        if person is None:
            return Answer(401, {"message": "Bad credentials"})
        if request.suffers("no-emails"):
            return Answer(404, {"message": "Not Found"})
        row = {"email": person["email"], "primary": True, "verified": person["verified"], "visibility": "private"}
        return Answer(data={"message": "odd"} if request.suffers("odd-emails") else [row])


def _profile(person: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sub": person["sub"], "name": person["name"], "email": person["email"], "email_verified": person["verified"],
    }  # fmt: skip


def _back(where: str, values: Mapping[str, str]) -> Answer:
    return Answer(302, headers={"Location": f"{where}?{urlencode(values)}"})


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8)).rstrip(b"=").decode()


def _signed_with_public_key(claims: Mapping[str, Any], headers: dict[str, str], key: rsa.RSAPrivateKey) -> str:
    """What careless checkers take: they let the token choose its algorithm. PyJWT refuses to make one, so by hand."""
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = jwt.encode(dict(claims), "x" * 32, algorithm="HS256", headers=headers).rpartition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(public, unsigned.encode(), "sha256")).rstrip(b"=").decode()
    return f"{unsigned}.{signature}"


LOGINS: tuple[type[LoginSandbox], ...] = (GoogleSandbox, GitHubSandbox)
