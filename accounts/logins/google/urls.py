from allauth.socialaccount.providers.oauth2.urls import default_urlpatterns

from accounts.logins.google.provider import GoogleLogin

urlpatterns = default_urlpatterns(GoogleLogin)
