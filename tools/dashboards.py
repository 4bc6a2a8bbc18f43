#!/usr/bin/env python3
"""Writes the Grafana dashboards in helm/subzero/dashboards.

    python3 tools/dashboards.py            writes them
    python3 tools/dashboards.py --check    exit 1 when they are not as they would be written

One dashboard a person. A panel is a title, what it is for, a unit and its queries; `{}` in a query is
where the chosen instances go. `cargo test --test it watching::` runs each query against a real Prometheus
that scrapes a real Subzero.
"""

import json
import pathlib
import sys

HOME = pathlib.Path(__file__).resolve().parent.parent / "helm" / "subzero" / "dashboards"
CHOSEN = 'instance=~"$instance"'
RATE = "[$__rate_interval]"


def rate(series, by, where=""):
    """The rate of a counter, summed by some of its labels."""
    wanted = f"{CHOSEN}, {where}" if where else CHOSEN
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({series}{{{wanted}}}{RATE}))"


def quantile(share, series, by="", where=""):
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(series + '_bucket', labels, where)})"


def mean(series, by):
    """The mean of a histogram."""
    return f"{rate(series + '_sum', by)} / {rate(series + '_count', by)}"


def gauge(how, series, by, where=""):
    """A gauge over the instances."""
    wanted = f"{CHOSEN}, {where}" if where else CHOSEN
    return f"{how} by ({by}) ({series}{{{wanted}}})" if by else f"{how} ({series}{{{wanted}}})"


CHECKS = "subzero_checks_total"
UNDECIDED = 'reason=~".+_unavailable|overloaded|deadline|internal"'

OPERATOR = [
    ("Checks a second", "What is decided, by verdict.", "reqps", [(rate(CHECKS, "verdict"), "{{verdict}}")]),
    (
        "Could not be decided",
        "Share of checks that ended without a verdict: something a decision needs is away, slow or broken.",
        "percentunit",
        [(f"{rate(CHECKS, '', UNDECIDED)} / {rate(CHECKS, '')}", "all routes")],
    ),
    (
        "Not allowed, by reason",
        "Denials, and what could not be decided.",
        "reqps",
        [(rate(CHECKS, "reason", 'verdict!="allow"') + " > 0", "{{reason}}")],
    ),
    (
        "Time of a check",
        "From the decoded check to its verdict. Envoy's way here and back comes on top.",
        "s",
        [(quantile(share, "subzero_check_duration_seconds"), f"p{name}") for share, name in ((0.5, 50), (0.95, 95), (0.99, 99))],
    ),
    (
        "Time of a check, p99 by route",
        "Which route is slow.",
        "s",
        [(quantile(0.99, "subzero_check_duration_seconds", "route"), "{{route}}")],
    ),
    (
        "Time of each step, p99",
        "Which step is slow.",
        "s",
        [(quantile(0.99, "subzero_stage_duration_seconds", "stage"), "{{stage}}")],
    ),
    (
        "Calls to others",
        "Key sets, token endpoints and whatever else decisions need, by what came of it.",
        "reqps",
        [(rate("subzero_upstream_requests_total", "upstream, outcome"), "{{upstream}} {{outcome}}")],
    ),
    (
        "Time of calls to others, p95",
        "How long they take.",
        "s",
        [(quantile(0.95, "subzero_upstream_duration_seconds", "upstream"), "{{upstream}}")],
    ),
    (
        "Age of keys",
        "Should fall back every 10 minutes; at max_stale (24 h) the issuer's tokens are refused.",
        "s",
        [(gauge("max", "subzero_keys_age_seconds", "issuer"), "{{issuer}}")],
    ),
    (
        "Waiting for the pool",
        "Longest queue of an instance, by lane.",
        "short",
        [(gauge("max", "subzero_queue_depth", "lane"), "{{lane}}")],
    ),
    (
        "Limit of what is in flight",
        "As admission found it out, by instance.",
        "short",
        [(gauge("min", "subzero_admission_limit", "instance"), "{{instance}}")],
    ),
    ("Refused because a lane was full", "Work that was shed.", "reqps", [(rate("subzero_shed_total", "lane"), "{{lane}}")]),
    ("Caches", "Memory they hold.", "bytes", [(gauge("sum", "subzero_cache_bytes", "cache"), "{{cache}}")]),
    (
        "Decision log",
        "Lines written, dropped because the queue was full, failed to be written.",
        "cps",
        [(rate("subzero_decision_log_total", "outcome"), "{{outcome}}")],
    ),
    (
        "Reloads of the configuration",
        "A failed one leaves the old configuration in force.",
        "short",
        [(f"sum by (outcome) (increase(subzero_config_reloads_total{{{CHOSEN}}}[1h]))", "{{outcome}}")],
    ),
    ("Instances", "How many, by version.", "short", [(gauge("count", "subzero_build_info", "version"), "{{version}}")]),
]

