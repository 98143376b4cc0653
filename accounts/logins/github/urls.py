from allauth.socialaccount.providers.oauth2.urls import default_urlpatterns

from accounts.logins.github.provider import GitHubLogin

urlpatterns = default_urlpatterns(GitHubLogin)
