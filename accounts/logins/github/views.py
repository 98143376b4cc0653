from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2LoginView

from accounts.logins.careful import CarefulAdapter, CarefulCallbackView


class GitHubLoginAdapter(CarefulAdapter, GitHubOAuth2Adapter):  # type: ignore[misc]
    headers = {"Accept": "application/json"}


oauth2_login = OAuth2LoginView.adapter_view(GitHubLoginAdapter)
oauth2_callback = CarefulCallbackView.adapter_view(GitHubLoginAdapter)
