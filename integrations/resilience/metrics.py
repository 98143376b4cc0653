"""What the gateway counts. Labels name provider, operation and outcome; never an account, a URL or a token."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("integration_requests_total", "Requests to providers", ["provider", "operation", "outcome"])
SECONDS = Histogram("integration_request_duration_seconds", "Duration of one request", ["provider", "operation"])
THROTTLED = Counter("integration_throttled_total", "Calls our own limits held back", ["provider", "bucket"])
