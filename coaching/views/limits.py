"""How a page says that somebody did more than one may in a day."""

import math

from django.http import HttpResponse

from integrations import errors


def over_limit(page: HttpResponse, error: errors.ThrottledError) -> HttpResponse:
    """`page`, which says so in words, as the answer 429; programs read from its header when to come back."""
    page.status_code = 429
    page["Retry-After"] = str(math.ceil(error.retry_after or 60))
    return page
