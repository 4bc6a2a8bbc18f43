#!/usr/bin/env python3
"""Writes the Grafana dashboards in helm/subzero/dashboards.

    python3 tools/dashboards.py            writes them
    python3 tools/dashboards.py --check    exit 1 when they are not as they would be written

One dashboard a person; the panels of each are a file in tools/panels. `cargo test --test it watching::` runs
each query against a real Prometheus that scrapes a real Subzero, and fails for a series without a panel.
"""

import json
import pathlib
import sys

from panels import dispatch, operator, savings, security

HOME = pathlib.Path(__file__).resolve().parent.parent / "helm" / "subzero" / "dashboards"
DASHBOARDS = {
    "operator": ("Subzero: operator", "Is it up, quick, and able to decide?", operator.PANELS),
    "dispatch": ("Subzero: dispatch", "Where work runs, and whether that was right.", dispatch.PANELS),
    "security": ("Subzero: security", "Who is refused, and why.", security.PANELS),
    "savings": ("Subzero: savings", "What did not have to be done.", savings.PANELS),
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
