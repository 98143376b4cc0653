"""A rotation under everything that can happen to it: readers, writers, kills, stops, lost keys and the wrong order."""

import pytest
from django.test import override_settings

from accounts.models import User
from integrations import sealed, vault
from integrations.encryption import new_key
from integrations.models import Credential, Provider, VaultRotation
from integrations.services import rotating
from tests.integrations import sealing

pytestmark = pytest.mark.django_db(transaction=True)

K1, K2 = new_key("k1"), new_key("k2")


def test_x(garmin_provider: Provider) -> None:
    with override_settings(CREDENTIAL_KEYS=K1):
        sealing.credentials(garmin_provider, 25)
    with override_settings(CREDENTIAL_KEYS=f"{K2},{K1}"):
        rotation = rotating.start("k2", by=None)
        assert rotating.left("k2") == 25
        rotating.run(rotation.pk, size=10)
        rotation.refresh_from_db()
        assert (rotation.status, rotation.done_n, rotation.failed_n, rotation.total_n) == ("done", 25, 0, 25)
        assert rotating.left("k2") == 0
