from django.urls import path

from config.demo import views

app_name = "demo"
urlpatterns = [
    path("", views.home, name="home"),
    path("log-in/<uuid:public_id>/", views.log_in, name="log_in"),
    path("mail/", views.mail, name="mail"),
]
