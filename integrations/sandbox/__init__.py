"""Stand-ins for the providers that speak their real protocols on one loopback port."""

from integrations.sandbox.kit import Answer, HangUp, Request, Sandbox, route
from integrations.sandbox.server import RunningSandbox, running
from integrations.sandbox.store import Store

__all__ = ["Answer", "HangUp", "Request", "RunningSandbox", "Sandbox", "Store", "route", "running"]
