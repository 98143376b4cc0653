"""Personal access tokens, for operations: whose they are, what they may do and whether they still work."""

from django.contrib import admin
from django.db.models.functions import Now

from accounts.models import AccessToken, User
from accounts.operations import Operation, OperationsAdmin


def _revoke(token: AccessToken, *_: object) -> bool:
    return bool(AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()))


@admin.register(AccessToken)
class AccessTokenAdmin(OperationsAdmin):
    """The token itself is known to its owner alone; its hash is of no use to anybody."""

    list_display = ("owner", "name", "ends_in", "may", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "expires_at", "last_used_at")
    linkable = ("user",)
    search_fields = ("name", "=public_id", "=user__email")
    search_help_text = "The token's name or id, or its owner's email."
    ordering = ("-pk",)
    fields = ("public_id", "owner", "name", "ends_in", "may", "created_at", "last_used_at", "expires_at", "revoked_at")
    readonly_fields = fields
    operations = (
        Operation(
            "revoke",
            "Revoke",
            "Scripts that use it are refused from now on. The owner sees it on his page and can make another.",
            _revoke,
            is_dangerous=True,
        ),
    )

    @admin.display(ordering="user__email")
    def owner(self, token: AccessToken) -> User:
        return token.user

    @admin.display
    def ends_in(self, token: AccessToken) -> str:
        return f"…{token.hint}"

    @admin.display(description="may")
    def may(self, token: AccessToken) -> str:
        return ", ".join(token.scope_words) or "nothing"
