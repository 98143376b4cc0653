"""What providers cannot express of a workout, in words for a coach.

In English, as rows keep it; pages say it by `wording.told`, which knows the texts and what stands in their places.
"""

from django.utils.translation import gettext_noop as _

from integrations.records import Problem
from integrations.wording import pattern

NO_NAME = _("The workout has no name.")
NO_STEPS = _("The workout has no steps.")
LONG_NAME = pattern(_("The name is longer than {n} letters."))
LONG_DESCRIPTION = pattern(_("The description, with our reference, has {n} letters; {p} takes {most}."))
NO_WORKOUTS = pattern(_("{p} takes no planned workouts."))
NO_SPORT = pattern(_("{p} has no {sport} workouts."))

MANY_LEGS = pattern(_("It has {n} legs; {p} takes {most}."))
LEGS_OF_ONE_SPORT = pattern(_("It has {n} legs; only multisport workouts have more than one."))
LEG_NOTES = pattern(_("The notes of leg {n} have no place at {p}. Put them into a step or into the description."))
LEG_WITHOUT_SPORT = pattern(_("Leg {n} has no sport of its own."))

MANY_STEPS = pattern(_("It has {n} steps, repeats counted; {p} takes {most}."))
MANY_FOR_WATCHES = pattern(_("It has {n} steps; many watches hold only {most}."))
MAIN_STEP = pattern(_("{p} knows main steps in swims alone."))
WHICH_DRILL = pattern(_("The {step} step is a drill; {p} asks which: kick, pull or butterfly."))
WATCH_UNITS = _("Distances keep their length; the watch shows them in the unit that it is set to.")

ENDLESS_REPEAT = _("The repeat says neither how often nor until when.")
REPEAT_WITH_TWO_ENDS = _("The repeat says both how often and until when.")

# The ones that are written out stand before those with a place for the same words: the first that fits is taken.
NO_SUCH_END = pattern(_("{p} has no such end for {whose}."))
NO_END_BY_ZONE = pattern(_("{p} cannot end {whose} by a zone."))
NO_END_BY = pattern(_("{p} cannot end {whose} by {by}."))
END_WITH_SIDE = pattern(_("The {kind} that ends {whose} cannot be one to go above or below."))
END_WITHOUT_SIDE = pattern(_("The {kind} that ends {whose} says neither above nor below."))
END_WITHOUT_VALUE = pattern(_("The {kind} that ends {whose} has no value."))

NO_SUCH_TARGET = pattern(_("{p} has no such target for the {step} step."))
NO_TARGET = pattern(_("{p} has no {kind} target for the {step} step."))
HIGH_ZONE = pattern(_("The {step} step asks for {kind} zone {zone}; {p}'s {kind} zones end at {most}."))
TARGET_WITHOUT_VALUE = pattern(_("The {kind} target of the {step} step names neither a zone nor a range."))
HALF_A_RANGE = pattern(_("The {kind} range of the {step} step has one bound; {p} takes two."))
RANGE_BACKWARDS = pattern(_("The {kind} range of the {step} step has its bounds the wrong way round."))

STEP = pattern(_("the {step} step"))
REPEAT = _("a repeat")
SUCH_A_THING = _("such a thing")
HEART_RATE_ZONE = _("heart-rate")
PARTNER_PROGRAMME = _("Garmin's partner programme")

AT_STEP = pattern(_("Step {n}: {problem}"))

# What `spelled` makes of the names in `records`, known to the catalogue.
VOCABULARY = (
    _("running"), _("cycling"), _("swimming"), _("strength"), _("cardio"), _("mobility"), _("multisport"),
    _("walking"), _("hiking"), _("rowing"), _("other"),
    _("warmup"), _("interval"), _("recovery"), _("rest"), _("cooldown"), _("main"),
    _("lap button"), _("time"), _("distance"), _("calories"), _("power"), _("heart rate"), _("reps"),
    _("iterations"), _("fixed rest"), _("send off"), _("velocity loss"), _("power loss"),
    _("pace"), _("speed"), _("cadence"), _("grade"), _("heart rate lap"), _("power lap"), _("stroke"),
    _("resistance"), _("css offset"), _("instruction"),
)  # fmt: skip


def spelled(value: str) -> str:
    """The name of a sport, an intensity or a kind, as it stands within a sentence."""
    return value.replace("_", " ")


def in_words(problem: Problem) -> str:
    """With the step it is about."""
    return AT_STEP.format(n=problem.step, problem=problem.message) if problem.step else problem.message
