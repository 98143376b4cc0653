from coaching.models.activity import FILE, Activity, ActivityDetail, ActivityFile, DailyTotal, DuplicatePair
from coaching.models.consent import ConsentEntry
from coaching.models.delivery import Delivery, DeliveryAttempt, DeliveryStatus
from coaching.models.matching import ComplianceBands, Match
from coaching.models.notification import Channel, Notification, NotificationChoice, NotificationTimes
from coaching.models.roster import CoachingLink, Invitation, Scope
from coaching.models.share import DeclineReason, Share, ShareStatus
from coaching.models.training import CalendarFeed, Group, Note
from coaching.models.upload import Upload, UploadStatus
from coaching.models.workout import Workout, WorkoutRevision

__all__ = [
    "FILE",
    "Activity",
    "ActivityDetail",
    "ActivityFile",
    "CalendarFeed",
    "Channel",
    "CoachingLink",
    "ComplianceBands",
    "ConsentEntry",
    "DailyTotal",
    "DeclineReason",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryStatus",
    "DuplicatePair",
    "Group",
    "Invitation",
    "Match",
    "Note",
    "Notification",
    "NotificationChoice",
    "NotificationTimes",
    "Scope",
    "Share",
    "ShareStatus",
    "Upload",
    "UploadStatus",
    "Workout",
    "WorkoutRevision",
]
