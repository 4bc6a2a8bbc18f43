#!/usr/bin/env python3
"""Writes the table of values in helm/subzero/README.md from the comments in values.yaml.

    python3 tools/chart_readme.py            writes it
    python3 tools/chart_readme.py --check    exit 1 when it is not as it would be written

A comment that begins with `# --` tells what the next key is for; the lines of comment after it belong to
it. A key without one is either a section, whose keys have theirs, or a mistake, which is told.
"""

import pathlib
import re
import sys

CHART = pathlib.Path(__file__).resolve().parent.parent / "helm" / "subzero"
BEGIN, END = "<!-- values: written by tools/chart_readme.py -->\n", "<!-- end of values -->"
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):(?: (.*))?$")


def rows(text):
    """`(path, default, description)` of each documented value, in the file's order."""
    found, path, told, inside = [], [], None, None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("# -- "):
            told = stripped[5:]
        elif stripped.startswith("#"):
            told = f"{told} {stripped[1:].strip()}" if told is not None else None
        elif match := KEY.match(line):
            depth = len(match[1]) // 2
            path = path[:depth] + [match[2]]
            if inside is not None and depth > inside:
                found[-1][1].append(line)
                continue
            inside = None
            if told is not None:
                found.append((".".join(path), [match[3] or ""], told))
                inside = depth
            elif match[3]:
                raise SystemExit(f"values.yaml:{number}: `{'.'.join(path)}` has no `# --` comment")
            told = None
        elif stripped and inside is not None:
            found[-1][1].append(line)
        elif not stripped:
            told = None
    return found


def default(lines):
    """A default as one cell: of several lines, only that there are some."""
    if len(lines) == 1:
        return f"`{lines[0]}`"
    return "see `values.yaml`"


def table(text):
    lines = ["| value | default | is |", "|---|---|---|"]
    for path, value, told in rows(text):
        lines.append(f"| `{path}` | {default(value)} | {told} |")
    return "\n".join(lines) + "\n"


def main(arguments):
    readme = CHART / "README.md"
    now = readme.read_text()
    head, rest = now.split(BEGIN)
    _, tail = rest.split(END)
    wanted = head + BEGIN + table((CHART / "values.yaml").read_text()) + END + tail
    if arguments == ["--check"]:
        if now != wanted:
            print("helm/subzero/README.md: the table is not that of values.yaml; run `python3 tools/chart_readme.py`")
            return 1
        return 0
    readme.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
