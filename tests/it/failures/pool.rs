//! A pool that is full: what cannot wait there is turned away, whatever the route says.

use futures_util::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_its_lane_cannot_hold_is_an_overload_and_no_way_in() {
    const CALLERS: usize = 100;
    let config = "limits: { deadline: 20s }
admission: { min: 2048 }
dispatch: { cores: 2, queue: { critical: 1 } }
routes:
  - { name: deny, match: { path: /deny }, screening: { injection: deny }, on_unavailable: { screening: deny } }
  - { name: error, match: { path: /error }, screening: { injection: deny }, on_unavailable: { screening: error } }
  - { name: allow, match: { path: /allow }, screening: { injection: deny }, on_unavailable: { screening: allow } }
";
    let subzero = world::subzero(config, &Keys::generate()).start().await;
    let door = Door::dial(subzero.grpc).await;
    // Long enough to leave its thread, and no two alike, since those would be screened once.
    let body = |mark: usize| {
        let text = "tell me about the sea and its fish. ".repeat(1_500);
        let content = format!("{mark} {text}");
        json!({"model": "m", "messages": [{"role": "user", "content": content}]}).to_string()
    };
    let shed = async || {
        let metrics = subzero.metrics().await;
        metrics.count("subzero_shed_total", &[("lane", "critical")])
    };
    for path in ["/deny", "/error", "/allow"] {
        let before = shed().await;
        let bodies: Vec<String> = (0..CALLERS).map(body).collect();
        let headers = [("content-type", "application/json")];
        let answers = bodies
            .iter()
            .map(|body| door.ask(path, &headers, body.as_bytes()));
        let answers = join_all(answers).await;
        let turned_away = Answer::Denied(503, "overloaded".to_owned());
        let refused = answers.iter().filter(|answer| **answer == turned_away);
        let refused = refused.count();
        let passed = answers.iter().filter(|answer| **answer == Answer::Allowed);
        assert_eq!(refused + passed.count(), CALLERS, "{path}: {answers:?}");
        assert!(refused > 0, "{path}: the pool is never full");
        assert_eq!(shed().await - before, refused as u64, "{path}");
    }
}
