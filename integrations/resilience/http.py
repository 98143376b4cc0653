"""One HTTP exchange: a session per thread, no cookies, no redirects, bounded in time and size."""

import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from integrations import errors

CONNECT_S, READ_S, WALL_S = 3.05, 20.0, 30.0
MOST_BYTES = 10 * 1024 * 1024
CHUNK = 64 * 1024

_local = threading.local()


def session() -> requests.Session:
    """This thread's session. It keeps no cookies, so two accounts' answers never mix."""
    found: requests.Session | None = getattr(_local, "session", None)
    if found is None:
        found = requests.Session()
        found.trust_env = False
        found.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        found.mount("https://", HTTPAdapter(pool_maxsize=10, max_retries=0))
        found.mount("http://", HTTPAdapter(pool_maxsize=10, max_retries=0))
        _local.session = found
    return found


def exchange(
    method: str, url: str, *, provider: str, deadline: float | None, **kwargs: Any
) -> tuple[requests.Response, bytes]:
    """Send and read the whole body, within `deadline` (monotonic) and MOST_BYTES. Raises requests' errors or ours."""
    end = time.monotonic() + WALL_S
    end = min(end, deadline) if deadline is not None else end
    left = end - time.monotonic()
    if left <= 0:
        raise errors.TimeoutError(provider=provider, code="deadline")
    with session().request(
        method, url, timeout=(min(CONNECT_S, left), min(READ_S, left)), allow_redirects=False, stream=True, **kwargs
    ) as response:
        return response, _read(response, provider=provider, end=end)


def _read(response: requests.Response, *, provider: str, end: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > MOST_BYTES:
            raise errors.DataError("the answer is too large", provider=provider, code="answer_too_large")
        if time.monotonic() > end:
            raise errors.TimeoutError("the answer came too slowly", provider=provider)
    return bytes(body)
