//! Where the installed tools are, and what to do when they are not.

use std::path::PathBuf;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `target/tools/RELATIVE`, which `part` of the installer provides.
///
/// # Panics
///
/// When it is not there, with the command that installs it.
pub(crate) fn path(part: &str, relative: &str) -> PathBuf {
    let path = root().join("target/tools").join(relative);
    assert!(
        path.exists(),
        "{} is missing; install it with `python3 tools/install.py {part}`",
        path.display()
    );
    path
}

/// Envoy's binary.
pub(crate) fn envoy() -> PathBuf {
    path("envoy", "venv/bin/envoy")
}

/// The permission server.
pub(crate) fn openfga() -> PathBuf {
    path("openfga", "bin/openfga")
}

/// The load generator.
pub(crate) fn wrk() -> PathBuf {
    path("wrk", "bin/wrk")
}

/// nginx's binary.
pub(crate) fn nginx() -> PathBuf {
    path("nginx", "bin/nginx")
}

/// The server that replicas share.
pub(crate) fn redis() -> PathBuf {
    path("redis", "bin/redis-server")
}

/// The generator of questions to an API.
pub(crate) fn schemathesis() -> PathBuf {
    path("schemathesis", "venv/bin/schemathesis")
}

/// Helm, kubeconform or Kustomize.
pub(crate) fn chart(name: &str) -> PathBuf {
    path("chart", &format!("bin/{name}"))
}

/// Schemas of what Kubernetes and its extensions take in.
pub(crate) fn schemas() -> PathBuf {
    path("schemas", "schemas")
}

/// Prometheus or promtool.
pub(crate) fn prometheus(name: &str) -> PathBuf {
    path("prometheus", &format!("bin/{name}"))
}

/// The check of Dockerfiles.
pub(crate) fn hadolint() -> PathBuf {
    path("hadolint", "venv/bin/hadolint")
}

/// A browser without a window.
pub(crate) fn chromium() -> PathBuf {
    path("chromium", "bin/chromium")
}
