"""The cache: Redis, shared by all processes, and each process's own memory while Redis is away.

allauth counts tries at the login doors in it. Without a second place to count, a Redis that is away would be an error
page at the door, or a door without limits.
"""

import json
from functools import cache, partial
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from integrations.resilience.state import SharedState

MOST_ENTRIES = 10_000


class JsonSerializer:
    """In place of Django's pickle: who can write to Redis must not run code in here."""

    def dumps(self, obj: Any) -> bytes:
        return json.dumps(obj, separators=(",", ":")).encode()

    def loads(self, data: Any) -> Any:
        return json.loads(data)


class SharedOrOwnClient:
    """Takes every command of Django's Redis client. Which of the two stores answers is decided for each anew."""

    def __init__(self, servers: list[str], **options: Any) -> None:
        self._state = _state(servers[0])
        self._shared = RedisCacheClient(servers, serializer=JsonSerializer, **options)
        self._own = LocMemCache("redis-is-away", {"OPTIONS": {"MAX_ENTRIES": MOST_ENTRIES}})

    def __getattr__(self, command: str) -> Any:
        return partial(self._run, command)

    def _run(self, command: str, *args: Any) -> Any:
        answer = self._state.run(lambda: (getattr(self._shared, command)(*args),))
        return answer[0] if answer else getattr(self._own, command)(*args)


class SharedOrOwnCache(RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = SharedOrOwnClient


@cache
def _state(url: str) -> SharedState:
    """Of the process: its threads have a cache each, and one of them learns for all that Redis is away, or back."""
    return SharedState(url)
