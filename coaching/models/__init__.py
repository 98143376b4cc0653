from coaching.models.delivery import Delivery, DeliveryAttempt, DeliveryStatus
from coaching.models.notification import Channel, Notification
from coaching.models.roster import CoachingLink, Invitation, Scope
from coaching.models.share import Share, ShareStatus
from coaching.models.workout import Workout, WorkoutRevision

__all__ = [
    "Channel",
    "CoachingLink",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryStatus",
    "Invitation",
    "Notification",
    "Scope",
    "Share",
    "ShareStatus",
    "Workout",
    "WorkoutRevision",
]
