"""The interface of a provider folder: what `provider.py` declares and what its other parts must offer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, Protocol, runtime_checkable

from integrations.records import (
    AccountRecord,
    ActivityRecord,
    DetailsRecord,
    Problem,
    ProviderEvent,
    ScheduleRecord,
    WorkoutRecord,
    WorkoutSummary,
)
from integrations.signatures import Options

type Raw = dict[str, Any]  # one item as the provider sent it

UNSIGNED = "unsigned"  # a scheme: the provider signs nothing, the address and `Webhooks.accepts` are all the proof


class Capability(StrEnum):
    WORKOUTS_READ = "workouts.read"
    WORKOUTS_WRITE = "workouts.write"
    WORKOUTS_SCHEDULE = "workouts.schedule"
    ACTIVITIES_READ = "activities.read"
    ACTIVITIES_DETAILS = "activities.details"
    ACTIVITIES_FILE = "activities.file"
    WEBHOOKS = "webhooks"
    DEVICES = "devices"


class Part(StrEnum):
    """The modules of a provider folder beside `provider.py`; the first four are always there."""

    ADAPTER = "adapter"
    TRANSLATOR = "translator"
    VALIDATOR = "validator"
    SANDBOX = "sandbox"
    LOGIN = "login"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of the connect form."""

    name: str
    label: str
    kind: Literal["email", "password", "text"]
    help: str = ""
    max_length: int = 254


@dataclass(frozen=True, slots=True)
class OAuthEndpoints:
    """Paths: `authorize` below the base URL of that role, `token` below the one of "token"; `revoke` as its login says.

    `scopes` are asked for where the Provider row names none; `words` tell people what each of them allows, `uses` what
    we do with it. `parameters` are sent to the authorize page beside the standard ones. `asks_for_scopes` is False
    where the provider's page offers all of them by itself: they are then what we cannot do without.
    """

    authorize: str
    token: str
    revoke: str = ""
    scopes: tuple[str, ...] = ()
    asks_for_scopes: bool = True
    pkce: bool = True
    separator: str = " "  # between scopes
    words: Mapping[str, str] = field(default_factory=dict)
    uses: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """What we are to an OAuth provider."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"OAuthClient(id={self.id!r})"


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket: at most `capacity` at once, refilled by `per_s` tokens a second."""

    capacity: float
    per_s: float


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """What the provider's terms allow; the Provider row may narrow or widen it."""

    visible_to_coach: bool = True
    cache_days: int | None = None
    may_merge: bool = True


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One provider. `slug` is its folder's name; `base_urls` are keyed by role ("api", "token", ..).

    `limits` has buckets by key: "account" counts per connected account, "login" and "login_hour" guard logins.
    `limit_from_headers(headers, now)` tells from any answer for how many seconds the provider wants no further call.
    `account_credential` names the credential field that identifies the account for cool-downs.
    `client_signature` is the scheme by which it may sign webhooks with our client secret: looked at where operations
    demand it of an endpoint. `permissions` names what a capability rests on where a person may take that alone back.
    `listed_days` is how far back a listing of activities goes, where it ends before the history does.
    With `subscribes` the address for webhooks is registered by calls, `Subscriptions`.
    """

    slug: str
    label: str
    summary: str
    capabilities: frozenset[Capability]
    base_urls: Mapping[str, str]
    allowed_hosts: frozenset[str]
    credential_fields: tuple[CredentialField, ...] = ()
    account_credential: str = ""
    oauth: OAuthEndpoints | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    limit_from_headers: Callable[[Mapping[str, str], float], float | None] | None = None
    policy: ProviderPolicy = ProviderPolicy()
    client_signature: str = ""
    permissions: Mapping[Capability, str] = field(default_factory=dict)
    listed_days: int | None = None
    subscribes: bool = False
    parts: frozenset[Part] = frozenset({Part.ADAPTER, Part.TRANSLATOR, Part.VALIDATOR, Part.SANDBOX})

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page of a listing. `next_start` is None on the last one; `total` where the provider tells it."""

    items: Sequence[Raw]
    next_start: int | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login or a renewal gave us: the strings to seal, and when the access they give ends (None: unknown).

    `scopes` are what the person allowed, where the provider says so.
    """

    secrets: Mapping[str, str]
    expires_at: datetime | None
    scopes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Grant(expires_at={self.expires_at})"


@dataclass(frozen=True, slots=True)
class Challenge:
    """The provider wants a second factor. `state` is JSON-able, holds cookies and is only ever stored sealed."""

    state: Mapping[str, Any]
    method: str  # "email", "sms", "app" or ""

    def __repr__(self) -> str:
        return f"Challenge(method={self.method!r})"


class Result(Protocol):
    """What a gateway answers."""

    @property
    def data(self) -> Any: ...
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Gateway(Protocol):
    """The only door to a provider's network: limits, time-outs, error mapping, metrics. See integrations/resilience."""

    @property
    def base_urls(self) -> Mapping[str, str]: ...

    def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        base: str = "api",
        scope: str | None = None,
        idempotent: bool | None = None,
        deadline: float | None = None,
        data_type: str | None = None,
        fallback: Any = None,
        **requests_kwargs: Any,
    ) -> Result: ...

    def guard(self, operation: str) -> Any:
        """A context manager around HTTP that a library does itself: takes from the operation's buckets first."""
        ...


