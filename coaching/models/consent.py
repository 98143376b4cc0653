from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from coaching.models.roster import CoachingLink, Scope


class ConsentEntry(models.Model):
    """What an athlete allowed a coach, at one moment: rows are added, and never changed."""

    class What(models.TextChoices):
        GIVEN = "given", _("Allowed")
        CHANGED = "changed", _("Changed")
        ENDED = "ended", _("Ended")

    link = models.ForeignKey(CoachingLink, models.CASCADE, related_name="consent")
    what = models.CharField(max_length=8, choices=What)
    scopes = models.JSONField(default=list)
    auto_import = models.BooleanField(default=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "consent entries"
        indexes = [models.Index(fields=["link", "-id"], name="consent_of_link")]

    def __str__(self) -> str:
        return f"{self.what} {', '.join(self.scopes)}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("a consent entry is never changed")
        super().save(*args, **kwargs)

    @property
    def scope_words(self) -> list[str]:
        return [str(Scope(scope).label) for scope in self.scopes if scope in Scope.values]
