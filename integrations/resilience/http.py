"""HTTP exchanges of one provider: a session per thread, no cookies, no redirects, bounded in time, size and number."""

import threading
import time
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from integrations import errors
from integrations.resilience import metrics
from integrations.resilience.policies import PoolPolicy

MOST_BYTES = 10 * 1024 * 1024
MOST_FILE_BYTES = 32 * 1024 * 1024
CHUNK = 64 * 1024
DEADLINE, POOL_TIMEOUT = "deadline", "pool_timeout"  # nothing was sent: no failure of the provider


def plain_adapter() -> HTTPAdapter:
    return HTTPAdapter(pool_maxsize=10, pool_block=False, max_retries=0)


class Pool:
    """Connections to one provider, at most `max_connections` in use; threads share them, sessions they do not.

    A session keeps no cookies, so two accounts' answers never mix.
    """

    def __init__(
        self,
        provider: str,
        policy: PoolPolicy,
        *,
        adapter: Callable[[], HTTPAdapter] = plain_adapter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider, self.policy = provider, policy
        self._adapter = adapter()
        self._clock = clock
        self._slots = threading.BoundedSemaphore(policy.max_connections)
        self._in_use = metrics.POOL.labels(provider)
        self._local = threading.local()
        self._used_at = clock()

    def exchange(
        self, method: str, url: str, *, deadline: float, most_bytes: int = MOST_BYTES, **kwargs: Any
    ) -> tuple[requests.Response, bytes]:
        """Send and read the whole body, within `deadline` and `most_bytes`. Raises requests' errors or ours."""
        policy, now = self.policy, self._clock()
        end = min(now + policy.wall_timeout, deadline)
        if end <= now or not self._slots.acquire(timeout=min(policy.acquire_timeout, end - now)):
            raise self._too_late(is_late=end <= self._clock())
        self._in_use.inc()
        try:
            now = self._clock()
            self._refresh(now)
            left = max(end - now, 0.001)
            timeout = (min(policy.connect_timeout, left), min(policy.read_timeout, left))
            with self._session().request(
                method, url, timeout=timeout, allow_redirects=False, stream=True, **kwargs
            ) as response:
                return response, self._read(response, end, most_bytes)
        finally:
            self._in_use.dec()
            self._slots.release()

    def _too_late(self, *, is_late: bool) -> errors.IntegrationError:
        if is_late:
            return errors.TimeoutError(provider=self.provider, code=DEADLINE)
        return errors.ConnectionError("all our connections to it are in use", provider=self.provider, code=POOL_TIMEOUT)

    def _refresh(self, now: float) -> None:
        """What was idle for long, a firewall may have forgotten."""
        if now - self._used_at > self.policy.idle_timeout:
            self._adapter.close()
        self._used_at = now

    def _session(self) -> requests.Session:
        found: requests.Session | None = getattr(self._local, "session", None)
        if found is None:
            found = requests.Session()
            found.trust_env = False
            found.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            found.mount("https://", self._adapter)
            found.mount("http://", self._adapter)
            self._local.session = found
        return found

    def _read(self, response: requests.Response, end: float, most_bytes: int) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > most_bytes:
                raise errors.DataError("the answer is too large", provider=self.provider, code="answer_too_large")
            if self._clock() > end:
                raise errors.TimeoutError("the answer came too slowly", provider=self.provider)
        return bytes(body)
