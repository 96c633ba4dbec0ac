"""Writes dashboards/memory.json: what is on the dashboard stands here, Grafana's way of saying it is made.

python deploy/grafana/dashboard.py
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
DASHBOARD = HERE / "dashboards" / "memory.json"
COLUMNS, WIDTH, HEIGHT = 3, 8, 7
RATE = "[$__rate_interval]"
HTTP = "django_http_responses_total_by_status_view_method_total"
HTTP_SECONDS = "django_http_requests_latency_seconds_by_view_method"


class Panel(NamedTuple):
    """A graph: its title, Grafana's unit, and its lines as (PromQL, legend)."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def by(label: str, counter: str) -> tuple[str, str]:
    """A line for each value of the label: how often a second."""
    return f"sum by ({label}) (rate({counter}{RATE}))", f"{{{{{label}}}}}"


def quantiles(histogram: str, selector: str = "") -> tuple[tuple[str, str], ...]:
    """Median, 95th and 99th percentile."""
    return tuple(
        (
            f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket{selector}{RATE})))",
            f"p{share * 100:.0f}",
        )
        for share in (0.5, 0.95, 0.99)
    )


def slowest(histogram: str, label: str) -> tuple[tuple[str, str], ...]:
    """The 95th percentile for each value of the label."""
    query = f"histogram_quantile(0.95, sum by (le, {label}) (rate({histogram}_bucket{RATE})))"
    return ((query, f"{{{{{label}}}}}"),)


