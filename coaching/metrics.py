"""What deliveries count. Labels are words from our own code: no person, account, token or URL."""

from prometheus_client import Counter, Histogram

DELIVERIES = Counter(
    "delivery_total",
    "Deliveries that came to an end or a halt: delivered, uncertain, blocked, failed",
    ["provider", "outcome"],
)
DELIVERY_SECONDS = Histogram(
    "delivery_seconds",
    "From the athlete's yes to the first time the workout is in the account",
    ["provider"],
    buckets=(1, 2, 5, 10, 30, 60, 300, 1800, 7200),
)
