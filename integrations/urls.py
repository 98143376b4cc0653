from django.urls import path

from integrations import views

app_name = "integrations"
urlpatterns = [
    path("", views.connections, name="connections"),
    path("sessions/<uuid:session_id>/", views.session, name="session"),
    path("sessions/<uuid:session_id>/wait/", views.wait, name="wait"),
    path("sessions/<uuid:session_id>/code/", views.submit_code, name="submit_code"),
    path("sessions/<uuid:session_id>/restart/", views.restart, name="restart"),
    path("<uuid:connection_id>/progress/", views.progress, name="progress"),
    path("<uuid:connection_id>/sync/", views.sync_now, name="sync_now"),
    path("<uuid:connection_id>/check/", views.check, name="check"),
    path("<uuid:connection_id>/pause/", views.pause, name="pause"),
    path("<uuid:connection_id>/resume/", views.resume, name="resume"),
    path("<uuid:connection_id>/disconnect/", views.disconnect, name="disconnect"),
    path("<slug:slug>/connect/", views.connect, name="connect"),
    path("<slug:slug>/callback/", views.callback, name="callback"),
]
