"""Finds the provider folders and imports their parts on first use; the only module that touches them."""

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import cast

from integrations import errors, providers
from integrations.spec import (
    Adapter,
    Capability,
    Login,
    OAuthLogin,
    Part,
    ProviderSpec,
    Subscriptions,
    Translator,
    Validator,
    Webhooks,
)


class BrokenProvider(Exception):
    """A provider folder that does not keep to the interface; the message names the folder and the reason."""


@cache
def specs() -> dict[str, ProviderSpec]:
    """All providers by slug, in alphabetical order. Raises BrokenProvider."""
    folders = sorted(info.name for info in pkgutil.iter_modules(providers.__path__) if info.ispkg)
    return {slug: _read_spec(slug) for slug in folders}


def spec_for(slug: str) -> ProviderSpec:
    """The provider's spec; ConfigurationError when its folder is gone."""
    try:
        return specs()[slug]
    except KeyError:
        raise errors.ConfigurationError(f"there is no provider {slug!r}", provider=slug) from None


def choices() -> list[tuple[str, str]]:
    """For form and model fields: a callable, so that a new provider makes no migration."""
    return [(slug, spec.label) for slug, spec in specs().items()]


def having(capability: Capability) -> list[str]:
    return [slug for slug, spec in specs().items() if spec.can(capability)]


@cache
def part(slug: str, name: Part) -> ModuleType:
    """The module of one part of a provider. ConfigurationError when the spec does not name it."""
    if name not in spec_for(slug).parts:
        raise errors.ConfigurationError(f"provider {slug!r} has no part {name!r}", provider=slug)
    return import_module(f"{providers.__name__}.{slug}.{name}")


def adapter_class(slug: str) -> type[Adapter]:
    return cast("type[Adapter]", part(slug, Part.ADAPTER).Adapter)


def translator(slug: str) -> Translator:
    return cast("Translator", part(slug, Part.TRANSLATOR))


def validator(slug: str) -> Validator:
    return cast("Validator", part(slug, Part.VALIDATOR))


def login_class(slug: str) -> type[Login]:
    return cast("type[Login]", part(slug, Part.LOGIN).Login)


def oauth_login_class(slug: str) -> type[OAuthLogin]:
    return cast("type[OAuthLogin]", part(slug, Part.LOGIN).Login)


def webhooks(slug: str) -> Webhooks:
    return cast("Webhooks", part(slug, Part.WEBHOOKS))


def subscriptions_class(slug: str) -> type[Subscriptions]:
    """ConfigurationError where the provider's address is registered by hand."""
    if not spec_for(slug).subscribes:
        raise errors.ConfigurationError("its webhook address is registered by hand", provider=slug)
    return cast("type[Subscriptions]", part(slug, Part.ADAPTER).Subscriptions)


def _read_spec(slug: str) -> ProviderSpec:
    where = f"integrations/providers/{slug}/provider.py"
    try:
        module = import_module(f"{providers.__name__}.{slug}.provider")
    except ModuleNotFoundError as exc:
        raise BrokenProvider(f"{where} is missing or imports what is missing: {exc.name}") from exc
    spec = getattr(module, "SPEC", None)
    if not isinstance(spec, ProviderSpec):
        raise BrokenProvider(f"{where} must declare SPEC, a ProviderSpec")
    if spec.slug != slug:
        raise BrokenProvider(f"{where}: SPEC.slug is {spec.slug!r} but the folder is {slug!r}")
    return spec
