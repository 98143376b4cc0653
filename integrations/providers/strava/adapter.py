"""Strava's API v3: bytes and pages, nothing else. It can read activities; it takes no planned workouts."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from integrations import errors
from integrations.adapters import AccountAdapter, bad_answer, bearer
from integrations.oauth import ACCESS
from integrations.providers.strava.provider import SLUG
from integrations.spec import Gateway, OAuthClient, Raw, RawPage, Subscription

PAGE_SIZE = 100
ACTIVITIES = "/athlete/activities"
SUBSCRIPTIONS = "/push_subscriptions"
LATEST_ZONE = timedelta(hours=14)  # where a local day begins first
EARLIEST_ZONE = timedelta(hours=12)  # where it ends last


class Adapter(AccountAdapter):
    """`secrets` hold the access token."""

    provider = SLUG

    def __init__(self, gateway: Gateway, secrets: Mapping[str, str], scope: str) -> None:
        super().__init__(gateway, bearer(secrets[ACCESS]), scope)

    def account(self) -> Raw:
        return self.ask_object("GET", "/athlete", operation="profile")

    def activity_page(self, start: int, *, since: date | None, until: date | None = None) -> RawPage:
        """Newest first; `start` counts activities, Strava counts pages from 1.

        Strava's own `after` would turn the order round, so what is older than `since` is left out here.
        """
        params: dict[str, Any] = {"page": start // PAGE_SIZE + 1, "per_page": PAGE_SIZE}
        if until is not None:
            params["before"] = int((datetime.combine(until, time.max, UTC) + EARLIEST_ZONE).timestamp())
        rows = self.ask_list(ACTIVITIES, operation="list_activities", params=params)
        kept = [row for row in rows if since is None or _may_begin_after(row, since)]
        more = len(rows) == PAGE_SIZE and len(kept) == len(rows)
        return RawPage(kept, start + PAGE_SIZE if more else None)

    def activity(self, external_id: str) -> Raw:
        return self.ask_object("GET", f"/activities/{self.number(external_id)}", operation="read_activity")

    def activity_detail(self, external_id: str) -> Raw:
        """Laps and streams; an activity that was typed in has no streams, which Strava answers with 404."""
        path = f"/activities/{self.number(external_id)}"
        laps = self.ask_list(f"{path}/laps", operation="read_laps")
        keys = {"keys": "time,heartrate,velocity_smooth,watts", "key_by_type": "true"}
        try:
            streams = self.ask_object("GET", f"{path}/streams", operation="read_samples", params=keys)
        except errors.NotFoundError:
            streams = {}
        return {"laps": laps, "streams": streams}

    def ask(self, method: str, path: str, *, operation: str, **kwargs: Any) -> Any:
        try:
            return super().ask(method, path, operation=operation, **kwargs)
        except errors.AuthenticationError as exc:
            if exc.context.get("provider_code") != "AccessToken.missing":
                raise
        # The token is good, the permission is not there: a renewal would not bring it.
        raise errors.AuthorizationError("a permission is missing", provider=SLUG, status=401, code="missing_scope")


class Subscriptions:
    """The one webhook subscription of our application, for operations."""

    def __init__(self, gateway: Gateway, client: OAuthClient) -> None:
        self.gateway = gateway
        self.us = {"client_id": client.id, "client_secret": client.secret}

    def present(self) -> list[Subscription]:
        """Strava allows one; an empty list when there is none."""
        found = self.gateway.request("GET", SUBSCRIPTIONS, operation="list_subscriptions", params=self.us).data
        try:
            return [Subscription(int(row["id"]), str(row["callback_url"])) for row in found]
        except (KeyError, TypeError, ValueError):
            raise bad_answer(SLUG, "list_subscriptions") from None

    def create(self, callback_url: str, verify_token: str) -> int:
        """Strava asks the address for a handshake before it answers. Returns the subscription's id."""
        form = {**self.us, "callback_url": callback_url, "verify_token": verify_token}
        made = self.gateway.request("POST", SUBSCRIPTIONS, operation="subscribe", idempotent=False, data=form).data
        if not (isinstance(made, dict) and isinstance(made.get("id"), int)):
            raise bad_answer(SLUG, "subscribe")
        return int(made["id"])

    def delete(self, subscription_id: int) -> None:
        """Gone afterwards, whether or not it was there."""
        path = f"{SUBSCRIPTIONS}/{int(subscription_id)}"
        try:
            self.gateway.request("DELETE", path, operation="unsubscribe", params=self.us)
        except errors.NotFoundError:
            return


def _may_begin_after(row: Raw, since: date) -> bool:
    """Whether the activity may be of that local day or later; one that cannot be read is left to the translator."""
    try:
        started = datetime.fromisoformat(str(row.get("start_date")))
    except ValueError:
        return True
    earliest = datetime.combine(since, time(), UTC) - LATEST_ZONE
    return (started if started.tzinfo else started.replace(tzinfo=UTC)) >= earliest
