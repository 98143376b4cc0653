"""What the engine counts outside the gateway. Labels are words from our own code: no person, account, token or URL."""

from prometheus_client import Counter, Histogram

TOKEN_REFRESHES = Counter(
    "integration_token_refresh_total",
    "Askings for a connection's secrets: fresh, refreshed, raced, failed or revoked",
    ["provider", "outcome"],
)
SYNC_JOBS = Counter(
    "sync_jobs_total",
    "Runs of streams: succeeded, failed, put off after an error, or stopped because nothing may be called now",
    ["provider", "resource", "mode", "outcome"],
)
SYNC_JOB_SECONDS = Histogram(
    "sync_job_seconds",
    "How long a worker was busy with a run, from taking it to letting go",
    ["provider", "resource"],
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600),
)
SYNC_ITEMS = Counter("sync_items_total", "What runs did to items", ["resource", "change"])
SYNC_JOBS_REAPED = Counter("sync_jobs_reaped_total", "Runs taken from a worker that went silent")
TICK_SECONDS = Histogram("beat_tick_seconds", "Rounds of periodic work that came to their end", ["tick"])
VAULT_ERRORS = Counter("vault_errors_total", "Envelopes that did not open", ["kind"])
COLLECTOR_ERRORS = Counter("metrics_collector_errors_total", "Gauges left out because reading them failed", ["part"])
