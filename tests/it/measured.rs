//! Costs are this machine's own: soon after the start, and from `subzero calibrate`.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use crate::{support::client::Request, world::World};

const OPERATIONS: [&str; 7] = [
    "analytics",
    "hash",
    "jwt",
    "pattern",
    "permission",
    "prompt",
    "risk",
];

fn names(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

/// Holds a table to its documented shape.
fn hold(table: &Value) {
    let top = ["handoff_us", "operations", "quota", "threads"];
    assert_eq!(names(table), BTreeSet::from(top));
    assert!(table["threads"].as_u64().is_some_and(|threads| threads > 0));
    for positive in ["quota", "handoff_us"] {
        let value = table[positive].as_f64();
        assert!(value.is_some_and(|value| value > 0.0), "{positive}");
    }
    let rows = table["operations"].as_array().expect("rows");
    let named = rows.iter().map(|row| row["operation"].as_str());
    assert!(named.eq(OPERATIONS.map(Some)));
    for row in rows {
        let columns = [
            "break_even_items",
            "item_cost_us",
            "operation",
            "per_kb_us",
            "strategies",
        ];
        assert_eq!(names(row), BTreeSet::from(columns));
        let strategies = row["strategies"].as_array().expect("strategies");
        assert_eq!(strategies[0]["items"], 1);
        assert_eq!(strategies[strategies.len() - 1]["items"], 100_000);
        for strategy in strategies {
            let columns = ["inline_us", "items", "pool_us", "strategy"];
            assert_eq!(names(strategy), BTreeSet::from(columns));
        }
        let is_native = ["permission", "risk"]
            .map(Value::from)
            .contains(&row["operation"]);
        assert_eq!(strategies[5]["strategy"] == "vector", is_native, "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soon_after_the_start_no_cost_is_a_guess() {
    let mut world = World::start().await;
    let measured = "measure every operation";
    world
        .subzero
        .until_metrics(measured, |metrics| {
            let is_measured = |operation| {
                let labels = [("operation", operation)];
                metrics.count("subzero_dispatch_measured", &labels) == 1
            };
            OPERATIONS.into_iter().all(is_measured)
        })
        .await;
    let page = Request::get("/dispatch").send(world.subzero.admin).await;
    hold(&page.json());
}

fn calibrate(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_subzero"));
    let command = command.arg("calibrate").args(arguments);
    command.output().expect("the built binary")
}

#[test]
fn calibrate_tells_this_machine_s_costs_in_json_and_draws_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let plot = folder.path().join("plot.svg");
    let plot = plot.to_str().expect("UTF-8");
    let output = calibrate(&["--json", "--plot", plot]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "no progress beside a terminal");
    let table: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    hold(&table);
    let svg = std::fs::read_to_string(plot).expect("a drawing");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for word in OPERATIONS
        .into_iter()
        .chain(["in place", "prefers-color-scheme"])
    {
        assert!(svg.contains(word), "{word}");
    }
}

#[test]
fn calibrate_shows_people_a_table_and_keeps_to_half_a_core() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("half.yaml");
    std::fs::write(&config, "dispatch: { cores: 0.5 }\n").expect("a file");
    let output = calibrate(&["--config", config.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(shown.starts_with("1 thread, 0.5 cores"), "{shown}");
    let cells = |line: &str| -> Vec<String> {
        let words = line.split_whitespace();
        words.map(str::to_owned).collect()
    };
    for operation in OPERATIONS {
        let mut rows = shown.lines().map(cells);
        assert!(
            rows.any(|row| row.first().is_some_and(|first| first == operation)),
            "{operation}"
        );
    }
    assert!(!shown.contains("pool "), "half a core never uses one");
}

#[test]
fn calibrate_refuses_before_it_measures() {
    let began = std::time::Instant::now();
    for (arguments, says) in [
        (["--plot", "/nowhere/plot.svg"], "cannot be written"),
        (["--config", "/nowhere/subzero.yaml"], "cannot be read"),
    ] {
        let output = calibrate(&arguments);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(told.contains(arguments[1]) && told.contains(says), "{told}");
    }
    assert!(began.elapsed().as_secs() < 20, "it measured all the same");
}
