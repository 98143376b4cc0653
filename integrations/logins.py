"""From a Provider row to the login part that speaks for us there, with our registration where the provider has one."""

from integrations import errors, gateways, registry, vault
from integrations.models import Provider
from integrations.spec import Login, OAuthClient, OAuthEndpoints, OAuthLogin, Part, RevokingLogin, Subscriptions


def login_for(provider: Provider) -> Login | OAuthLogin:
    """Whichever it has; for renewing and ending logins. Raises ConfigurationError."""
    return oauth_login_for(provider) if registry.spec_for(provider.slug).oauth else password_login_for(provider)


def password_login_for(provider: Provider) -> Login:
    return registry.login_class(provider.slug)(gateways.gateway_for(provider))


def oauth_login_for(provider: Provider) -> OAuthLogin:
    return registry.oauth_login_class(provider.slug)(gateways.gateway_for(provider), client_of(provider))


def subscriptions_for(provider: Provider) -> Subscriptions:
    """What registers our webhook address there. Raises ConfigurationError."""
    return registry.subscriptions_class(provider.slug)(gateways.gateway_for(provider), client_of(provider))


def can_be_revoked(provider: Provider) -> bool:
    """Whether the provider lets us end a login there."""
    spec = registry.spec_for(provider.slug)
    return Part.LOGIN in spec.parts and issubclass(registry.part(spec.slug, Part.LOGIN).Login, RevokingLogin)


def endpoints_of(provider: Provider) -> OAuthEndpoints:
    """Raises ConfigurationError for a provider with a login form."""
    endpoints = registry.spec_for(provider.slug).oauth
    if endpoints is None:
        raise errors.ConfigurationError("this provider is connected with a login form", provider=provider.slug)
    return endpoints


def scopes_of(provider: Provider) -> tuple[str, ...]:
    """What we ask for: the row's, else the spec's."""
    return tuple(provider.scopes) or endpoints_of(provider).scopes


def client_of(provider: Provider) -> OAuthClient:
    """Our registration. Raises ConfigurationError while operations have not entered it."""
    if not (provider.client_id and provider.client_secret):
        raise errors.ConfigurationError(
            "its client id and client secret are not set", provider=provider.slug, code="oauth_client"
        )
    opened = vault.open_json(provider.client_secret, **secret_place(provider))
    return OAuthClient(provider.client_id, str(opened["client_secret"]))


def secret_place(provider: Provider) -> dict[str, str]:
    """What binds the sealed client secret to its row."""
    return {
        "model_label": Provider._meta.label_lower,
        "row_uuid": str(provider.public_id),
        "field": "client_secret",
        "owner": f"provider:{provider.slug}",
    }
