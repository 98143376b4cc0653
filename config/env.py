"""Typed readers of the process environment: X, or X_FILE naming a mounted file. A wrong value stops the start."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from integrations.encryption import Secret

_env = environ.FileAwareEnv()


@dataclass(frozen=True, slots=True)
class Application:
    """What a login provider knows us as."""

    client_id: str
    secret: Secret[str]


@dataclass(frozen=True, slots=True)
class Bucket:
    """An S3 bucket; without keys the machine's own role counts, without an endpoint Amazon's."""

    name: str
    region: str
    endpoint: str
    access_key: str
    secret_key: Secret[str]


def _read[T](name: str, default: T, cast: Callable[..., T]) -> T:
    try:
        return cast(name, default=default)
    except (ValueError, OSError, ImproperlyConfigured) as exc:
        raise ImproperlyConfigured(f"{name}: {exc}") from None


def text(name: str, default: str = "") -> str:
    """Without white space around it: files that editors wrote end with a new line."""
    return _read(name, default, _env.str).strip()


def flag(name: str, default: bool = False) -> bool:
    """true/false, yes/no, on/off, 1/0; anything else stops the start (environ would read a typo as false)."""
    raw = text(name, "").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false")


def whole(name: str, default: int, *, least: int = 0) -> int:
    value = _read(name, default, _env.int)
    if value < least:
        raise ImproperlyConfigured(f"{name} must be at least {least}")
    return value


def number(name: str, default: float, *, above: float = 0.0) -> float:
    value = _read(name, default, _env.float)
    if value <= above:
        raise ImproperlyConfigured(f"{name} must be above {above}")
    return value


def names(name: str, default: list[str] | None = None) -> list[str]:
    """A comma-separated list without empty entries."""
    found: list[str] = _read(name, default or [], _env.list)
    return [entry.strip() for entry in found if entry.strip()]


def database(name: str) -> dict[str, Any] | None:
    """Django's dict for a `postgres://` URL, None when it is not set; no other scheme is accepted."""
    return database_from(url, name) if (url := text(name)) else None


def database_from(url: str, name: str = "the database URL") -> dict[str, Any]:
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(f"{name} must be a postgres:// URL")
    return dict(_env.db_url_config(url))


def application(name: str, client_id: str, secret: str) -> Application | None:
    """Client id and secret, both or none of them."""
    if bool(client_id) != bool(secret):
        raise ImproperlyConfigured(f"{name}_CLIENT_ID and {name}_CLIENT_SECRET go together")
    return Application(client_id, Secret(secret)) if client_id else None


def bucket() -> Bucket | None:
    """Where files are kept, if not on a disk."""
    if not (name := text("S3_BUCKET")):
        return None
    keys = text("S3_ACCESS_KEY"), text("S3_SECRET_KEY")
    if bool(keys[0]) != bool(keys[1]):
        raise ImproperlyConfigured("S3_ACCESS_KEY and S3_SECRET_KEY go together")
    return Bucket(name, text("S3_REGION"), text("S3_ENDPOINT"), keys[0], Secret(keys[1]))
