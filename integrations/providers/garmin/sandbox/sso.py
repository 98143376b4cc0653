"""The login pages of phone and portal, and the token service."""

from http.cookies import SimpleCookie
from typing import Any

from integrations.providers.garmin.sandbox.state import SHORT_LIFE_S, TOKEN_LIFE_S, State
from integrations.sandbox import BLOCK_PAGE, Answer, OwnFault, Request, Sandbox, route

LOGIN_PAGE = "<!doctype html><title>GARMIN Authentication Application</title><div id='root'></div>"
TICKET_GRANT = "https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket"
CLIENTS = "GARMIN_CONNECT_MOBILE_"  # how the names of all known ones begin
CLOUDFLARE = {"Server": "cloudflare"}
MOBILE_PAGE, PORTAL_PAGE = "/sso/mobile/sso/{locale}/sign-in", "/sso/portal/sso/{locale}/sign-in"
LOGIN = ("/sso/",)
CODE = ("/sso/mobile/api/mfa/", "/sso/portal/api/mfa/")
TOKEN = ("/token/",)
LOGIN_FAULTS = {
    "login-429": OwnFault("Login is blocked with 429", LOGIN),
    "login-427": OwnFault("Login is blocked with 427", LOGIN),
    "login-403": OwnFault("Login is blocked with 403", LOGIN),
    "login-500": OwnFault("Login answers 500", LOGIN),
    "login-body-429": OwnFault("Login answers 200 with a 429 inside", LOGIN),
    "captcha": OwnFault("Login asks for a captcha", LOGIN),
    "mfa": OwnFault("Login asks for a code, whatever the account says", LOGIN),
    "challenge-over": OwnFault("The login that waits for its code has ended meanwhile", CODE),
    "short-token": OwnFault("Access tokens live 2 seconds", TOKEN),
    "expired-token": OwnFault("Access tokens are expired when they are given out", TOKEN),
    "token-429": OwnFault("The token service answers 429", TOKEN),
    "token-503": OwnFault("The token service answers 503", TOKEN),
    "dead-refresh": OwnFault("The token service knows no refresh token any more", TOKEN),
}
BLOCKS = {
    "login-429": Answer(429, text=BLOCK_PAGE, headers=CLOUDFLARE),
    "login-427": Answer(427, text=BLOCK_PAGE, headers=CLOUDFLARE),
    "login-403": Answer(403, text=BLOCK_PAGE, headers=CLOUDFLARE),
    "login-500": Answer(500, {"message": "internal error"}),
    "login-body-429": Answer(200, {"error": {"status-code": "429", "request-id": "sandbox"}}),
    "token-429": Answer(429, {"error": "too_many_requests"}),
    "token-503": Answer(503, {"error": "temporarily_unavailable"}),
}
LIVES_S = {"short-token": SHORT_LIFE_S, "expired-token": -60}

type Session = dict[str, Any]
type Person = dict[str, Any]