ROWS: dict[str, tuple[Panel, ...]] = {
    "Is it well?": (
        Panel("Parts (1: well)", "short", (("min by (part) (memory_part_ok)", "{{part}}"),), "stat"),
        Panel("Requests by status", "reqps", (by("status", HTTP),)),
        Panel("Seconds of requests, p95 by view", "s", slowest(HTTP_SECONDS, "view")),
        Panel(
            "Share of 5xx",
            "percentunit",
            ((f'sum(rate({HTTP}{{status=~"5.."}}{RATE})) / sum(rate({HTTP}{RATE}))', "5xx"),),
        ),
        Panel("Requests by view", "reqps", (by("view", HTTP),)),
        Panel("Worker's pulse", "s", (("min(memory_worker_pulse_age_seconds)", "age"),)),
    ),
    "Search": (
        Panel("Searches by mode", "reqps", (by("mode", "memory_searches_total"),)),
        Panel("Seconds of a search", "s", quantiles("memory_search_seconds", '{stage="total"}')),
        Panel("Seconds by stage, p95", "s", slowest("memory_search_seconds", "stage")),
        Panel("Candidates of a search", "short", quantiles("memory_search_candidates")),
        Panel("Answer cache", "reqps", (by("result", "memory_search_cache_total"),)),
        Panel("Query vectors", "reqps", (by("result", "memory_query_embedding_cache_total"),)),
        Panel(
            "Share without vectors",
            "percentunit",
            (
                (
                    f'sum(rate(memory_searches_total{{degraded="true"}}{RATE})) '
                    f"/ sum(rate(memory_searches_total{RATE}))",
                    "degraded",
                ),
            ),
        ),
        Panel(
            "What buckets find",
            "percentunit",
            (("min by (over_tenants) (memory_vector_recall)", "{{over_tenants}}"),),
        ),
        Panel("Contexts lost", "short", (("sum(increase(memory_contexts_lost_total[1h]))", "in an hour"),)),
    ),
    "Ingest and embedding": (
        Panel(
            "Messages",
            "short",
            (
                (f"sum(rate(memory_messages_ingested_total{RATE}))", "stored/s"),
                (f"sum(rate(memory_messages_embedded_total{RATE}))", "embedded/s"),
            ),
        ),
        Panel("Seconds of a write", "s", quantiles("memory_ingest_seconds")),
        Panel(
            "Jobs",
            "short",
            (
                ("max(memory_jobs_backlog)", "waiting"),
                ("max(memory_jobs_buried)", "buried"),
                (f"sum(rate(memory_embedding_hints_lost_total{RATE}))", "hints lost/s"),
            ),
        ),
        Panel("Oldest job", "s", (("max(memory_jobs_oldest_age_seconds)", "age"),)),
        Panel("Provider calls by outcome", "reqps", (by("outcome", "memory_embedding_calls_total"),)),
        Panel("Seconds of a provider call, p95", "s", slowest("memory_embedding_call_seconds", "provider")),
        Panel(
            "Breaker and stand-in",
            "short",
            (
                ("max by (provider) (memory_embedding_breaker_open)", "{{provider}} open"),
                (
                    "sum by (provider) (increase(memory_embedding_breaker_openings_total[1h]))",
                    "{{provider}} openings/h",
                ),
                (
                    f"sum by (provider) (rate(memory_embedding_failovers_total{RATE}))",
                    "{{provider}} stood in for/s",
                ),
            ),
        ),
        Panel(
            "Failures by fault",
            "reqps",
            (
                by("fault", "memory_embedding_failures_total"),
                (f"sum(rate(memory_embedding_setup_faults_total{RATE}))", "set-up"),
            ),
        ),
        Panel(
            "Tokens",
            "short",
            (
                by("model", "memory_embedding_tokens_total"),
                ("sum(increase(memory_embedding_usage_put_off_total[1h]))", "accounts put off/h"),
            ),
        ),
        Panel(
            "Cost",
            "currencyUSD",
            (("sum by (model) (increase(memory_embedding_cost_usd_total[1d]))", "{{model}}, a day"),),
        ),
        Panel("Tenants over budget", "short", (("max(memory_tenants_over_budget)", "tenants"),), "stat"),
    ),
    "Retention, limits and upkeep": (
        Panel("Rows moved by retention", "short", (by("action", "memory_retention_rows_total"),)),
        Panel(
            "Retention runs",
            "short",
            (("sum by (status) (increase(memory_retention_runs_total[1d]))", "{{status}}, a day"),),
        ),
        Panel("Retention is late by", "s", (("max(memory_retention_overdue_seconds)", "late"),)),
        Panel(
            "Refused or repeated",
            "reqps",
            (
                by("budget", "memory_rate_limit_refusals_total"),
                by("quota", "memory_quota_refusals_total"),
                by("outcome", "memory_rate_limit_outages_total"),
                by("reach", "memory_rls_refusals_total"),
                (f"sum(rate(memory_idempotent_replays_total{RATE}))", "repeated"),
            ),
        ),
        Panel(
            "Tasks",
            "short",
            (
                (
                    "sum by (task, outcome) (rate(memory_tasks_total[$__rate_interval]))",
                    "{{task}} {{outcome}}",
                ),
                ("sum by (task) (rate(memory_tasks_sent_total[$__rate_interval]))", "{{task}} sent"),
            ),
        ),
        Panel("Seconds of a task, p95", "s", slowest("memory_task_seconds", "task")),
        Panel("Recalls waiting in Redis", "short", (("max(memory_recalls_waiting)", "messages"),)),
    ),
}


def dashboard() -> dict[str, Any]:
    """As Grafana reads it. The data source is a variable, so that any Prometheus can be chosen."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        place = {"h": 1, "w": COLUMNS * WIDTH, "x": 0, "y": y}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        for number, panel in enumerate(row):
            below, beside = divmod(number, COLUMNS)
            place = {"h": HEIGHT, "w": WIDTH, "x": beside * WIDTH, "y": y + 1 + below * HEIGHT}
            panels.append(_panel(len(panels) + 1, panel, place))
        y += 1 + -(-len(row) // COLUMNS) * HEIGHT
    source = {
        "name": "source",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
    }
    return {
        "uid": "memory-layer",
        "title": "AI Memory Layer",
        "tags": ["memory"],
        "schemaVersion": 39,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source]},
        "panels": panels,
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": source, "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(panel.lines)
        ],
    }


def text() -> str:
    """What the file holds."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(text(), encoding="utf-8")
