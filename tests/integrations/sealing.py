"""Many logins at once, sealed as the product seals them."""

from uuid import uuid4

from accounts.models import User
from integrations import encryption, vault
from integrations.models import Connection, Credential, Provider


def secrets_of(number: int) -> dict[str, str]:
    return {"access": f"access-{number}", "refresh": f"refresh-{number}"}


def place_of(credential: Credential, user_id: int) -> dict[str, str]:
    """What binds a login to its row and owner; written down here once more, apart from the product."""
    return {
        "model_label": "integrations.credential",
        "row_uuid": str(credential.public_id),
        "field": "sealed",
        "owner": f"user:{user_id}",
    }


def credentials(provider: Provider, number: int, *, padding: int = 0) -> list[Credential]:
    """`number` people, each with a connection and its login, under the ring's first key."""
    users = User.objects.bulk_create([User(email=f"{uuid4().hex}@example.org") for _ in range(number)])
    connections = Connection.objects.bulk_create(
        [Connection(user=user, provider=provider, status="active", external_account_id=str(user.pk)) for user in users]
    )
    made = [Credential(connection=connection, kind=Credential.Kind.SESSION) for connection in connections]
    for index, credential in enumerate(made):
        secrets = secrets_of(index) | ({"more": "x" * padding} if padding else {})
        credential.sealed = vault.seal_json(secrets, **place_of(credential, credential.connection.user_id))
        credential.key_id = encryption.key_id(credential.sealed)
    return Credential.objects.bulk_create(made, batch_size=2_000)
