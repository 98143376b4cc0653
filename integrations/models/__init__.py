from integrations.models.connection import Connection, ConnectSession, Credential, LoginCooldown
from integrations.models.control import FeatureFlag, HealthReport
from integrations.models.event import DomainEvent, Tick
from integrations.models.provider import MaintenanceWindow, Phase, Provider, ProviderMode
from integrations.models.sync import Resource, SyncJob, SyncStream
from integrations.models.vault import VaultKey, VaultRotation

__all__ = [
    "ConnectSession",
    "Connection",
    "Credential",
    "DomainEvent",
    "FeatureFlag",
    "HealthReport",
    "LoginCooldown",
    "MaintenanceWindow",
    "Phase",
    "Provider",
    "ProviderMode",
    "Resource",
    "SyncJob",
    "SyncStream",
    "Tick",
    "VaultKey",
    "VaultRotation",
]
