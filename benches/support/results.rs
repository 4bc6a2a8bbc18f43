//! What benches found, put where people look: a page in `benches/results`, and what matters of it in the
//! README or a page of docs, between two comments of which the first names the bench. Nobody types it.

use std::{env, fmt::Write as _, fs, path::Path, process::Command};

/// How a page begins: what it is about, what wrote it, and the machine and versions it was written on.
pub(crate) fn begin(title: &str, command: &str) -> String {
    format!("# {title}\n\nWritten by `{command}` on {}.\n\n", machine())
}

/// Keeps a page or a drawing in `benches/results`, under `name`.
pub(crate) fn keep(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    fs::create_dir_all(&folder).expect("make the folder of results");
    fs::write(folder.join(name), text).expect("write the results");
}

/// Shows `text` on `page`, where `bench` has its place.
pub(crate) fn show(page: &str, bench: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let now = fs::read_to_string(&path).expect("read the page");
    let begin = format!("<!-- written by benches/{bench} -->\n");
    let (head, rest) = now.split_once(&begin).expect("where its place begins");
    let (_, tail) = rest.split_once(END).expect("where its place ends");
    let text = text.trim_end();
    fs::write(&path, format!("{head}{begin}\n{text}\n\n{END}{tail}")).expect("write the page");
}

const END: &str = "<!-- end -->";

/// The processor with its cores, the compiler and the version that was measured.
pub(crate) fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = text
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let (model, cores) = models.fold((env::consts::ARCH, 0), |(_, cores), model| {
        (model, cores + 1)
    });
    let model = model.trim_start_matches([' ', '\t', ':']);
    let mut machine = match cores {
        1 => format!("1 core of {model}"),
        _ => format!("{cores} cores of {model}"),
    };
    if let Ok(output) = Command::new("rustc").arg("-V").output() {
        let version = String::from_utf8_lossy(&output.stdout);
        let version = version.split(" (").next().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(machine, ", {}", version.trim());
    }
    let _ = write!(machine, ", subzero {}", env!("CARGO_PKG_VERSION"));
    machine
}
