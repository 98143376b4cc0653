"""What other apps may want to hear of a person; `accounts` knows none of them."""

from django.dispatch import Signal

arrived = Signal()  # sender: User; user: whose address is proved, more than once for some
coaching_started = Signal()  # sender: User; user: who coaches from now on
