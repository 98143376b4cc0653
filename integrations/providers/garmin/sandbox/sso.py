"""The login pages and the token service."""

import secrets
from http.cookies import SimpleCookie
from typing import Any

from integrations.providers.garmin.sandbox.state import State
from integrations.sandbox import Answer, Request, Sandbox, route
from integrations.sandbox.kit import BLOCK_PAGE

LOGIN_PAGE = "<!doctype html><title>GARMIN Authentication Application</title><form></form>"
NO_TICKET = {"error": "invalid_grant", "error_description": "Invalid service ticket"}
DEAD = {"error": "invalid_grant", "error_description": "Invalid refresh token"}


class LoginRoutes(Sandbox):
    """Mobile login, with portal and widget pages answering alike; one-time tickets, rotating refresh tokens."""

    state: State

    @route("GET", "/sso/mobile/sso/{locale}/sign-in")
    @route("GET", "/sso/portal/sso/{locale}/sign-in")
    @route("GET", "/sso/sso/embed")
    @route("GET", "/sso/sso/signin")
    def sign_in_page(self, _: Request) -> Answer:
        if blocked := self._blocked(self.fault_of("*")):
            return blocked
        cookie = secrets.token_hex(16)
        self.state.sessions[cookie] = {}
        page = LOGIN_PAGE + '<input name="_csrf" value="sandbox">'
        return Answer(text=page, headers={"Set-Cookie": f"SESSION={cookie}; Path=/"})

    @route("POST", "/sso/mobile/api/login")
    @route("POST", "/sso/portal/api/login")
    def log_in(self, request: Request) -> Answer:
        session = self._session(request)
        if session is None or not request.headers.get("referer"):
            return Answer(429, text=BLOCK_PAGE)
        values = request.json() or {}
        email = str(values.get("username", "")).lower()
        fault = self.fault_of(email) or self.fault_of("*")
        if blocked := self._blocked(fault):
            return blocked
        if fault == "captcha":
            return _status("CAPTCHA_REQUIRED")
        person = self.state.people.get(email)
        if person is None or values.get("password") != person["password"]:
            return _status("INVALID_USERNAME_PASSWORD")
        if person["mfa"]:
            session["email"], person["code"] = email, f"{secrets.randbelow(1_000_000):06d}"
            self.store.save()
            return _status("MFA_REQUIRED", customerMfaInfo={"mfaLastMethodUsed": "email"})
        return _status("SUCCESSFUL", serviceTicketId=self.state.ticket_for(email))

    @route("POST", "/sso/mobile/api/mfa/verifyCode")
    @route("POST", "/sso/portal/api/mfa/verifyCode")
    def verify_code(self, request: Request) -> Answer:
        session = self._session(request)
        person = self.state.people.get((session or {}).get("email", ""))
        if person is None:
            return _status("SESSION_EXPIRED")
        if blocked := self._blocked(self.fault_of(person["email"])):
            return blocked
        if not person["code"] or (request.json() or {}).get("mfaVerificationCode") != person["code"]:
            return _status("MFA_CODE_INVALID")
        person["code"] = ""
        self.store.save()
        return _status("SUCCESSFUL", serviceTicketId=self.state.ticket_for(person["email"]))

    @route("POST", "/token/di-oauth2-service/oauth/token")
    def token(self, request: Request) -> Answer:
        form = request.form()
        client_id = form.get("client_id", "")
        if not request.headers.get("authorization", "").startswith("Basic "):
            return Answer(401, {"error": "invalid_client"})
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form.get("refresh_token", ""), client_id)
        email = self.state.tickets.pop(form.get("service_ticket", ""), None)
        if email is None:
            return Answer(400, NO_TICKET)
        return Answer(data=self.state.grant(email, client_id, short=self._short(email)))

    def _refresh(self, refresh: str, client_id: str) -> Answer:
        row = self.state.refreshes.get(refresh)
        if row is None:
            return Answer(400, DEAD)
        if row["used"]:
            self.state.revoke(row["email"], family=row["family"])
            return Answer(400, DEAD)
        row["used"] = True
        pair = self.state.grant(row["email"], client_id, family=row["family"], short=self._short(row["email"]))
        return Answer(data=pair)

    def _short(self, email: str) -> bool:
        return "short-token" in {self.fault_of(email), self.fault_of("*")}

    def _session(self, request: Request) -> dict[str, Any] | None:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get("SESSION")
        return self.state.sessions.get(cookie.value) if cookie else None

    def _blocked(self, fault: str) -> Answer | None:
        if fault == "login-429":
            return Answer(429, text=BLOCK_PAGE, headers={"Server": "cloudflare"})
        if fault == "login-403":
            return Answer(403, text=BLOCK_PAGE, headers={"Server": "cloudflare"})
        if fault == "login-500":
            return Answer(500, {"message": "internal error"})
        return None


def _status(kind: str, **more: Any) -> Answer:
    return Answer(data={"responseStatus": {"type": kind, "message": ""}, **more})
