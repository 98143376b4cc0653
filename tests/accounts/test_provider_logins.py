"""Coming in with Google and GitHub: the good ways, through allauth's own provider classes and real HTTP."""

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount

from accounts.models import AuditEntry, User
from tests.accounts.login_world import NORA, Visitor

type Someone = Callable[[], Visitor]


@pytest.mark.parametrize("provider", ["google", "github"])
def test_a_newcomer_is_inside_at_once_with_the_address_that_the_provider_vouches_for(
    someone: Someone, provider: str
) -> None:
    nora = someone()
    answer = nora.log_in(NORA, provider)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert nora.is_inside
    user = User.objects.get()
    assert (user.email, user.display_name, user.has_usable_password()) == ("nora@demo.example", "Nora Newcomer", False)
    address = EmailAddress.objects.get()
    assert (address.user, address.email, address.verified, address.primary) == (user, user.email, True, True)
    account = SocialAccount.objects.get()
    assert (account.provider, account.uid) == (provider, NORA)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["user.signed_up", "user.logged_in"]
    again = someone()
    again.log_in(NORA, provider)
    assert again.user_id == user.pk
    assert User.objects.count() == 1
