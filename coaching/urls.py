from django.urls import path

from coaching.views import home, inbox, invitation, library, notices, roster, sharing

app_name = "coaching"
urlpatterns = [
    path("", home.home, name="home"),
    path("library/", library.library, name="library"),
    path("library/status/", library.library_status, name="library_status"),
    path("library/sync/", library.sync_library, name="sync_library"),
    path("library/<uuid:workout_id>/", library.workout, name="workout"),
    path("library/<uuid:workout_id>/archive/", library.archive, name="archive"),
    path("library/<uuid:workout_id>/share/", sharing.share, name="share"),
    path("deliveries/", sharing.deliveries, name="deliveries"),
    path("deliveries/<uuid:share_id>/", sharing.delivery, name="delivery"),
    path("deliveries/<uuid:share_id>/withdraw/", sharing.withdraw, name="withdraw"),
    path("deliveries/<uuid:share_id>/retry/", sharing.retry, name="retry"),
    path("athletes/", roster.athletes, name="athletes"),
    path("athletes/invite/", roster.invite, name="invite"),
    path("athletes/invitations/<uuid:invitation_id>/resend/", roster.resend, name="resend"),
    path("athletes/invitations/<uuid:invitation_id>/revoke/", roster.revoke, name="revoke"),
    path("athletes/<uuid:link_id>/", roster.athlete, name="athlete"),
    path("links/<uuid:link_id>/end/", roster.end, name="end_link"),
    path("invitation/", invitation.invitation, name="invitation"),
    path("invitation/accept/", invitation.accept, name="accept_invitation"),
    path("invitation/decline/", invitation.decline, name="decline_invitation"),
    path("invitation/report/", invitation.report, name="report_invitation"),
    path("invitation/<str:token>/", invitation.arrive, name="arrive"),
    path("coaches/", roster.coaches, name="coaches"),
    path("coaches/<uuid:link_id>/", roster.consent, name="consent"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/import-all/", inbox.import_all, name="import_all"),
    path("inbox/<uuid:share_id>/", inbox.offer, name="offer"),
    path("inbox/<uuid:share_id>/import/", inbox.import_workout, name="import"),
    path("inbox/<uuid:share_id>/decline/", inbox.decline, name="decline"),
    path("inbox/<uuid:share_id>/retry/", inbox.retry, name="retry_import"),
    path("notifications/", notices.notifications, name="notifications"),
    path("notifications/read/", notices.mark_read, name="mark_read"),
]