class Adapter(Protocol):
    """`adapter.Adapter(gateway, secrets, scope)`: moves bytes and pages; methods of absent capabilities are left out.

    Every method raises the errors of `integrations.errors`; none of them retries or renews by itself.
    """

    def __init__(self, gateway: Gateway, secrets: Mapping[str, str], scope: str) -> None: ...
    def account(self) -> Raw: ...
    def workout_page(self, start: int) -> RawPage: ...
    def newest_workouts(self, start: int) -> RawPage: ...
    def workout(self, external_id: str) -> Raw: ...
    def create_workout(self, raw: Raw) -> Raw: ...
    def replace_workout(self, external_id: str, raw: Raw) -> None: ...
    def delete_workout(self, external_id: str) -> None: ...
    def schedule(self, external_id: str, on: date) -> Raw: ...
    def unschedule(self, schedule_id: str) -> None: ...
    def calendar(self, year: int, month: int) -> Raw: ...
    def activity_page(self, start: int, *, since: date | None, until: date | None = None) -> RawPage: ...
    def activity(self, external_id: str) -> Raw: ...
    def activity_detail(self, external_id: str) -> Raw: ...
    def activity_file(self, external_id: str) -> bytes: ...


@runtime_checkable
class SendsHistory(Protocol):
    """An adapter of a provider that sends what was recorded long ago by webhook, when it is asked for it."""

    def request_backfill(self, *, starts_on: date, ends_on: date) -> None:
        """Have it send what was recorded on these days, both included. Safe to repeat: it sends them once."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """A provider's promise to send to an address of ours."""

    id: int
    callback_url: str


class Subscriptions(Protocol):
    """`adapter.Subscriptions(gateway, client)` where the spec says `subscribes`; for operations."""

    def __init__(self, gateway: Gateway, client: OAuthClient) -> None: ...

    def present(self) -> Sequence[Subscription]: ...

    def create(self, callback_url: str, verify_token: str) -> int:
        """The provider asks the address for a handshake first. Raises ValidationError when it does not take it."""
        ...

    def delete(self, subscription_id: int) -> None:
        """Gone afterwards, whether or not it was there."""
        ...


class Translator(Protocol):
    """`translator.py`, pure functions: raw ↔ record. Raises DataError for what it cannot read."""

    def to_account(self, raw: Raw) -> AccountRecord: ...
    def to_summary(self, raw: Raw) -> WorkoutSummary: ...
    def to_workout(self, raw: Raw) -> WorkoutRecord: ...
    def from_workout(self, record: WorkoutRecord) -> Raw: ...
    def to_schedule(self, raw: Raw) -> ScheduleRecord: ...
    def to_calendar(self, raw: Raw) -> Iterator[ScheduleRecord]: ...
    def to_activity(self, raw: Raw) -> ActivityRecord: ...
    def to_details(self, raw: Raw) -> DetailsRecord: ...


