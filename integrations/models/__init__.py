from integrations.models.connection import Connection, ConnectSession, Credential, LoginCooldown
from integrations.models.event import DomainEvent, Tick
from integrations.models.provider import Provider, ProviderMode, VaultKey
from integrations.models.sync import Resource, SyncJob, SyncStream

__all__ = [
    "ConnectSession",
    "Connection",
    "Credential",
    "DomainEvent",
    "LoginCooldown",
    "Provider",
    "ProviderMode",
    "Resource",
    "SyncJob",
    "SyncStream",
    "Tick",
    "VaultKey",
]
