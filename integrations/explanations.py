"""What a person is told about a login or a connection: what it is, why, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import formats, timezone

from integrations import control, health, logins, registry
from integrations.models import Connection, ConnectSession, MaintenanceWindow, Phase, Provider, SyncJob


@dataclass(frozen=True, slots=True)
class Explanation:
    """`tone` is one of the stylesheet's: good, info, warn, bad. `told_above`: the page's head says it already."""

    what: str
    why: str
    next: str = ""
    tone: str = "bad"
    told_above: bool = False


SAVED_NOTHING = "Nothing was saved."
# By the code of a session that failed: what, why, what next. "{p}" is the provider's name.
FAILURES: dict[str, tuple[str, str, str]] = {
    "wrong_credentials": (
        "{p} did not accept the email and password",
        SAVED_NOTHING + " After three refused tries you would have to wait 15 minutes.",
        "Check that you can log in on {p}'s own website with them, then try again. If you log in there with Google or "
        "Apple, set a password there first.",
    ),
    "too_many_wrong": (
        "{p} refused the password three times",
        SAVED_NOTHING + " We pause for 15 minutes, so that {p} does not lock your account.",
        "Meanwhile, check or reset the password on {p}'s own website.",
    ),
    "login_blocked": (
        "{p} blocks new logins for this account for a while",
        SAVED_NOTHING + " It does that after many logins. Trying again sooner makes the wait longer, so we do not.",
        "Come back when the time below is over. What is already in your library stays as it is.",
    ),
    "captcha": (
        "{p} wants to see that you are a person",
        SAVED_NOTHING + " It asked for a picture puzzle that only its own website can show.",
        "Log in once on {p}'s own website, then come back when the time below is over.",
    ),
    "cooling_down": (
        "This account has to wait before the next login",
        "{p} refused or blocked the last ones. We did not call it now, since that would make the wait longer.",
        "Come back when the time below is over.",
    ),
    "unreachable": (
        "{p} cannot be reached just now",
        "Nothing was saved, and we do not try again by ourselves: your password is not kept.",
        "Try again in a few minutes.",
    ),
    "throttled": (
        "Many people are connecting right now",
        SAVED_NOTHING + " We keep the logins to {p} apart, so that it does not block anybody.",
        "Try again in a minute.",
    ),
    "disabled": (
        "Connecting to {p} is switched off at the moment",
        SAVED_NOTHING + " Our operations people have paused it.",
        "Try again later.",
    ),
    "unreadable": (
        "{p} sent an answer we could not read",
        SAVED_NOTHING + " {p} may have changed something; it was noted.",
        "Try again later.",
    ),
    "not_set_up": (
        "Connecting does not work just now",
        SAVED_NOTHING + " It is our fault, not yours; our operations people have been told.",
        "Try again later.",
    ),
    "refused": (
        "{p} let you in, but not us",
        SAVED_NOTHING + " It refused the first call with the new login.",
        "Open {p}'s own website, accept what it may ask there, then try again.",
    ),
    "expired": (
        "The ten minutes for the code are over",
        SAVED_NOTHING + " A login that waits for its code stays open for ten minutes only.",
        "Start over; you get a new code.",
    ),
    "too_many_codes": (
        "The code was wrong five times",
        SAVED_NOTHING + " We stopped there to protect your account.",
        "Start over; you get a new code. Use the newest one only.",
    ),
    "challenge_over": (
        "{p} no longer waits for this code",
        SAVED_NOTHING + " It has closed the login that the code belongs to.",
        "Start over; you get a new code.",
    ),
    "interrupted": (
        "The login was interrupted on our side",
        SAVED_NOTHING + " We never repeat a login by ourselves.",
        "Try again.",
    ),
    "not_started": (
        "The login did not start",
        "It did not get its turn within ten minutes. {p} was not called, and nothing was saved.",
        "Try again in a few minutes.",
    ),
    "account_taken": (
        "This {p} account is already connected here",
        SAVED_NOTHING + " An account can belong to one person only, and it belongs to another login of ours.",
        "If it is yours, log in with your other email address and disconnect it there first.",
    ),
    "other_account": (
        "That is another {p} account than before",
        "We keep your library and deliveries with the account they came from, so the old connection was left as it is.",
        "Log in with the account of before, or disconnect the old connection first and then connect the new one.",
    ),
    "consent_refused": (
        "You did not allow it",
        SAVED_NOTHING + " {p} told us that you said no, and nothing else.",
        "If you change your mind, start again.",
    ),
    "missing_scope": (
        "A permission was left out (missing scope)",
        SAVED_NOTHING + " On {p}'s page a box was not ticked, and without all of them we cannot do our part.",
        "Start again and leave all boxes ticked. The page before it says what each is for.",
    ),
    "code_refused": (
        "{p} did not accept what you came back with",
        SAVED_NOTHING + " What it gives your browser to bring along is good once and for a few minutes.",
        "Start again.",
    ),
    "odd_callback": (
        "{p} sent you back without an answer we know",
        SAVED_NOTHING + " It did not say yes, and it did not say that you said no.",
        "Start again. If it happens twice, tell us.",
    ),
    "cancelled": ("You stopped this login", SAVED_NOTHING, "Start again whenever you like."),
    "disconnected": ("The connection was ended meanwhile", SAVED_NOTHING, "Connect again whenever you like."),
    "unexpected": (
        "That did not work",
        SAVED_NOTHING + " Something happened that we had not foreseen; it was noted.",
        "Try again later.",
    ),
}
# Where the person says yes at the provider itself, no password is typed here and no code is sent.
CONSENT_FAILURES: dict[str, tuple[str, str, str]] = {
    "unreachable": (
        "{p} cannot be reached just now",
        SAVED_NOTHING + " You said yes there, but we could not fetch the key that goes with it.",
        "Start again in a few minutes.",
    ),
    "expired": (
        "You did not come back from {p} in time",
        SAVED_NOTHING + " For your safety the way back is open for ten minutes only.",
        "Start again.",
    ),
    "account_taken": (
        "This {p} account is already connected here",
        SAVED_NOTHING + " An account can belong to one person only, and it belongs to another login of ours.",
        "If it is yours, disconnect it there first. If you meant another account, log out on {p}'s own website first.",
    ),
    "other_account": (
        "That is another {p} account than before",
        "We keep what came from it with its account, so the old connection was left as it is.",
        "Log in on {p}'s own website with the account of before, or disconnect the old connection first.",
    ),
}
MILD = {"consent_refused", "cancelled", "expired", "disconnected", "throttled", "disabled"}
EXPIRED: dict[str, str] = {ConnectSession.Status.NEEDS_CODE: "expired"}
WORKING: dict[str, tuple[str, str]] = {
    ConnectSession.Status.QUEUED: ("Waiting for a free worker", "It starts in a moment."),
    ConnectSession.Status.WORKING: ("Logging in to {p}", "This takes a few seconds; {p} wants us to go slowly."),
    ConnectSession.Status.CHECKING: ("Checking your code at {p}", "This takes a few seconds."),
}
CONSENT_WORKING: dict[str, tuple[str, str]] = {
    ConnectSession.Status.NEEDS_CODE: (
        "Waiting for you at {p}",
        "Say there what we may do. The way back is open for ten minutes.",
    ),
    ConnectSession.Status.CHECKING: ("You are back from {p}", "We fetch our key and read whose account it is."),
}
IN_LINE = (
    "You are next in line",
    "Others are connecting right now, and {p} wants logins one after the other. It goes on by itself.",
)
CODE_PROBLEMS = {
    "wrong_code": "That code was not accepted. Check it, and use the newest one only.",
    "unreachable": "{p} could not be reached, so the code was not checked. Try again.",
}
SENT_BY = {
    "email": "{p} has sent you a code by email.",
    "sms": "{p} has sent a code to your phone.",
    "app": "Open your authenticator app for the code.",
}
LOST = "{p} no longer accepts the login we have"
LOST_WHY = {
    "invalid_grant": "It ended: after a long time, a changed password, or because you removed the app there.",
    "renewal_failing": "For four days it could not be renewed.",
    "revoked_by_us": "To be on the safe side we ended it and erased what we had of it. Your password was never kept.",
}
# By the code of what stands in the way of a provider: what, and why where operations' own words do not say it.
STOPPED: dict[str, tuple[str, str]] = {
    "off": ("{p} is switched off", ""),
    "hold": ("{p} is paused", ""),
    "switched_off": ("{p} is paused in part", ""),
    "drain": ("{p}: maintenance is about to begin", ""),
    "maintenance": ("{p}: maintenance is under way", ""),
    "tripped": ("{p} is paused", "Our operations people have stopped the calls to it."),
    "circuit_open": ("{p} does not answer as it should", "We leave it in peace for a moment, then we try again."),
    "rate_limit": ("{p} asked us to slow down", "That happens when many people sync at once."),
}
GOES_ON = "What is new waits and goes on by itself{until}."
PAUSE_PROBLEMS = {
    Connection.CHECKING: "We are trying whether the login still works.",
    "": "You paused it. Nothing is read and nothing is sent.",
}


def of_session(session: ConnectSession) -> Explanation:
    """For every state but that of a login which needs a code, whose page is a form."""
    name = session.provider.name
    consent = session.is_consent
    if session.status == ConnectSession.Status.DONE:
        why = f"You can take it back at any time, here or at {name}." if consent else "Your password was not kept."
        return Explanation(f"{name} is connected", why, tone="good")
    if session.status == ConnectSession.Status.FAILED or session.is_expired:
        code = session.error_code if session.is_over else EXPIRED.get(session.status, "not_started")
        known = FAILURES | CONSENT_FAILURES if consent else FAILURES
        what, why, following = known.get(code, FAILURES["unexpected"])
        tone = "warn" if code in MILD else "bad"
        return Explanation(what.format(p=name), why.format(p=name), following.format(p=name), tone)
    working = WORKING | CONSENT_WORKING if consent else WORKING
    what, why = IN_LINE if session.error_code == "throttled" else working[session.status]
    return Explanation(what.format(p=name), why.format(p=name), tone="info")


def of_challenge(session: ConnectSession) -> Explanation:
    """Above the form for the code: where it comes from, and what was wrong with the last one."""
    name = session.provider.name
    sent = SENT_BY.get(session.method, "{p} has sent you a code.").format(p=name)
    problem = CODE_PROBLEMS.get(session.error_code, "").format(p=name)
    return Explanation("Enter the code", sent, problem, "bad" if problem else "info")


def of_connection(connection: Connection, latest: SyncJob | None = None) -> Explanation:
    """The state of a live connection; `latest` is its newest sync that ended or runs."""
    name, status = connection.provider.name, connection.status
    if status == Connection.Status.NEEDS_REAUTH:
        why = LOST_WHY.get(connection.status_reason, "It was refused when we last used it.")
        return Explanation(LOST.format(p=name), why, "Log in again. Your library and settings are kept.")
    if status == Connection.Status.PAUSED:
        why = PAUSE_PROBLEMS.get(connection.status_reason, f"{name} could not be reached when you wanted to go on.")
        return Explanation("Paused", why, "Resume when you want to go on.", "warn")
    if status == Connection.Status.PENDING:
        return Explanation("Being connected", "The login is not finished yet.", "Finish it, or start over.", "info")
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
    if told := [found.message for direction in troubled if (found := control.refusal(provider, direction))]:
        why = " ".join(dict.fromkeys(told))
    until = f", as far as we know at {moment_words(worst.until)}" if worst.until else ""
    return Explanation(what.format(p=provider), why, GOES_ON.format(until=until), "warn")


def moment_words(at: datetime) -> str:
    """In the reader's zone; today's without the day."""
    local = timezone.localtime(at)
    return str(formats.date_format(local, "H:i" if local.date() == timezone.localdate() else "j F, H:i"))


def _planned(window: MaintenanceWindow, provider: Provider) -> Explanation:
    times = f"From {moment_words(window.starts_at)} to {moment_words(window.ends_at)}"
    following = f"{times} {provider} is not called. What is new waits and goes on by itself afterwards."
    return Explanation(f"{provider}: maintenance is planned", window.message, following, "info")


def _lacking(connection: Connection) -> list[str]:
    """In words, what the person took back of what the connection was made with."""
    spec = registry.spec_for(connection.provider.slug)
    if spec.oauth is None:
        return []
    asked = set(logins.scopes_of(connection.provider)) & set(spec.permissions.values())
    return [spec.oauth.words.get(lost, lost) for lost in sorted(asked - set(connection.scopes))]


def _of_active(connection: Connection, latest: SyncJob | None) -> Explanation:
    provider = connection.provider
    if (stopped := of_provider(provider)) and stopped.tone != "info":
        return replace(stopped, told_above=True)
    for direction in ("sync", "deliver"):
        if refused := control.refusal(provider, direction, connection.user_id):
            words = "Nothing to do. It begins by itself when you are in."
            return Explanation("Connected, but not all of it is open to you yet", refused.message, words, "info")
    if lacking := _lacking(connection):
        why = f"It was taken back at {provider.name}. {' '.join(lacking)}"
        words = f"Allow it again on {provider.name}'s own page if you want that, or leave it."
        return Explanation("Connected, but a permission is missing", why, words, "warn")
    if latest and latest.status == SyncJob.Status.FAILED:
        why = latest.error_detail or f"The last reading of {provider.name} did not work."
        return Explanation(
            "Connected, but the last sync failed", why, "We try again by ourselves, or sync now.", "warn"
        )
    return Explanation("Connected", "Everything works.", tone="good")
