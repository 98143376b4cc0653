"""Garmin Connect, signed in to as its own apps do."""

from django.utils.translation import gettext_noop as _

from integrations.spec import Capability, CredentialField, Limit, Part, ProviderSpec

SLUG = "garmin"

SPEC = ProviderSpec(
    slug=SLUG,
    label="Garmin Connect",
    summary=_("Your workouts go to Garmin Connect and from there to your watch."),
    capabilities=frozenset(
        {
            Capability.WORKOUTS_READ,
            Capability.WORKOUTS_WRITE,
            Capability.WORKOUTS_SCHEDULE,
            Capability.ACTIVITIES_READ,
            Capability.ACTIVITIES_DETAILS,
            Capability.ACTIVITIES_FILE,
        }
    ),
    base_urls={
        "sso": "https://sso.garmin.com",
        "connect": "https://connect.garmin.com",
        "api": "https://connectapi.garmin.com",
        "token": "https://diauth.garmin.com",
    },
    allowed_hosts=frozenset({"sso.garmin.com", "connect.garmin.com", "connectapi.garmin.com", "diauth.garmin.com"}),
    credential_fields=(
        CredentialField("email", _("Garmin email"), "email"),
        CredentialField("password", _("Garmin password"), "password", max_length=128),
    ),
    account_credential="email",
    limits={
        "account": Limit(capacity=2, per_s=1),
        "login": Limit(capacity=1, per_s=1 / 30),
        "login_hour": Limit(capacity=10, per_s=10 / 3600),
    },
    parts=frozenset({Part.ADAPTER, Part.TRANSLATOR, Part.VALIDATOR, Part.SANDBOX, Part.LOGIN}),
)
