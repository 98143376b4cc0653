"""The login widget: the same login as HTML forms, which the library falls back to."""

from integrations.providers.garmin.sandbox.sso import BLOCKS, LoginRoutes, Person, Session
from integrations.sandbox import Answer, Request, route

EMBED = "/sso/sso/embed"


class WidgetRoutes(LoginRoutes):
    """It keeps to the same accounts, codes and faults as the other ways in."""

    @route("GET", EMBED)
    def embed(self, request: Request) -> Answer:
        return BLOCKS.get(request.fault.name) or _page("GARMIN Authentication Application", "")

    @route("GET", "/sso/sso/signin")
    def widget_page(self, request: Request) -> Answer:
        if blocked := BLOCKS.get(request.fault.name):
            return blocked
        cookies = self._cookies()
        return Answer(text=_html("GARMIN Authentication Application", _csrf(_cookie(cookies))), headers=cookies)

    @route("POST", "/sso/sso/signin")
    def widget_log_in(self, request: Request) -> Answer:
        session, form = self._session(request), request.form()
        if session is None or not self._is_own(request, form):
            return BLOCKS["login-429"]
        if blocked := BLOCKS.get(request.fault.name):
            return blocked
        if request.suffers("captcha"):
            return _page("GARMIN Authentication Application", "<div class='g-recaptcha'></div>")
        person = self._check(form.get("username", ""), form.get("password", ""))
        if person is None:
            return _page("Invalid sign in", "")
        session |= {"email": person["email"], "service": request.query.get("service", "")}
        if person["mfa"] or request.suffers("mfa"):
            return _page("GARMIN Authentication Application", _code_form(person, form["_csrf"]))
        return self._widget_success(session)

    @route("POST", "/sso/sso/verifyMFA/mfaCode")
    def widget_send_code(self, request: Request) -> Answer:
        """The widget mails no code by itself: this is its "Request a new code"."""
        session = self._session(request)
        if session is None or "email" not in session:
            return Answer(403, {"message": "no login is going on"})
        self.state.send_code(session, self.state.people[session["email"]])
        return Answer(data={"codeSentTo": "email"})

    @route("POST", "/sso/sso/verifyMFA/loginEnterMfaCode")
    def widget_verify_code(self, request: Request) -> Answer:
        session, form = self._session(request), request.form()
        if session is None or "email" not in session or not self._is_own(request, form):
            return _page("Session expired", "")
        if blocked := BLOCKS.get(request.fault.name):
            return blocked
        if not self.state.take_code(session, form.get("mfa-code", "")):
            return _page("Enter MFA code for login", "<p>The code is not valid.</p>")
        return self._widget_success(session)

    def _widget_success(self, session: Session) -> Answer:
        service = session["service"]
        ticket = self.state.ticket_for(session.pop("email"), service)
        return _page("Success", f'<a href="{service}?ticket={ticket}">Go on</a>')

    def _is_own(self, request: Request, form: dict[str, str]) -> bool:
        """The hidden field of the form must be the one that went with the cookie."""
        return f"SESSION={form.get('_csrf', '-')}" in request.headers.get("cookie", "")


def _cookie(headers: dict[str, str]) -> str:
    return headers["Set-Cookie"].partition("=")[2].partition(";")[0]


def _csrf(value: str) -> str:
    return f'<form method="post"><input type="hidden" name="_csrf" value="{value}"></form>'


def _code_form(person: Person, csrf: str) -> str:
    guid = f"00000000-0000-4000-8000-{person['profile']:012d}"
    words = {"customerGuid": guid, "mfaMethod": "email", "locale": "en_US", "clientId": "", "codeSentTo": ""}
    lines = "".join(f'var {name} = "{value}";' for name, value in words.items())
    return f"<script>{lines}</script>{_csrf(csrf)}"


def _page(title: str, body: str) -> Answer:
    return Answer(text=_html(title, body))


def _html(title: str, body: str) -> str:
    return f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>"