ON_POOL = rate("subzero_dispatch_decisions_total", "operation", 'strategy="pool"')
DISPATCH = [
    (
        "Where work ran",
        "inline and vector: in place; pool: handed over; async: waiting for somebody else.",
        "ops",
        [(rate("subzero_dispatch_decisions_total", "operation, strategy"), "{{operation}} {{strategy}}")],
    ),
    (
        "Predicted against actual",
        "Mean of a decision's predicted time, and of what it really took.",
        "s",
        [
            (mean("subzero_dispatch_predicted_seconds", "operation, strategy"), "{{operation}} {{strategy}} predicted"),
            (mean("subzero_dispatch_actual_seconds", "operation, strategy"), "{{operation}} {{strategy}} actual"),
        ],
    ),
    (
        "Actual over predicted",
        "1 is right; above, work takes longer than foretold.",
        "short",
        [
            (
                f"{rate('subzero_dispatch_actual_seconds_sum', 'operation')}"
                f" / {rate('subzero_dispatch_predicted_seconds_sum', 'operation')}",
                "{{operation}}",
            )
        ],
    ),
    (
        "Regret",
        "Time lost against the other choice, as a share of the time spent; estimated from the few decisions that take it.",
        "percentunit",
        [
            (
                f"{rate('subzero_dispatch_regret_seconds_total', 'operation')}"
                f" / {rate('subzero_dispatch_actual_seconds_sum', 'operation')}",
                "{{operation}}",
            )
        ],
    ),
    (
        "Break-even",
        "From how many usual items on the pool is quicker; none where it never is.",
        "short",
        [(gauge("min", "subzero_dispatch_break_even_items", "operation"), "{{operation}}")],
    ),
    (
        "Cost of an item",
        "What a usual item takes in place.",
        "s",
        [(gauge("max", "subzero_dispatch_item_cost_seconds", "operation"), "{{operation}}")],
    ),
    (
        "Hand-off",
        "Time to hand work to the sleeping pool and hear from it again.",
        "s",
        [(gauge("max", "subzero_dispatch_handoff_seconds", "instance"), "{{instance}}")],
    ),
    (
        "Cores",
        "What affinity and the CPU quota allow, as Subzero sees it. With one or less nothing leaves its thread.",
        "short",
        [(gauge("min", "subzero_dispatch_cores", "instance"), "{{instance}}")],
    ),
    (
        "Waiting for the pool",
        "Longest queue of an instance, by lane.",
        "short",
        [(gauge("max", "subzero_queue_depth", "lane"), "{{lane}}")],
    ),
    (
        "On the pool",
        "Share of decisions that left their thread.",
        "percentunit",
        [
            (
                f"{ON_POOL} / {rate('subzero_dispatch_decisions_total', 'operation')}",
                "{{operation}}",
            )
        ],
    ),
]

DISAGREED = rate("subzero_shadow_total", "route", 'agreement="disagree"')
SECURITY = [
    ("Denied, by reason", "What the rules refuse.", "reqps", [(rate(CHECKS, "reason", 'verdict="deny"') + " > 0", "{{reason}}")]),
    ("Denied, by route", "Where.", "reqps", [(rate(CHECKS, "route", 'verdict="deny"'), "{{route}}")]),
    (
        "Tokens refused",
        "Expired ones are everyday life; signatures, algorithms and issuers are not.",
        "reqps",
        [(rate(CHECKS, "reason", 'reason=~"token_.+"'), "{{reason}}")],
    ),
    (
        "Requests nobody sends by accident",
        "Ambiguous paths, values that would break out of their place, paths that no route knows.",
        "reqps",
        [(rate(CHECKS, "reason", 'reason=~"bad_path|missing_input|no_route"'), "{{reason}}")],
    ),
    ("Found in prompts", "By category, denied or flagged.", "ops", [(rate("subzero_findings_total", "category"), "{{category}}")]),
    (
        "Bodies",
        "A screening route with only absent ones: Envoy does not send them. partial: as long as its buffer or longer.",
        "reqps",
        [(rate("subzero_bodies_total", "state"), "{{state}}")],
    ),
    (
        "Shadow mode: outcomes that enforcing would change",
        "Share of a shadow route's checks.",
        "percentunit",
        [
            (
                f"{DISAGREED} / {rate('subzero_shadow_total', 'route')}",
                "{{route}}",
            )
        ],
    ),
    (
        "Risk scores",
        "Of subjects on routes with risk, 0 (as usual) to 1.",
        "percentunit",
        [(quantile(share, "subzero_risk_score"), f"p{name}") for share, name in ((0.5, 50), (0.95, 95), (0.99, 99))],
    ),
    (
        "Revocations",
        "Kept by an instance, and tokens refused for one.",
        "short",
        [
            (gauge("max", "subzero_revocations", ""), "kept"),
            (rate(CHECKS, "", 'reason="token_revoked"'), "refused a second"),
        ],
    ),
    (
        "Fetches of key sets",
        "Beyond one in ten minutes: keys have just been rotated, or tokens name keys that do not exist.",
        "short",
        [(f'sum by (upstream) (increase(subzero_upstream_requests_total{{{CHOSEN}, upstream=~"keys:.+"}}[10m]))', "{{upstream}}")],
    ),
]

