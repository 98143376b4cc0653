"""Operations' pages for the in-box."""

from webhooks.admin import endpoints, events, home

__all__ = ["endpoints", "events", "home"]
