"""Sports that one person's devices give different names for the same thing."""

from integrations.records import Sport

GYM = "gym"
FAMILIES = {
    Sport.WALKING: "on foot",
    Sport.HIKING: "on foot",
    Sport.STRENGTH: GYM,
    Sport.CARDIO: GYM,
    Sport.HIIT: GYM,
    Sport.YOGA: GYM,
    Sport.PILATES: GYM,
    Sport.MOBILITY: GYM,
}


def family_of(sport: str) -> str:
    """Running, cycling and the like are families of their own."""
    return FAMILIES.get(Sport(sport), sport) if sport in Sport else sport
