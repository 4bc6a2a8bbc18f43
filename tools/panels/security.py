"""Who is refused, and why."""

from panels.queries import CHECKS, CHOSEN, gauge, quantile, rate

DISAGREED = rate("subzero_shadow_total", "route", 'agreement="disagree"')

PANELS = [
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
