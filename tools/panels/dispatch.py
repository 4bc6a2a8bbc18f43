"""Where work runs, and whether that was right."""

from panels.queries import gauge, mean, rate

ON_POOL = rate("subzero_dispatch_decisions_total", "operation", 'strategy="pool"')

PANELS = [
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
        "Measured",
        "1 once an operation's costs are this machine's own; 0 while they are guesses, right after the start.",
        "short",
        [(gauge("min", "subzero_dispatch_measured", "operation"), "{{operation}}")],
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
