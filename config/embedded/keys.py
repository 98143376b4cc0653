"""The demo's own keys: made once, readable by nobody else, handed on as files so that no environment holds them."""

import base64
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def ensure(folder: Path) -> dict[str, str]:
    """Make the keys that are missing below `folder`; the environment that names their files."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "CREDENTIAL_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        "METRICS_TOKEN": secrets.token_urlsafe(32),
    }
    for name, value in made.items():
        _write_once(folder / name.lower(), value)
    return {f"{name}_FILE": str(folder / name.lower()) for name in made}


def _write_once(file: Path, value: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(value)
