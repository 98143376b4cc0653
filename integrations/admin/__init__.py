"""Operations' pages for providers, connections, syncs and the engine's own rows."""

from integrations.admin import connections, engine, events, home, keys, providers, sync

__all__ = ["connections", "engine", "events", "home", "keys", "providers", "sync"]
