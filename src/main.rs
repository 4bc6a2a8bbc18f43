//! The `subzero` command. Everything is in the library; see `subzero::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    subzero::cli::run()
}
