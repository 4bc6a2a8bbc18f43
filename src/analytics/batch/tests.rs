use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::dispatch::{Dispatcher, Lane};

fn summary(records: &[Record]) -> Summary {
    let batch = Batch::new(records.to_vec());
    Summary::merge(batch.run(0..batch.len()))
}

fn read(json: &str) -> Result<Record, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

#[test]
fn means_are_of_records_and_ratios_of_sums() {
    let records = [
        r#"{"throughput_rps":100,"latency_ms":10,"total_requests":1000,"coalesced_requests":200,"cache_hits":500,"errors":10}"#,
        r#"{"throughput":300,"latency":2.5,"total_requests":3000,"coalesced_requests":1000,"cache_hits":300,"errors":0}"#,
        "{}",
    ];
    let records: Vec<Record> = records.map(|record| read(record).expect("a record")).into();
    let summary = summary(&records);
    assert!(close(summary.throughput, 400.0 / 3.0), "{summary:?}");
    assert!(close(summary.latency, 12.5 / 3.0), "{summary:?}");
    assert!(close(summary.efficiency, 30.0), "{summary:?}");
    assert!(close(summary.error_rate, 0.25), "{summary:?}");
    assert!(close(summary.cache_hit_ratio, 20.0), "{summary:?}");
    assert_eq!(summary.records, 3);
}

#[test]
fn nothing_and_no_requests_come_to_zeros() {
    assert_eq!(summary(&[]), Summary::default());
    let record = read(r#"{"errors":5,"latency":1}"#).expect("a record");
    let summary = summary(&[record]);
    assert!(close(summary.error_rate, 0.0) && close(summary.latency, 1.0));
}

#[test]
fn bad_values_are_refused_by_name() {
    for (json, says) in [
        (
            r#"{"latency_ms":-1}"#,
            "`-1` is out of range; use 0 to 1e15",
        ),
        (r#"{"throughput":1e16}"#, "out of range"),
        (r#"{"throughput":1e999}"#, "number out of range"),
        (r#"{"latency":null}"#, "invalid type: null"),
        (r#"{"errors":-1}"#, "invalid value: integer `-1`"),
        (r#"{"errors":1.5}"#, "invalid type: floating point"),
        (r#"{"eror":1}"#, "unknown field `eror`"),
        (r#"{"latency":1,"latency_ms":1}"#, "duplicate field"),
    ] {
        let refused = read(json).expect_err("refused");
        assert!(refused.contains(says), "{json}: {refused}");
    }
}

#[test]
fn a_million_small_values_beside_a_large_one_still_count() {
    let record = |latency_ms| Record {
        latency_ms,
        ..Record::default()
    };
    let mut records = vec![record(1e15)];
    records.extend(std::iter::repeat_n(record(0.01), 1_000_000));
    let total = summary(&records).latency * 1_000_001.0;
    assert!((total - (1e15 + 10_000.0)).abs() < 1.0, "{total}");
}

#[tokio::test]
async fn the_dispatcher_runs_it_block_by_block() {
    let records = vec![
        Record {
            latency_ms: 2.0,
            total_requests: u64::MAX,
            errors: u64::MAX,
            ..Record::default()
        };
        2 * BLOCK + 1
    ];
    let batch = Arc::new(Batch::new(records));
    assert_eq!(batch.len(), 3);
    assert_eq!(batch.weight(2).bytes, size_of::<Record>());
    let done = Dispatcher::in_place().run(batch, Lane::Batch, None).await;
    let summary = Summary::merge(done.expect("done").outputs);
    assert!(close(summary.latency, 2.0) && close(summary.error_rate, 100.0));
    assert_eq!(summary.records, 2 * BLOCK as u64 + 1);
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let value = 0.0..1e6_f64;
    let count = 0..1_000_000_u64;
    let record = (
        value.clone(),
        value,
        count.clone(),
        count.clone(),
        count.clone(),
        count,
    );
    let record = record.prop_map(
        |(throughput_rps, latency_ms, total, coalesced, hits, errors)| Record {
            throughput_rps,
            latency_ms,
            total_requests: total,
            coalesced_requests: coalesced,
            cache_hits: hits,
            errors,
        },
    );
    prop::collection::vec(record, 0..5 * BLOCK)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn pieces_give_the_same_as_the_whole_to_the_last_bit(records in records(), cut in 0..5_usize) {
        let batch = Batch::new(records.clone());
        let cut = cut.min(batch.len());
        let mut pieces = batch.run(0..cut);
        pieces.extend(batch.run(cut..batch.len()));
        let pieces = Summary::merge(pieces);
        prop_assert_eq!(pieces, summary(&records));
        if !records.is_empty() {
            let plain: f64 = records.iter().map(|record| record.latency_ms).sum();
            prop_assert!(close(pieces.latency, plain / float(records.len() as u128)));
        }
    }
}
