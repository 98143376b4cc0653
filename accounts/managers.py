from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db.models.functions import Now

from accounts.signals import coaching_started

if TYPE_CHECKING:
    from accounts.models import User


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("a user needs an email address")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def start_coaching(self, user: "User") -> None:
        """Safe to run twice: the first time counts."""
        started = self.filter(pk=user.pk, coaching_since=None).update(coaching_since=Now())
        user.refresh_from_db(fields=["coaching_since"])
        if started:
            coaching_started.send(sender=self.model, user=user)
