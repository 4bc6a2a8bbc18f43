//! Trains the model that finds injections, and measures every detector of prompts.
//!
//! ```text
//! training train DATA     data -> instances -> weights -> src/screening/model/weights.bin, the card
//! training evaluate DATA  the same per group of sources left out -> the tables in docs/screening.md
//! training personal DATA  personal data alone, with what is missed -> its tables there
//! training secrets DATA   the same for secrets
//! ```
//!
//! DATA is a folder of JSON lines, one file a source: `{"text", "label", "kind"}`, label 1 for an
//! attack, 0 for an honest text, -1 for what is counted but never trained on. `README.md` tells more.
//!
//! What a reader would get wrong: thresholds never come from texts whose source was trained on. Such
//! scores are too good, and a threshold taken from them lets several times as much through as it
//! says.
//!
//! Everything is in a fixed order and in plain IEEE arithmetic, so the same data gives the same file,
//! bit for bit.

#![expect(clippy::print_stdout, reason = "it prints tables")]

mod data;
mod evaluate;
mod grammar;
mod learn;
mod personal;
mod predecessor;
mod report;
mod secrets;

use std::{env, error::Error, fs, path::Path, process::ExitCode};

use self::{data::Row, learn::Learner};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["train", data] => train(Path::new(data)),
        ["evaluate", data] => {
            let data = Path::new(data);
            let steps = [evaluate::run, personal::run, secrets::run];
            steps.into_iter().try_for_each(|step| step(data))
        }
        ["personal", data] => personal::run(Path::new(data)),
        ["secrets", data] => secrets::run(Path::new(data)),
        _ => Err("usage: training train|evaluate|personal|secrets DATA".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn train(folder: &Path) -> Result<(), Box<dyn Error>> {
    let rows = data::training(folder)?;
    let learner = Learner::new(&rows);
    let calibration = evaluate::calibrate(&rows, &learner)?;
    let mut model = learner.train(|_| true);
    (model.user, model.untrusted, model.rise) =
        (calibration.user, calibration.untrusted, calibration.rise);
    let file = model.write();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(tools.join("src/screening/model/weights.bin"), &file)?;
    println!(
        "{} bytes; thresholds {:.4} (user) and {:.4} (untrusted)",
        file.len(),
        model.user,
        model.untrusted
    );
    report::card(&tools.join("training/CARD.md"), &rows, &model, &calibration)?;
    Ok(())
}

/// Whether a row is what people ordinarily send: what the false positives are counted on.
fn is_everyday(row: &Row) -> bool {
    row.label == 0
        && matches!(
            &*row.kind,
            "benign_agent"
                | "benign_chat"
                | "benign_code"
                | "benign_docs"
                | "benign_pii"
                | "benign_roleplay"
        )
}
