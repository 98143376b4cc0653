"""What a person is told about a login or a connection: what it is, why, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from integrations import control, health, logins, registry, wording
from integrations.models import Connection, ConnectSession, MaintenanceWindow, Phase, Provider, SyncJob


@dataclass(frozen=True, slots=True)
class Explanation:
    """`tone` is one of the stylesheet's: good, info, warn, bad. `told_above`: the page's head says it already."""

    what: str
    why: str
    next: str = ""
    tone: str = "bad"
    told_above: bool = False


# By the code of a session that failed: what, why, what next. "{p}" is the provider's name.
FAILURES: dict[str, tuple[str, str, str]] = {
    "wrong_credentials": (
        _("{p} did not accept the email and password"),
        _("Nothing was saved. After three refused tries you would have to wait 15 minutes."),
        _(
            "Check that you can log in on {p}'s own website with them, then try again. If you log in there with Google "
            "or Apple, set a password there first."
        ),
    ),
    "too_many_wrong": (
        _("{p} refused the password three times"),
        _("Nothing was saved. We pause for 15 minutes, so that {p} does not lock your account."),
        _("Meanwhile, check or reset the password on {p}'s own website."),
    ),
    "login_blocked": (
        _("{p} blocks new logins for this account for a while"),
        _(
            "Nothing was saved. It does that after many logins. Trying again sooner makes the wait longer, so we do "
            "not."
        ),
        _("Come back when the time below is over. What is already in your library stays as it is."),
    ),
    "captcha": (
        _("{p} wants to see that you are a person"),
        _("Nothing was saved. It asked for a picture puzzle that only its own website can show."),
        _("Log in once on {p}'s own website, then come back when the time below is over."),
    ),
    "cooling_down": (
        _("This account has to wait before the next login"),
        _("{p} refused or blocked the last ones. We did not call it now, since that would make the wait longer."),
        _("Come back when the time below is over."),
    ),
    "unreachable": (
        _("{p} cannot be reached just now"),
        _("Nothing was saved, and we do not try again by ourselves: your password is not kept."),
        _("Try again in a few minutes."),
    ),
    "throttled": (
        _("Many people are connecting right now"),
        _("Nothing was saved. We keep the logins to {p} apart, so that it does not block anybody."),
        _("Try again in a minute."),
    ),
    "disabled": (
        _("Connecting to {p} is switched off at the moment"),
        _("Nothing was saved. Our operations people have paused it."),
        _("Try again later."),
    ),
    "unreadable": (
        _("{p} sent an answer we could not read"),
        _("Nothing was saved. {p} may have changed something; it was noted."),
        _("Try again later."),
    ),
    "not_set_up": (
        _("Connecting does not work just now"),
        _("Nothing was saved. It is our fault, not yours; our operations people have been told."),
        _("Try again later."),
    ),
    "refused": (
        _("{p} let you in, but not us"),
        _("Nothing was saved. It refused the first call with the new login."),
        _("Open {p}'s own website, accept what it may ask there, then try again."),
    ),
    "expired": (
        _("The ten minutes for the code are over"),
        _("Nothing was saved. A login that waits for its code stays open for ten minutes only."),
        _("Start over; you get a new code."),
    ),
    "too_many_codes": (
        _("The code was wrong five times"),
        _("Nothing was saved. We stopped there to protect your account."),
        _("Start over; you get a new code. Use the newest one only."),
    ),
    "challenge_over": (
        _("{p} no longer waits for this code"),
        _("Nothing was saved. It has closed the login that the code belongs to."),
        _("Start over; you get a new code."),
    ),
    "interrupted": (
        _("The login was interrupted on our side"),
        _("Nothing was saved. We never repeat a login by ourselves."),
        _("Try again."),
    ),
    "not_started": (
        _("The login did not start"),
        _("It did not get its turn within ten minutes. {p} was not called, and nothing was saved."),
        _("Try again in a few minutes."),
    ),
    "account_taken": (
        _("This {p} account is already connected here"),
        _("Nothing was saved. An account can belong to one person only, and it belongs to another login of ours."),
        _("If it is yours, log in with your other email address and disconnect it there first."),
    ),
    "other_account": (
        _("That is another {p} account than before"),
        _(
            "We keep your library and deliveries with the account they came from, so the old connection was left as it "
            "is."
        ),
        _("Log in with the account of before, or disconnect the old connection first and then connect the new one."),
    ),
    "consent_refused": (
        _("You did not allow it"),
        _("Nothing was saved. {p} told us that you said no, and nothing else."),
        _("If you change your mind, start again."),
    ),
    "missing_scope": (
        _("A permission was left out (missing scope)"),
        _("Nothing was saved. On {p}'s page a box was not ticked, and without all of them we cannot do our part."),
        _("Start again and leave all boxes ticked. The page before it says what each is for."),
    ),
    "code_refused": (
        _("{p} did not accept what you came back with"),
        _("Nothing was saved. What it gives your browser to bring along is good once and for a few minutes."),
        _("Start again."),
    ),
    "odd_callback": (
        _("{p} sent you back without an answer we know"),
        _("Nothing was saved. It did not say yes, and it did not say that you said no."),
        _("Start again. If it happens twice, tell us."),
    ),
    "cancelled": (_("You stopped this login"), _("Nothing was saved."), _("Start again whenever you like.")),
    "disconnected": (
        _("The connection was ended meanwhile"),
        _("Nothing was saved."),
        _("Connect again whenever you like."),
    ),
    "unexpected": (
        _("That did not work"),
        _("Nothing was saved. Something happened that we had not foreseen; it was noted."),
        _("Try again later."),
    ),
}
# Where the person says yes at the provider itself, no password is typed here and no code is sent.
CONSENT_FAILURES: dict[str, tuple[str, str, str]] = {
    "unreachable": (
        _("{p} cannot be reached just now"),
        _("Nothing was saved. You said yes there, but we could not fetch the key that goes with it."),
        _("Start again in a few minutes."),
    ),
    "expired": (
        _("You did not come back from {p} in time"),
        _("Nothing was saved. For your safety the way back is open for ten minutes only."),
        _("Start again."),
    ),
    "account_taken": (
        _("This {p} account is already connected here"),
        _("Nothing was saved. An account can belong to one person only, and it belongs to another login of ours."),
        _(
            "If it is yours, disconnect it there first. If you meant another account, log out on {p}'s own website "
            "first."
        ),
    ),
    "other_account": (
        _("That is another {p} account than before"),
        _("We keep what came from it with its account, so the old connection was left as it is."),
        _("Log in on {p}'s own website with the account of before, or disconnect the old connection first."),
    ),
}
MILD = {"consent_refused", "cancelled", "expired", "disconnected", "throttled", "disabled"}
EXPIRED: dict[str, str] = {ConnectSession.Status.NEEDS_CODE: "expired"}
WORKING: dict[str, tuple[str, str]] = {
    ConnectSession.Status.QUEUED: (_("Waiting for a free worker"), _("It starts in a moment.")),
    ConnectSession.Status.WORKING: (_("Logging in to {p}"), _("This takes a few seconds; {p} wants us to go slowly.")),
    ConnectSession.Status.CHECKING: (_("Checking your code at {p}"), _("This takes a few seconds.")),
}
CONSENT_WORKING: dict[str, tuple[str, str]] = {
    ConnectSession.Status.NEEDS_CODE: (
        _("Waiting for you at {p}"),
        _("Say there what we may do. The way back is open for ten minutes."),
    ),
    ConnectSession.Status.CHECKING: (_("You are back from {p}"), _("We fetch our key and read whose account it is.")),
}
IN_LINE = (
    _("You are next in line"),
    _("Others are connecting right now, and {p} wants logins one after the other. It goes on by itself."),
)
CODE_PROBLEMS = {
    "wrong_code": _("That code was not accepted. Check it, and use the newest one only."),
    "unreachable": _("{p} could not be reached, so the code was not checked. Try again."),
}
SENT_BY = {
    "email": _("{p} has sent you a code by email."),
    "sms": _("{p} has sent a code to your phone."),
    "app": _("Open your authenticator app for the code."),
}
LOST = _("{p} no longer accepts the login we have")
LOST_ANYHOW = _("It was refused when we last used it.")
LOST_WHY = {
    "invalid_grant": _("It ended: after a long time, a changed password, or because you removed the app there."),
    "renewal_failing": _("For four days it could not be renewed."),
    "revoked_by_us": _(
        "To be on the safe side we ended it and erased what we had of it. Your password was never kept."
    ),
}
# By the code of what stands in the way of a provider: what, and why where operations' own words do not say it.
STOPPED: dict[str, tuple[str, str]] = {
    "off": (_("{p} is switched off"), ""),
    "hold": (_("{p} is paused"), ""),
    "switched_off": (_("{p} is paused in part"), ""),
    "drain": (_("{p}: maintenance is about to begin"), ""),
    "maintenance": (_("{p}: maintenance is under way"), ""),
    "tripped": (_("{p} is paused"), _("Our operations people have stopped the calls to it.")),
    "circuit_open": (_("{p} does not answer as it should"), _("We leave it in peace for a moment, then we try again.")),
    "rate_limit": (_("{p} asked us to slow down"), _("That happens when many people sync at once.")),
}
GOES_ON = _("What is new waits and goes on by itself.")
GOES_ON_AT = _("What is new waits and goes on by itself, as far as we know at {at}.")
PAUSE_PROBLEMS = {
    Connection.CHECKING: _("We are trying whether the login still works."),
    "": _("You paused it. Nothing is read and nothing is sent."),
}


def of_session(session: ConnectSession) -> Explanation:
    """For every state but that of a login which needs a code, whose page is a form."""
    name = session.provider.name
    consent = session.is_consent
    if session.status == ConnectSession.Status.DONE:
        why = _("You can take it back at any time, here or at {p}.") if consent else _("Your password was not kept.")
        return Explanation(_said(_("{p} is connected"), name), _said(why, name), tone="good")
    if session.status == ConnectSession.Status.FAILED or session.is_expired:
        code = session.error_code if session.is_over else EXPIRED.get(session.status, "not_started")
        known = FAILURES | CONSENT_FAILURES if consent else FAILURES
        what, why, following = known.get(code, FAILURES["unexpected"])
        tone = "warn" if code in MILD else "bad"
        return Explanation(_said(what, name), _said(why, name), _said(following, name), tone)
    working = WORKING | CONSENT_WORKING if consent else WORKING
    what, why = IN_LINE if session.error_code == "throttled" else working[session.status]
    return Explanation(_said(what, name), _said(why, name), tone="info")


def of_challenge(session: ConnectSession) -> Explanation:
    """Above the form for the code: where it comes from, and what was wrong with the last one."""
    name = session.provider.name
    sent = _said(SENT_BY.get(session.method, _("{p} has sent you a code.")), name)
    problem = _said(CODE_PROBLEMS.get(session.error_code, ""), name)
    return Explanation(gettext("Enter the code"), sent, problem, "bad" if problem else "info")


def of_connection(connection: Connection, latest: SyncJob | None = None) -> Explanation:
    """The state of a live connection; `latest` is its newest sync that ended or runs."""
    name, status = connection.provider.name, connection.status
    if status == Connection.Status.NEEDS_REAUTH:
        why = gettext(LOST_WHY.get(connection.status_reason, LOST_ANYHOW))
        return Explanation(_said(LOST, name), why, gettext("Log in again. Your library and settings are kept."))
    if status == Connection.Status.PAUSED:
        why = PAUSE_PROBLEMS.get(connection.status_reason, _("{p} could not be reached when you wanted to go on."))
        return Explanation(gettext("Paused"), _said(why, name), gettext("Resume when you want to go on."), "warn")
    if status == Connection.Status.PENDING:
        why, following = gettext("The login is not finished yet."), gettext("Finish it, or start over.")
        return Explanation(gettext("Being connected"), why, following, "info")
    return _of_active(connection, latest)


def of_provider(provider: Provider, directions: Sequence[str] = ("sync", "deliver")) -> Explanation | None:
    """What stands in a provider's way at the moment, or soon will by plan; None while all is well.

    At most one query, and none within two seconds of the last.
    """
    services = health.summary(provider).services
    troubled = [direction for direction in directions if services[direction].status != health.OPERATIONAL]
    if not troubled:
        window = control.window_of(provider)
        return _planned(window, provider) if window and window.phase == Phase.ANNOUNCED else None
    paused = [direction for direction in troubled if services[direction].status == health.PAUSED]
    worst = services[(paused or troubled)[0]]
    what, why = STOPPED[worst.code]
    why = gettext(why) if why else ""
    if told := [found.words for direction in troubled if (found := control.refusal(provider, direction))]:
        why = " ".join(dict.fromkeys(told))
    following = gettext(GOES_ON_AT).format(at=moment_words(worst.until)) if worst.until else gettext(GOES_ON)
    return Explanation(_said(what, str(provider)), why, following, "warn")


def moment_words(at: datetime) -> str:
    """In the reader's zone; today's without the day."""
    local = timezone.localtime(at)
    return str(formats.date_format(local, "H:i" if local.date() == timezone.localdate() else gettext("j F, H:i")))


def _planned(window: MaintenanceWindow, provider: Provider) -> Explanation:
    following = gettext(
        "From {first} to {last} {p} is not called. What is new waits and goes on by itself afterwards."
    ).format(first=moment_words(window.starts_at), last=moment_words(window.ends_at), p=provider)
    return Explanation(_said(_("{p}: maintenance is planned"), str(provider)), window.message, following, "info")


def _lacking(connection: Connection) -> list[str]:
    """In words, what the person took back of what the connection was made with."""
    spec = registry.spec_for(connection.provider.slug)
    if spec.oauth is None:
        return []
    asked = set(logins.scopes_of(connection.provider)) & set(spec.permissions.values())
    return [gettext(spec.oauth.words.get(lost, lost)) for lost in sorted(asked - set(connection.scopes))]


def _of_active(connection: Connection, latest: SyncJob | None) -> Explanation:
    provider = connection.provider
    if (stopped := of_provider(provider)) and stopped.tone != "info":
        return replace(stopped, told_above=True)
    for direction in ("sync", "deliver"):
        if refused := control.refusal(provider, direction, connection.user_id):
            what = gettext("Connected, but not all of it is open to you yet")
            return Explanation(
                what, refused.words, gettext("Nothing to do. It begins by itself when you are in."), "info"
            )
    if lacking := _lacking(connection):
        why = _said(_("It was taken back at {p}."), provider.name) + " " + " ".join(lacking)
        words = _said(_("Allow it again on {p}'s own page if you want that, or leave it."), provider.name)
        return Explanation(gettext("Connected, but a permission is missing"), why, words, "warn")
    if latest and latest.status == SyncJob.Status.FAILED:
        why = wording.told(latest.error_detail) or _said(_("The last reading of {p} did not work."), provider.name)
        words = gettext("We try again by ourselves, or sync now.")
        return Explanation(gettext("Connected, but the last sync failed"), why, words, "warn")
    return Explanation(gettext("Connected"), gettext("Everything works."), tone="good")


def _said(text: str, name: str) -> str:
    """In the reader's language, with the provider's name in its place."""
    return gettext(text).format(p=name) if text else ""