class LoginRoutes(Sandbox):
    """Login as the phone app and the portal do it; one-time tickets, rotating refresh tokens."""

    state: State

    @route("GET", MOBILE_PAGE)
    @route("GET", PORTAL_PAGE)
    def sign_in_page(self, request: Request) -> Answer:
        return BLOCKS.get(request.fault.name) or Answer(text=LOGIN_PAGE, headers=self._cookies())

    @route("POST", "/sso/mobile/api/login")
    @route("POST", "/sso/portal/api/login")
    def log_in(self, request: Request) -> Answer:
        """Without the page's cookie and address it is the block that robots get."""
        session = self._session(request)
        if session is None or "/sign-in" not in request.headers.get("referer", ""):
            return BLOCKS["login-429"]
        if blocked := BLOCKS.get(request.fault.name):
            return blocked
        if request.suffers("captcha"):
            return _status("CAPTCHA_REQUIRED")
        values = request.fields()
        person = self._check(str(values.get("username", "")), str(values.get("password", "")))
        if person is None:
            return _status("INVALID_USERNAME_PASSWORD")
        session |= {"email": person["email"], "service": request.query.get("service", "")}
        if not (person["mfa"] or request.suffers("mfa")):
            return self._success(session)
        self.state.send_code(session, person)
        return _status("MFA_REQUIRED", customerMfaInfo={"mfaLastMethodUsed": "email", "email": "c***@sandbox.example"})

    @route("POST", "/sso/mobile/api/mfa/verifyCode")
    @route("POST", "/sso/portal/api/mfa/verifyCode")
    def verify_code(self, request: Request) -> Answer:
        session = self._session(request)
        if session is not None and request.suffers("challenge-over"):
            session.pop("email", None)
        if session is None or "email" not in session:
            return _status("SESSION_EXPIRED")
        if blocked := BLOCKS.get(request.fault.name):
            return blocked
        if not self.state.take_code(session, str(request.fields().get("mfaVerificationCode", ""))):
            return _status("MFA_CODE_INVALID")
        return self._success(session)

    @route("POST", "/token/di-oauth2-service/oauth/token")
    def token(self, request: Request) -> Answer:
        form = request.form()
        client_id = form.get("client_id", "")
        if not request.headers.get("authorization", "").startswith("Basic "):
            return Answer(401, {"error": "invalid_client"})
        if blocked := BLOCKS.get(request.fault.name):
            return blocked
        life_s = LIVES_S.get(request.fault.name, TOKEN_LIFE_S)
        if form.get("grant_type") == "refresh_token":
            dead = request.suffers("dead-refresh")
            return self._refresh("" if dead else form.get("refresh_token", ""), client_id, life_s)
        if form.get("grant_type") != TICKET_GRANT or not client_id.startswith(CLIENTS):
            return Answer(400, {"error": "unauthorized_client"})
        return self._exchange(form, client_id, life_s)

    def _exchange(self, form: dict[str, str], client_id: str, life_s: float) -> Answer:
        """A ticket is good once, and for the service that the login named."""
        row = self.state.tickets.pop(form.get("service_ticket", ""), None)
        if row is None or row["service"] != form.get("service_url"):
            return Answer(400, {"error": "invalid_grant", "error_description": "Invalid service ticket"})
        return Answer(data=self.state.grant(row["email"], client_id, life_s=life_s))

    def _refresh(self, refresh: str, client_id: str, life_s: float) -> Answer:
        row = self.state.refreshes.get(refresh)
        if row is None or row["client"] != client_id:
            return _dead("unknown")
        if row["used"]:
            self.state.revoke(row["email"], family=row["family"])
            return _dead("used before")
        row["used"] = True
        return Answer(data=self.state.grant(row["email"], client_id, family=row["family"], life_s=life_s))

    def _check(self, email: str, password: str) -> Person | None:
        person: Person | None = self.state.people.get(email.strip().lower())
        return person if person and password == person["password"] else None

    def _success(self, session: Session) -> Answer:
        service = session["service"]
        ticket = self.state.ticket_for(session.pop("email"), service)
        return _status("SUCCESSFUL", serviceTicketId=ticket, serviceURL=service)

    def _cookies(self) -> dict[str, str]:
        session = f"SESSION={self.state.new_session()}; Path=/; HttpOnly"
        return {"Set-Cookie": f"{session}\n__cf_bm=sandbox; Path=/; HttpOnly"}

    def _session(self, request: Request) -> Session | None:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get("SESSION")
        found: Session | None = self.state.sessions.get(cookie.value) if cookie else None
        return found

    def _who_logs_in(self, request: Request) -> str:
        """The account that a login step is for, as far as it can be told."""
        named = str(request.fields().get("username") or request.form().get("username", "")).strip().lower()
        if named in self.state.people:
            return named
        return str((self._session(request) or {}).get("email", ""))

    def _whose_token(self, request: Request) -> str:
        form = request.form()
        row = self.state.refreshes.get(form.get("refresh_token", "")) or self.state.tickets.get(
            form.get("service_ticket", "")
        )
        return str(row["email"]) if row else ""


def _status(kind: str, **more: Any) -> Answer:
    return Answer(data={"responseStatus": {"type": kind, "message": ""}, **more})


def _dead(why: str) -> Answer:
    return Answer(400, {"error": "invalid_grant", "error_description": f"Invalid refresh token: {why}"})
