"""The events of coaching, for the catalogue."""

from integrations.event_types import EventType, Kind, register

register(
    EventType(
        "workout.shared",
        "A workout was offered to an athlete; again, when it is another revision of it.",
        optional={"again": Kind.FLAG},
    ),
    EventType("share.accepted", "The athlete took a share."),
    EventType("share.declined", "The athlete declined a share."),
    EventType("share.resumed", "The athlete takes back that he declined a share: it stands as before."),
    EventType("share.withdrawn", "The coach took a share back."),
    EventType(
        "share.moved",
        "A planned workout got another day, as year-month-day; by says who moved it, was its earlier day if any.",
        {"by": Kind.NUMBER, "on": Kind.CODE},
        optional={"was": Kind.CODE},
    ),
    EventType("note.written", "Coach or athlete wrote a note to the other; by says who.", {"by": Kind.NUMBER}),
    EventType("delivery.delivered", "A workout is in the athlete's account, on its day."),
    EventType("delivery.failed", "A workout did not get into the athlete's account.", {"code": Kind.CODE}),
    EventType("person.arrived", "Somebody's address is proved: he can begin."),
    EventType("link.started", "An athlete trains with a coach."),
    EventType("link.ended", "Coach or athlete ended it; by says who, as an id.", {"by": Kind.NUMBER}),
    EventType("invitation.sent", "A coach invited somebody."),
    EventType(
        "activities.silent",
        "Nothing came from an account for so many days, where something comes every `usual` days.",
        {"days": Kind.NUMBER, "usual": Kind.NUMBER},
    ),
    EventType(
        "activities.changed",
        "Activities of an athlete came, changed or went; the days are those they are of or were of.",
        {"athlete": Kind.NUMBER, "days": Kind.CODES, "activities": Kind.NUMBERS},
    ),
)
