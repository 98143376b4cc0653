"""Each provider folder has its row, which operations switch on."""

from django.db import transaction

from integrations import control, registry
from integrations.models import FeatureFlag, Provider
from integrations.spec import ProviderSpec


@transaction.atomic
def sync_providers() -> list[str]:
    """Make the missing rows, switched off, and return their slugs; and a flag a direction, open to everybody.

    What operations have set is left alone.
    """
    known = set(Provider.objects.values_list("slug", flat=True))
    missing = [spec for slug, spec in registry.specs().items() if slug not in known]
    Provider.objects.bulk_create([_row(spec) for spec in missing], ignore_conflicts=True)
    flags = [_flag(spec, direction) for spec in registry.specs().values() for direction in control.DIRECTIONS]
    FeatureFlag.objects.bulk_create(flags, ignore_conflicts=True)
    return [spec.slug for spec in missing]


def _row(spec: ProviderSpec) -> Provider:
    return Provider(
        slug=spec.slug,
        name=spec.label,
        visible_to_coach=spec.policy.visible_to_coach,
        cache_days=spec.policy.cache_days,
        may_merge=spec.policy.may_merge,
        scopes=list(spec.oauth.scopes) if spec.oauth else [],
    )


def _flag(spec: ProviderSpec, direction: str) -> FeatureFlag:
    doing = control.DOING[direction].format(p=spec.label)
    return FeatureFlag(name=control.flag_name(spec.slug, direction), description=f"{doing}: for whom it is open.")
