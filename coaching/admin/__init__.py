"""Operations' pages for links, workouts, shares, deliveries and notifications."""

from coaching.admin import deliveries, roster

__all__ = ["deliveries", "roster"]
