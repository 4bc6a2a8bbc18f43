//! Hostile models: whatever a file says, reading and compiling it ends in a model or in faults with
//! places that exist.

use super::*;
use crate::fuzz;

const MODELS: [&str; 4] = [
    "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define r: [user, user:*, doc#r] or (a and b) but not c from parent # why\n    define a: [user]\n",
    "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define r: [user with c]\ncondition c(a: int, b: list<string>, d: map<ipaddress>) {\n  a < 3 && b.all(x, x == \"}\") || d[\"k\"].in_cidr(\"10.0.0.0/8\")\n}\n",
    "module m\nextend type doc\n  relations\n    define w: r or [user]\ntype t\n",
    "{\"schema_version\":\"1.1\",\"type_definitions\":[{\"type\":\"user\"},{\"type\":\"doc\",\"relations\":{\"r\":{\"union\":{\"child\":[{\"this\":{}},{\"computedUserset\":{\"relation\":\"r\"}}]}}},\"metadata\":{\"relations\":{\"r\":{\"directly_related_user_types\":[{\"type\":\"user\",\"wildcard\":{}}]}}}}]}",
];

const WORDS: [&str; 32] = [
    "\n",
    "\r\n",
    "  ",
    "    ",
    "#",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ":*",
    "{",
    "}",
    "<",
    ">",
    "model",
    "module ",
    "schema 1.2",
    "type ",
    "extend type ",
    "relations",
    "define ",
    " or ",
    " and ",
    " but not ",
    " from ",
    " with ",
    "condition ",
    "duration",
    "\"",
    "é",
];

#[test]
fn fuzz_models() {
    fuzz::run("models", &MODELS, &WORDS, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let lines = u32::try_from(text.lines().count()).expect("few lines") + 1;
        match parse(&text) {
            Err(faults) => {
                assert!(!faults.is_empty());
                assert!(
                    faults.iter().all(|fault| fault.at.line <= lines),
                    "{faults:?}"
                );
            }
            Ok(model) => drop(Plan::compile(&model)),
        }
        if let Ok(model) = json::parse(&text) {
            drop(Plan::compile(&model));
        }
    });
}
