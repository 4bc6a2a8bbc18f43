"""Is it up, quick, and able to decide?"""

from panels.queries import CHECKS, CHOSEN, gauge, mean, quantile, rate

UNDECIDED = 'reason=~".+_unavailable|overloaded|deadline|internal"'

PANELS = [
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
        "Breakers",
        "0 closed: asked as usual; 1 half open: a few probes; 2 open: left alone, since it failed or dawdled.",
        "short",
        [(gauge("max", "subzero_breaker_state", "upstream"), "{{upstream}}")],
    ),
    (
        "Permission server",
        "Calls tried again; models taken over; 1 while it has a newer model than the pinned one.",
        "short",
        [
            (rate("subzero_permission_retries_total", ""), "tried again, a second"),
            (rate("subzero_permission_hedges_total", ""), "asked twice at once, a second"),
            (f"sum (increase(subzero_permission_model_changes_total{{{CHOSEN}}}[1h]))", "models taken over, an hour"),
            (gauge("max", "subzero_permission_newer_model", ""), "newer than pinned"),
        ],
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
