"""Strava, through its official API; an athlete says yes on Strava's own page."""

from django.utils.translation import gettext_noop as _

from integrations.providers.strava.limits import wait_s
from integrations.spec import Capability, Limit, OAuthEndpoints, Part, ProviderPolicy, ProviderSpec

SLUG = "strava"

SPEC = ProviderSpec(
    slug=SLUG,
    label="Strava",
    summary=_("The activities you record come here from Strava. Only you see them."),
    capabilities=frozenset({Capability.ACTIVITIES_READ, Capability.ACTIVITIES_DETAILS, Capability.WEBHOOKS}),
    base_urls={
        "authorize": "https://www.strava.com",
        "token": "https://www.strava.com",
        "api": "https://www.strava.com/api/v3",
    },
    # The second is announced as the API's host from 2027 on: operations move there by the row's base URLs.
    allowed_hosts=frozenset({"www.strava.com", "api-v3.strava.com"}),
    oauth=OAuthEndpoints(
        authorize="/oauth/authorize",
        token="/api/v3/oauth/token",
        revoke="/oauth/revoke",
        scopes=("read", "activity:read_all"),
        pkce=False,
        separator=",",
        words={
            "read": _("View your public profile: we read your name and the number of your account."),
            "read_all": _("View your private routes, segments and events."),
            "profile:read_all": _("View all of your profile."),
            "activity:read": _("View your activities, without those that only you can see."),
            "activity:read_all": _("View your activities, with those that only you can see."),
        },
        uses=(
            _("We read the activities you record, for nobody but you."),
            _("We change nothing in your account, and we train no machine with what we read."),
        ),
        parameters={"approval_prompt": "auto"},
    ),
    limits={
        "provider": Limit(capacity=20, per_s=100 / 900),  # 100 reads a quarter hour; the headers say what is left
        "account": Limit(capacity=5, per_s=0.5),
    },
    limit_from_headers=wait_s,
    policy=ProviderPolicy(visible_to_coach=False, cache_days=7, may_merge=False),
    client_signature="stripe",
    subscribes=True,
    parts=frozenset({Part.ADAPTER, Part.TRANSLATOR, Part.VALIDATOR, Part.SANDBOX, Part.LOGIN, Part.WEBHOOKS}),
)
