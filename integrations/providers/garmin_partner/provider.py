"""Garmin's partner programme: its Training API and Activity API, to which a person says yes on Garmin's own page."""

from django.utils.translation import gettext_noop as _

from integrations.spec import Capability, Limit, OAuthEndpoints, Part, ProviderSpec

SLUG = "garmin_partner"
ACTIVITIES, WORKOUTS, HISTORY = "ACTIVITY_EXPORT", "WORKOUT_IMPORT", "HISTORICAL_DATA_EXPORT"
API_HOST = "apis.garmin.com"

SPEC = ProviderSpec(
    slug=SLUG,
    label="Garmin Connect (official)",
    summary=_("Your workouts go to Garmin Connect and from there to your watch. You say yes on Garmin's own page."),
    capabilities=frozenset(
        {
            Capability.WORKOUTS_WRITE,
            Capability.WORKOUTS_SCHEDULE,
            Capability.ACTIVITIES_READ,
            Capability.WEBHOOKS,
        }
    ),
    base_urls={
        "authorize": "https://connect.garmin.com",
        "token": "https://diauth.garmin.com",
        "api": f"https://{API_HOST}",
        # Newer partners find the same three calls below /partner-gateway/rest: operations move there by the row.
        "user": f"https://{API_HOST}/wellness-api/rest",
    },
    allowed_hosts=frozenset({"connect.garmin.com", "diauth.garmin.com", API_HOST}),
    oauth=OAuthEndpoints(
        authorize="/oauth2Confirm",
        token="/di-oauth2-service/oauth/token",
        revoke="/user/registration",
        scopes=(ACTIVITIES, WORKOUTS),
        asks_for_scopes=False,
        words={
            ACTIVITIES: _("Share your activities: we read what you record."),
            WORKOUTS: _("Import workouts: we put the workouts you accept into your Garmin calendar."),
            HISTORY: _("Share older data: we read what you recorded long before."),
        },
        uses=(
            _("We put workouts that you accepted into your account, and change or take out only those."),
            _("We read the activities you record, and show them to your coach where you allow it."),
            _("Garmin leaves historical data unticked. Tick it as well if you want your past activities here."),
        ),
    ),
    limits={
        # What Garmin gives a key at first: 100 calls a minute in all, and 200 a day for each account.
        "provider": Limit(capacity=10, per_s=1.5),
        "account": Limit(capacity=100, per_s=100 / 86_400),
    },
    permissions={
        Capability.ACTIVITIES_READ: ACTIVITIES,
        Capability.WORKOUTS_WRITE: WORKOUTS,
        Capability.WORKOUTS_SCHEDULE: WORKOUTS,
    },
    listed_days=30,
    parts=frozenset({Part.ADAPTER, Part.TRANSLATOR, Part.VALIDATOR, Part.SANDBOX, Part.LOGIN, Part.WEBHOOKS}),
)
