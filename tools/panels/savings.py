"""What did not have to be done."""

from panels.queries import CHECKS, gauge, mean, quantile, rate

HITS = rate("subzero_cache_requests_total", "cache", 'outcome="hit"')
KNOWN_TOKENS = rate("subzero_cache_requests_total", "", 'cache="token", outcome="hit"')
COST_OF_A_TOKEN = gauge("avg", "subzero_dispatch_item_cost_seconds", "", 'operation="jwt"')
FOLLOWERS = rate("subzero_coalesced_total", "kind", 'role="follower"')

PANELS = [
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
    (
        "Checks to the permission server, by choice",
        "Sent alone, or gathered into a batch with others that came at the same moment.",
        "ops",
        [(rate("subzero_permission_gather_total", "choice"), "{{choice}}")],
    ),
    (
        "Checks in one batch to the permission server",
        "Mean.",
        "short",
        [(mean("subzero_permission_gathered_items", ""), "checks")],
    ),
    (
        "Age of the permission server's answers that were used again, p95",
        "Never above permission.openfga.cache.ttl.",
        "s",
        [(quantile(0.95, "subzero_permission_answer_age_seconds"), "p95")],
    ),
    ("Memory for it", "What caches hold.", "bytes", [(gauge("sum", "subzero_cache_bytes", "cache"), "{{cache}}")]),
]
