"""Operations' pages for providers, connections, syncs and the engine's own rows."""

from integrations.admin import connections, engine, events, health, home, keys, providers, sync

__all__ = ["connections", "engine", "events", "health", "home", "keys", "providers", "sync"]