class Validator(Protocol):
    """`validator.py`: returns the record or raises DataError.

    `unsupported` names what the provider cannot express, `warnings` what it takes though a device may not.
    """

    def validate_account(self, record: AccountRecord) -> AccountRecord: ...
    def validate_workout(self, record: WorkoutRecord) -> WorkoutRecord: ...
    def validate_activity(self, record: ActivityRecord) -> ActivityRecord: ...
    def unsupported(self, record: WorkoutRecord) -> list[Problem]: ...
    def warnings(self, record: WorkoutRecord) -> list[Problem]: ...


class Login(Protocol):
    """`login.Login(gateway)`: interactive login and renewal. Nothing here is ever repeated by itself."""

    def __init__(self, gateway: Gateway) -> None: ...

    def begin(self, values: Mapping[str, str]) -> Grant | Challenge:
        """Log in with the connect form's values. Raises LoginRefused, LoginBlocked, or an outage's error."""
        ...

    def answer(self, state: Mapping[str, Any], code: str) -> Grant | Challenge:
        """Finish a challenge in any process. Raises CodeRefused when the code is wrong: the challenge stands."""
        ...

    def renew(self, secrets: Mapping[str, str]) -> Grant:
        """New secrets for old ones. AuthenticationError(code="invalid_grant") means the login is over."""
        ...


class OAuthLogin(Protocol):
    """`login.Login(gateway, client)` where the spec has `oauth`; the classes of `integrations.oauth` are most of it."""

    def __init__(self, gateway: Gateway, client: OAuthClient) -> None: ...

    def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> Grant:
        """Secrets for the code that the person came back with; a code is good once.

        `verifier` is empty where the spec has no PKCE. AuthenticationError(code="invalid_grant") when it is not taken.
        """
        ...

    def renew(self, secrets: Mapping[str, str]) -> Grant:
        """As in `Login`."""
        ...


@runtime_checkable
class RevokingLogin(Protocol):
    """A login that the provider lets us end."""

    def revoke(self, secrets: Mapping[str, str]) -> None:
        """From now on the provider refuses these secrets. Raises when it could not be told."""
        ...


class Webhooks(Protocol):
    """`webhooks.py`, pure: what a provider sends us of its own accord. Bodies are verified before they come here.

    `SCHEME` is one of `integrations.signatures.SCHEMES`, or UNSIGNED. `MOST_BYTES` caps a body. `ORDERED` asks that the
    bodies about one object are processed in the order they came in.
    """

    SCHEME: str
    OPTIONS: Options
    MOST_BYTES: int
    ORDERED: bool

    def identify(self, headers: Mapping[str, str], payload: Any) -> str:
        """What two deliveries of the same thing have in common, at most 128 letters; "" stands for the body's hash."""
        ...

    def handshake(self, query: Mapping[str, Sequence[str]], secrets: Sequence[str]) -> Mapping[str, Any] | None:
        """The JSON answer to a GET by which the provider checks the address; None where it knows no such thing.

        Raises InvalidSignature when the token is not one of `secrets`, DataError when the question makes no sense.
        """
        ...

    def accepts(
        self, headers: Mapping[str, str], payload: Any, client_id: str, registration: Mapping[str, Any]
    ) -> bool:
        """Whether the body is meant for us, beyond its signature: False is answered like a wrong signature.

        `client_id` is the Provider row's, `registration` what operations or the provider noted at the endpoint, such
        as a subscription's id. Raises DataError for what must not be stored at all, such as a hostile callback.
        """
        ...

    def parse(self, payload: Any) -> list[ProviderEvent]:
        """Everything the body tells. Types we do not know are UNKNOWN; raises DataError for an unexpected shape."""
        ...
