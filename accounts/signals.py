"""What other apps may want to hear of a person; `accounts` knows none of them."""

from django.dispatch import Signal

coaching_started = Signal()  # sender: User; user: who coaches from now on
