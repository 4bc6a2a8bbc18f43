//! Asking a second time while the first question is under way.
//!
//! Helps where one of many servers behind an address now and then dawdles, and harms one that is slow because
//! it is busy: so it is off unless configured, and bounded by whoever allows it. Only for questions that
//! change nothing.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use tokio::time::timeout;

/// What comes of `send`, or of a second one like it if the first has no answer `after` so long and it `may`
/// be sent: the first answer, or the later failure.
pub async fn hedged<F, T, E>(
    after: Option<Duration>,
    may: impl FnOnce() -> bool,
    send: impl Fn() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut first = pin!(send());
    let Some(after) = after else {
        return first.await;
    };
    if let Ok(answer) = timeout(after, &mut first).await {
        return answer;
    }
    if !may() {
        return first.await;
    }
    match select(first, pin!(send())).await {
        Either::Left((Ok(answer), _)) | Either::Right((Ok(answer), _)) => Ok(answer),
        Either::Left((Err(_), other)) | Either::Right((Err(_), other)) => other.await,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::sleep;

    use super::*;

    const AFTER: Duration = Duration::from_millis(40);
    /// Far enough from each other and from [`AFTER`] for a busy machine.
    const QUICK: u64 = 1;
    const LATE: u64 = 400;
    const LATEST: u64 = 800;

    /// The outcome, and how often it was asked: each try takes so long and comes to that.
    async fn asked(
        after: Option<Duration>,
        may: bool,
        tries: [(u64, Result<u8, u8>); 2],
    ) -> (Result<u8, u8>, usize) {
        let count = Cell::new(0);
        let send = || {
            let (millis, outcome) = tries[count.replace(count.get() + 1)];
            async move {
                sleep(Duration::from_millis(millis)).await;
                outcome
            }
        };
        let outcome = hedged(after, || may, send).await;
        (outcome, count.get())
    }

    #[tokio::test]
    async fn the_quicker_answer_counts_and_a_failure_waits_for_the_other() {
        let on = Some(AFTER);
        for (after, may, tries, expected) in [
            (on, true, [(QUICK, Ok(1)), (QUICK, Ok(2))], (Ok(1), 1)),
            (on, true, [(QUICK, Err(1)), (QUICK, Ok(2))], (Err(1), 1)),
            (on, true, [(LATE, Ok(1)), (QUICK, Ok(2))], (Ok(2), 2)),
            (on, true, [(LATE, Ok(1)), (LATEST, Ok(2))], (Ok(1), 2)),
            (on, true, [(LATE, Err(1)), (LATEST, Ok(2))], (Ok(2), 2)),
            (on, true, [(LATE, Ok(1)), (QUICK, Err(2))], (Ok(1), 2)),
            (on, true, [(LATE, Err(1)), (QUICK, Err(2))], (Err(1), 2)),
            (on, false, [(LATE, Ok(1)), (QUICK, Ok(2))], (Ok(1), 1)),
            (None, true, [(LATE, Ok(1)), (QUICK, Ok(2))], (Ok(1), 1)),
        ] {
            assert_eq!(asked(after, may, tries).await, expected, "{tries:?}");
        }
    }
}
