"""What the in-box counts. Labels are words from our own code: no account, token, event or URL."""

from prometheus_client import Counter, Histogram

RECEIVED = Counter(
    "webhook_received_total",
    "Requests to our endpoints: accepted, duplicate, conflict, ignored, rejected, oversize, malformed, unavailable",
    ["provider", "result"],
)
REJECTED = Counter("webhook_rejected_total", "Requests that were not proven to be genuine", ["provider", "reason"])
PROCESS_SECONDS = Histogram(
    "webhook_process_seconds",
    "How long a worker was busy with an event",
    ["provider"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
PROCESSED = Counter("webhook_processed_total", "Attempts by what came of them", ["provider", "outcome"])
BAD_ITEMS = Counter("webhook_bad_items_total", "Items that came whole and were set aside as unreadable", ["provider"])
DEAD = Counter("webhook_dead_total", "Events given up", ["reason"])
