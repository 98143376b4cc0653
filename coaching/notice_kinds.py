"""What people can be told, and how they are told unless they choose otherwise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """`by_mail` and `in_digest` are the defaults; on the page is always one. `has_mail`: a template of its own."""

    label: str
    by_mail: bool = False
    in_digest: bool = False
    has_mail: bool = False
    for_coaches: bool = True
    for_athletes: bool = True
    is_chosen: bool = True  # by the person; it comes once otherwise


KINDS = {
    "welcome": Kind("I join", by_mail=True, has_mail=True, is_chosen=False),
    "workout_shared": Kind("A coach shares a workout with me", by_mail=True, has_mail=True, for_coaches=False),
    "share_moved": Kind("A planned workout gets another day"),
    "workout_withdrawn": Kind("A coach takes a workout back", for_coaches=False),
    "share_accepted": Kind("An athlete takes a workout", for_athletes=False),
    "share_declined": Kind("An athlete declines a workout", in_digest=True, for_athletes=False),
    "delivery_failed": Kind("A workout does not reach its account", by_mail=True, has_mail=True),
    "reconnect_needed": Kind("A provider asks for a new login", by_mail=True, has_mail=True),
    "silence": Kind("Nothing comes from an account for unusually long", by_mail=True),
    "note_written": Kind("Somebody writes me a note", in_digest=True),
    "link_started": Kind("An athlete joins me", for_athletes=False),
    "link_ended": Kind("A coach or athlete ends our connection", by_mail=True, has_mail=True),
}
