"""What people can be told, and how they are told unless they choose otherwise."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Kind:
    """`by_mail` and `in_digest` are the defaults; on the page is always one. `has_mail`: a template of its own."""

    label: str | Promise
    by_mail: bool = False
    in_digest: bool = False
    has_mail: bool = False
    for_coaches: bool = True
    for_athletes: bool = True
    is_chosen: bool = True  # by the person; it comes once otherwise


KINDS = {
    "welcome": Kind(_("I join"), by_mail=True, has_mail=True, is_chosen=False),
    "workout_shared": Kind(_("A coach shares a workout with me"), by_mail=True, has_mail=True, for_coaches=False),
    "share_moved": Kind(_("A planned workout gets another day")),
    "workout_withdrawn": Kind(_("A coach takes a workout back"), for_coaches=False),
    "share_accepted": Kind(_("An athlete takes a workout"), for_athletes=False),
    "share_declined": Kind(_("An athlete declines a workout"), in_digest=True, for_athletes=False),
    "delivery_failed": Kind(_("A workout does not reach its account"), by_mail=True, has_mail=True),
    "reconnect_needed": Kind(_("A provider asks for a new login"), by_mail=True, has_mail=True),
    "silence": Kind(_("Nothing comes from an account for unusually long"), by_mail=True),
    "note_written": Kind(_("Somebody writes me a note"), in_digest=True),
    "link_started": Kind(_("An athlete joins me"), for_athletes=False),
    "link_ended": Kind(_("A coach or athlete ends our connection"), by_mail=True, has_mail=True),
}
