"""What the gateway counts. Labels name provider, operation and outcome; never an account, a URL or a token."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "integration_requests_total",
    "Requests to providers, every repetition counted",
    ["provider", "operation", "outcome"],
)
SECONDS = Histogram("integration_request_duration_seconds", "Duration of one request", ["provider", "operation"])
CALL_SECONDS = Histogram(
    "integration_call_duration_seconds", "Duration of a whole call, its waits included", ["provider", "operation"]
)
RETRIES = Counter("integration_retries_total", "Repetitions, by what made them needed", ["provider", "reason"])
TRANSITIONS = Counter("integration_circuit_transitions_total", "Turns of a circuit", ["provider", "to"])
REJECTIONS = Counter("integration_circuit_rejections_total", "Calls an open circuit refused", ["provider"])
LIMIT_WAIT = Histogram("integration_rate_limit_wait_seconds", "Waits for a token of ours", ["provider"])
LIMITED = Counter("integration_rate_limit_rejections_total", "Calls held back, by whose limit", ["provider", "source"])
FALLBACKS = Counter("integration_fallbacks_total", "Calls answered without the provider", ["provider", "kind"])
POOL = Gauge("integration_pool_in_use", "Connections in use", ["provider"], multiprocess_mode="livesum")
CACHE = Counter(
    "integration_cache_requests_total", "Cached reads, by where they ended", ["provider", "layer", "data_type"]
)
COALESCED = Counter("integration_coalesced_total", "Calls that waited for another's answer", ["provider"])
LOCK_WAIT = Histogram("integration_lock_wait_seconds", "Waits for a shared lock")
