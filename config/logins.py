"""allauth's settings of the login providers: the real addresses, or the sandbox's where the demo has no application."""

from typing import Any
from urllib.parse import urlsplit

from config.env import Application
from integrations.encryption import Secret

GOOGLE = "https://accounts.google.com"
GITHUB = "https://github.com"
SANDBOX_APPLICATION = Application("sandbox-login", Secret("sandbox-login-secret"))


def in_demo(known: dict[str, Application]) -> dict[str, Application]:
    """Who sets up a real application may try it in the demo, too."""
    return {"google": SANDBOX_APPLICATION, "github": SANDBOX_APPLICATION, **known}


def providers(applications: dict[str, Application], sandbox_url: str) -> dict[str, dict[str, Any]]:
    """PKCE for both; for Google an id token, which only comes with `openid`."""
    google: dict[str, Any] = {"SCOPE": ["openid", "profile", "email"], "OAUTH_PKCE_ENABLED": True}
    github: dict[str, Any] = {"SCOPE": ["user:email"], "OAUTH_PKCE_ENABLED": True}
    if applications.get("google") is SANDBOX_APPLICATION:
        google |= {
            "AUTHORIZE_URL": f"{sandbox_url}/google/authorize",
            "ACCESS_TOKEN_URL": f"{sandbox_url}/google/token",
            "IDENTITY_URL": f"{sandbox_url}/google/userinfo",
            "CERTS_URL": f"{sandbox_url}/google/certs",
            "ID_TOKEN_ISSUER": GOOGLE,
        }
    if applications.get("github") is SANDBOX_APPLICATION:
        github["GITHUB_URL"] = f"{sandbox_url}/github"
    return {"google": google, "github": github}


def origins(configured: dict[str, dict[str, Any]]) -> list[str]:
    """Where the buttons lead, for the pages' policy."""
    urls = (configured["google"].get("AUTHORIZE_URL", GOOGLE), configured["github"].get("GITHUB_URL", GITHUB))
    return sorted({f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls})
