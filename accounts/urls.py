from django.urls import path

from accounts import data_views, login_views, token_views, views

app_name = "accounts"
urlpatterns = [
    path("confirm/", login_views.log_in_again, name="log_in_again"),
    path("password/set/", login_views.set_password, name="set_password"),  # before allauth's, which asks nobody
    path("sessions/", login_views.sessions, name="sessions"),  # in the place of allauth's, too
    path("settings/", views.settings, name="settings"),
    path("data/", data_views.my_data, name="my_data"),
    path("data/copy/", data_views.ask_for_copy, name="ask_for_copy"),
    path("data/copy/<uuid:request_id>/", data_views.download, name="download"),
    path("data/delete/", data_views.delete_account, name="delete_account"),
    path("tokens/", token_views.tokens, name="tokens"),
    path("tokens/<uuid:token_id>/revoke/", token_views.revoke_token, name="revoke_token"),
    path("start-coaching/", views.start_coaching, name="start_coaching"),
]
