"""Operations' pages for providers, connections, syncs and the engine's own rows."""

from integrations.admin import connections, control, engine, events, health, home, keys, providers, sync

__all__ = ["connections", "control", "engine", "events", "health", "home", "keys", "providers", "sync"]