HITS = rate("subzero_cache_requests_total", "cache", 'outcome="hit"')
KNOWN_TOKENS = rate("subzero_cache_requests_total", "", 'cache="token", outcome="hit"')
COST_OF_A_TOKEN = gauge("avg", "subzero_dispatch_item_cost_seconds", "", 'operation="jwt"')
FOLLOWERS = rate("subzero_coalesced_total", "kind", 'role="follower"')
SAVINGS = [
    (
        "Done once for several",
        "Share of callers that joined work already under way instead of causing it again.",
        "percentunit",
        [(f"{FOLLOWERS} / {rate('subzero_coalesced_total', 'kind')}", "{{kind}}")],
    ),
    (
        "Work made needless",
        "Pieces of work, mostly calls to others, that another caller's made needless.",
        "ops",
        [(rate("subzero_coalesce_saved_total", "kind"), "{{kind}}")],
    ),
    (
        "Callers that one piece of work was done for",
        "Mean. 1: nobody waits for another's work.",
        "short",
        [(mean("subzero_coalesce_fan_in", "kind"), "{{kind}}")],
    ),
    (
        "Saved, for a thousand checks",
        "Pieces of work.",
        "short",
        [(f"1000 * {rate('subzero_coalesce_saved_total', 'kind')} / on () group_left () {rate(CHECKS, '')}", "{{kind}}")],
    ),
    ("Known from before", "Share of questions that a cache answered.", "percentunit", [(f"{HITS} / {rate('subzero_cache_requests_total', 'cache')}", "{{cache}}")]),
    ("Answered by a cache", "Proofs and look-ups that were not done again.", "ops", [(HITS, "{{cache}}")]),
    (
        "CPU saved by known tokens",
        "Tokens not proven again, times what proving one takes on this machine.",
        "percentunit",
        [
            (
                f"{KNOWN_TOKENS} * {COST_OF_A_TOKEN}",
                "cores",
            )
        ],
    ),
    (
        "Calls to others, for a thousand checks",
        "What a decision costs those behind: key sets and token endpoints.",
        "short",
        [(f"1000 * {rate('subzero_upstream_requests_total', 'upstream')} / on () group_left () {rate(CHECKS, '')}", "{{upstream}}")],
    ),
    (
        "Time of others, for a thousand checks",
        "Seconds spent waiting for them.",
        "s",
        [(f"1000 * {rate('subzero_upstream_duration_seconds_sum', 'upstream')} / on () group_left () {rate(CHECKS, '')}", "{{upstream}}")],
    ),
    ("Memory for it", "What caches hold.", "bytes", [(gauge("sum", "subzero_cache_bytes", "cache"), "{{cache}}")]),
]

DASHBOARDS = {
    "operator": ("Subzero: operator", "Is it up, quick, and able to decide?", OPERATOR),
    "dispatch": ("Subzero: dispatch", "Where work runs, and whether that was right.", DISPATCH),
    "security": ("Subzero: security", "Who is refused, and why.", SECURITY),
    "savings": ("Subzero: savings", "What did not have to be done.", SAVINGS),
}


def panel(number, title, told, unit, queries):
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "description": told,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"h": 8, "w": 8, "x": number % 3 * 8, "y": number // 3 * 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 8, "showPoints": "never"}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(queries)
        ],
    }


def dashboard(name, title, told, panels):
    return {
        "uid": f"subzero-{name}",
        "title": title,
        "description": told,
        "tags": ["subzero"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Subzero", "tags": ["subzero"], "asDropdown": False, "keepTime": True}],
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                {
                    "name": "instance",
                    "type": "query",
                    "label": "Instance",
                    "datasource": {"type": "prometheus", "uid": "${datasource}"},
                    "query": "label_values(subzero_build_info, instance)",
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": [panel(number, *parts) for number, parts in enumerate(panels)],
    }


def main(arguments):
    wrong = []
    for name, (title, told, panels) in DASHBOARDS.items():
        path = HOME / f"{name}.json"
        text = json.dumps(dashboard(name, title, told, panels), indent=2) + "\n"
        if arguments == ["--check"]:
            wrong += [] if path.exists() and path.read_text() == text else [path.name]
        else:
            path.write_text(text)
    if wrong:
        print(f"helm/subzero/dashboards: not as written: {', '.join(wrong)}; run `python3 tools/dashboards.py`")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
