from integrations.models.connection import Connection, ConnectSession, Credential, LoginCooldown
from integrations.models.control import FeatureFlag, HealthReport
from integrations.models.event import DomainEvent, Tick
from integrations.models.provider import MaintenanceWindow, Phase, Provider, ProviderMode
from integrations.models.sync import BackfillWindow, Reconciliation, Resource, SyncJob, SyncStream
from integrations.models.vault import VaultKey, VaultRotation

__all__ = [
    "BackfillWindow",
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
    "Reconciliation",
    "Resource",
    "SyncJob",
    "SyncStream",
    "Tick",
    "VaultKey",
    "VaultRotation",
]
