//! The image, without an engine to build it: the Dockerfile is linted, and the file system that its last stage
//! consists of is laid out by the very script that it runs, and started with that as its whole root.
//!
//! What this does not show: the base image of the build stage. `make arm64` shows the other machine.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use crate::support::{ports, process::Process, tools};

fn run(program: impl AsRef<Path>, arguments: &[&str]) -> Output {
    Command::new(program.as_ref())
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("run {}: {error}", program.as_ref().display()))
}

fn texts(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// The image's root, with the binary under test in it.
fn root() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    // Others have to get in: it runs as somebody else.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("changed");
    let to = folder.path().to_str().expect("UTF-8");
    let output = run(
        tools::root().join("tools/image_root.sh"),
        &[env!("CARGO_BIN_EXE_subzero"), to],
    );
    assert!(output.status.success(), "{}", texts(&output));
    folder
}

/// `subzero` with `root` as its whole file system, as nobody in particular where this process may choose.
fn inside(root: &Path) -> Command {
    let is_root = run("id", &["-u"]).stdout == b"0\n";
    let mut command = if is_root {
        let mut command = Command::new("chroot");
        command.arg("--userspec=65532:65532");
        command
    } else {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "chroot"]);
        command
    };
    command.arg(root).arg("/usr/local/bin/subzero");
    command
}

/// Everything below `folder`, as paths from it.
fn files(folder: &Path, found: &mut Vec<String>, from: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found, from);
        } else {
            let path = path.strip_prefix(from).expect("below");
            found.push(path.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn the_dockerfile_passes_its_lint() {
    let dockerfile = tools::root().join("Dockerfile");
    let output = run(
        tools::hadolint(),
        &[
            "--failure-threshold",
            "style",
            dockerfile.to_str().expect("UTF-8"),
        ],
    );
    assert!(output.status.success(), "{}", texts(&output));
}

#[test]
fn the_dockerfile_copies_what_there_is_and_ends_as_nobody() {
    let text = fs::read_to_string(tools::root().join("Dockerfile")).expect("read");
    let ignored = fs::read_to_string(tools::root().join(".dockerignore")).expect("read");
    let copies = text.lines().filter_map(|line| line.strip_prefix("COPY "));
    for copy in copies.filter(|copy| !copy.starts_with("--from")) {
        let mut words: Vec<&str> = copy.split(' ').collect();
        words.pop();
        for source in words {
            assert!(tools::root().join(source).exists(), "{source} is not there");
            let lets_in = ignored.lines().any(|line| {
                line.strip_prefix('!')
                    .is_some_and(|path| path == source || source.starts_with(&format!("{path}/")))
            });
            assert!(lets_in, "{source} is kept out by .dockerignore");
        }
    }
    let (_, last) = text.rsplit_once("\nFROM ").expect("stages");
    assert!(last.starts_with("scratch\n"));
    assert!(last.contains("\nUSER 65532:65532\n"));
    assert!(last.contains("CMD [\"/usr/local/bin/subzero\", \"health\"]"));
    assert!(last.contains(&format!("ARG VERSION={}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn there_is_nothing_in_it_but_what_runs_and_what_tells() {
    let root = root();
    let mut found = Vec::new();
    files(root.path(), &mut found, root.path());
    for file in &found {
        let known = [
            "etc/",
            "lib/",
            "lib64/",
            "usr/share/doc/",
            "var/lib/dpkg/status.d/",
        ];
        assert!(
            file == "usr/local/bin/subzero" || known.iter().any(|start| file.starts_with(start)),
            "{file}"
        );
    }
    let libraries = found.iter().filter(|file| file.starts_with("lib"));
    assert!(libraries.count() <= 5, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_is_healthy_and_resolves_names_with_nothing_else_around() {
    let root = root();
    let at = |path: &str| root.path().join(path);
    let [grpc, http, admin] = [ports::free(), ports::free(), ports::free()];
    fs::write(
        at("etc/subzero.yaml"),
        format!(
            "listen: {{ grpc: ['127.0.0.1:{grpc}'], http: '127.0.0.1:{http}', admin: '127.0.0.1:{admin}' }}\n"
        ),
    )
    .expect("written");
    // A container's runtime writes this one.
    fs::write(at("etc/hosts"), "127.0.0.1 pod.internal\n").expect("written");
    let logs = tempfile::tempdir().expect("a folder");
    let mut serve = inside(root.path());
    serve.args(["serve", "--config", "/etc/subzero.yaml"]);
    let mut process = Process::start("subzero", serve, logs.path());
    process
        .until_accepting(ports::local(admin), std::time::Duration::from_secs(20))
        .await;
    let health = |url: &str| {
        let output = inside(root.path()).args(["health", url]).output();
        let output = output.expect("runs");
        (output.status.success(), texts(&output))
    };
    let is_ready = async || health(&format!("http://pod.internal:{admin}/readyz")).0;
    process
        .until(
            "be healthy by name",
            std::time::Duration::from_secs(20),
            is_ready,
        )
        .await;
    let (well, said) = health(&format!("grpc://pod.internal:{grpc}"));
    assert!(well, "{said}");
    let (well, said) = health(&format!("http://nowhere.internal:{admin}/readyz"));
    assert!(!well, "{said}");
}
