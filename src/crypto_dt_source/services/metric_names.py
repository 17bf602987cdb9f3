"""Every metric of the service: name, kind, what it counts, labels. `docs/operations.md` says the same, and a test holds the
two together, the dashboard and the alert rules to them."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric, named as it is exposed (a counter with `_total`). Labels are bounded: ids of the catalogue and of jobs and
    models, templates of routes, error codes, statuses."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


METRICS = (
    Metric("cdts_info", "gauge", "1; the version and mode of the service", ("version", "mode")),
    Metric("cdts_start_time_seconds", "gauge", "When the service started, Unix time"),
    Metric(
        "cdts_component_status",
        "gauge",
        "1 for ok, 0.5 for degraded, 0 for down, by component",
        ("component",),
    ),
    Metric(
        "cdts_component_since_seconds", "gauge", "Since when it has that status, Unix time", ("component",)
    ),
    Metric("cdts_assets_priced", "gauge", "Assets with a quote"),
    # -- clients
    Metric("cdts_http_requests_total", "counter", "Answers to clients", ("route", "status")),
    Metric("cdts_http_request_duration_seconds", "histogram", "Time until the answer was sent", ("route",)),
    Metric("cdts_http_connections", "gauge", "Client connections open"),
    Metric(
        "cdts_accounts_dropped_total", "counter", "Requests and upstream calls that no row could be kept of"
    ),
    Metric("cdts_access_refused_total", "counter", "Requests turned away before any work", ("code",)),
    Metric("cdts_limiter_up", "gauge", "Whether requests can be counted"),
    Metric("cdts_limiter_failures_total", "counter", "Times the limiter's store did not answer"),
    Metric("cdts_limiter_unchecked_total", "counter", "Requests that passed uncounted meanwhile"),
    # -- upstreams
    Metric("cdts_upstream_calls_total", "counter", "Calls to a provider that had an outcome", ("provider",)),
    Metric("cdts_upstream_failures_total", "counter", "Of these, failed, by class", ("provider", "code")),
    Metric(
        "cdts_upstream_latency_seconds",
        "gauge",
        "Median and p95 of its recent calls that succeeded",
        ("provider", "quantile"),
    ),
    Metric("cdts_upstream_enabled", "gauge", "0: an operator switched it off", ("provider",)),
    Metric(
        "cdts_upstream_breaker_open",
        "gauge",
        "0 closed, 0.5 half open, 1 open: its host rests",
        ("provider",),
    ),
    Metric("cdts_upstream_breaker_opened_total", "counter", "Times its breaker opened", ("provider",)),
    Metric(
        "cdts_upstream_rejected_records_total",
        "counter",
        "Records not in normal form, never served",
        ("provider",),
    ),
    Metric("cdts_upstream_quotes_age_seconds", "gauge", "Age of its newest list of quotes", ("provider",)),
    Metric(
        "cdts_upstream_budget_limit",
        "gauge",
        "A published limit, requests a window",
        ("scope", "window_seconds"),
    ),
    Metric("cdts_upstream_budget_left", "gauge", "What is left of it", ("scope", "window_seconds")),
    Metric("cdts_upstream_hedges_total", "counter", "Second calls made because the first was late"),
    Metric("cdts_upstream_takeovers_total", "counter", "Calls made because the first was far too late"),
    Metric("cdts_feed_up", "gauge", "1: the venue's stream delivers; 0: it is polled instead", ("provider",)),
    Metric("cdts_feed_frames_total", "counter", "Frames of the venue's stream", ("provider",)),
    Metric("cdts_feed_unreadable_total", "counter", "Frames that could not be read", ("provider",)),
    Metric("cdts_feed_reconnects_total", "counter", "Times the stream was connected again", ("provider",)),
    Metric("cdts_feed_gaps_total", "counter", "Jumps of the venue's sequences", ("provider",)),
    # -- inside
    Metric("cdts_cache_entries", "gauge", "Keys in the cache"),
    Metric("cdts_cache_requests_total", "counter", "Questions to the cache: hit, miss, stale", ("outcome",)),
    Metric("cdts_store_up", "gauge", "Whether the database answers"),
    Metric("cdts_store_writable", "gauge", "Whether the last write went through"),
    Metric("cdts_store_waiting_writes", "gauge", "Batches that wait for the writer"),
    Metric("cdts_store_size_bytes", "gauge", "Size of the database; absent while it does not answer"),
    Metric("cdts_stream_connections", "gauge", "Clients of the stream", ("kind",)),
    Metric("cdts_stream_accepted_total", "counter", "Connections accepted"),
    Metric("cdts_stream_refused_total", "counter", "Connections beyond what a tier may have"),
    Metric("cdts_stream_closed_total", "counter", "Connections this side closed", ("code",)),
    Metric("cdts_stream_published_total", "counter", "Frames published"),
    Metric("cdts_stream_delivered_total", "counter", "Frames queued for clients"),
    Metric("cdts_stream_waiting_bytes", "gauge", "Bytes that wait for slow clients"),
    Metric("cdts_job_ok", "gauge", "1: the job's last run went well", ("job",)),
    Metric("cdts_job_running", "gauge", "Whether a run is under way", ("job",)),
    Metric("cdts_job_last_end_seconds", "gauge", "When its last run here ended, Unix time", ("job",)),
    Metric("cdts_job_last_duration_seconds", "gauge", "How long that run took", ("job",)),
    Metric("cdts_job_next_start_seconds", "gauge", "When it is due next, Unix time", ("job",)),
    Metric("cdts_timetable_runs_here", "gauge", "1 in the one process that runs the timetable"),
    Metric(
        "cdts_timetable_wanted", "gauge", "1 where this process may run it: background work is switched on"
    ),
    Metric("cdts_model_ready", "gauge", "Whether the model is in memory", ("model",)),
    Metric("cdts_model_failed", "gauge", "Whether the model could not be loaded", ("model",)),
    Metric("cdts_model_memory_bytes", "gauge", "Memory of its weights", ("model",)),
    Metric("cdts_model_latency_seconds", "gauge", "Median of its calls in the last hour", ("model",)),
    Metric("cdts_log_lines_total", "counter", "Lines logged", ("level",)),
    Metric("cdts_log_dropped_total", "counter", "Lines that could not be kept for /api/logs"),
    # -- the process, as prometheus_client names it; Linux only
    Metric("process_virtual_memory_bytes", "gauge", "Virtual memory"),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory"),
    Metric("process_start_time_seconds", "gauge", "When the process started, Unix time"),
    Metric("process_cpu_seconds_total", "counter", "CPU time, user and system"),
    Metric("process_open_fds", "gauge", "Open files and sockets"),
    Metric("process_max_fds", "gauge", "How many may be open"),
)
BY_NAME = {metric.name: metric for metric in METRICS}
