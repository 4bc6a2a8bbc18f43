#!/usr/bin/env python3
"""Makes JSON schemas for kubeconform out of custom resource definitions.

    crd_schemas.py FOLDER FILE...      writes FOLDER/GROUP/KIND_VERSION.json for each version served

Fields that a definition does not name are refused, as an API server that is told to be strict does.
Called by install.py with the Python of its venv, for PyYAML.
"""

import json
import pathlib
import sys

import yaml


def strict(node):
    """Closes every object that names its fields, except where the definition says that more may come."""
    if isinstance(node, list):
        return [strict(part) for part in node]
    if not isinstance(node, dict):
        return node
    closed = {key: strict(value) for key, value in node.items()}
    if closed.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
        closed.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    open_to_more = closed.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in closed
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object" and not open_to_more:
        closed["additionalProperties"] = False
    return closed


def main(folder, files):
    for file in files:
        for definition in yaml.safe_load_all(pathlib.Path(file).read_text()):
            if not definition or definition.get("kind") != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            home = pathlib.Path(folder) / spec["group"]
            home.mkdir(parents=True, exist_ok=True)
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                for field in ("apiVersion", "kind"):
                    schema["properties"].setdefault(field, {"type": "string"})
                name = f"{spec['names']['kind'].lower()}_{version['name']}.json"
                (home / name).write_text(json.dumps(schema))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
