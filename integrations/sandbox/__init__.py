"""Stand-ins for the providers that speak their real protocols on one loopback port."""

from integrations.sandbox.faults import Fault, UnknownFault
from integrations.sandbox.kit import OwnFault, Route, Sandbox, route
from integrations.sandbox.messages import BLOCK_PAGE, Answer, Call, HangUp, Request
from integrations.sandbox.sending import Letter, Sent
from integrations.sandbox.server import RunningSandbox, running
from integrations.sandbox.store import ForeignFile, Store

__all__ = [
    "BLOCK_PAGE",
    "Answer",
    "Call",
    "Fault",
    "ForeignFile",
    "HangUp",
    "Letter",
    "OwnFault",
    "Request",
    "Route",
    "RunningSandbox",
    "Sandbox",
    "Sent",
    "Store",
    "UnknownFault",
    "route",
    "running",
]
