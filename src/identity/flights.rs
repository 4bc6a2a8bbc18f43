//! One flight a key: whoever asks the same while it is under way waits for its answer.
//!
//! The one who leads does so on a task of its own, so a caller that hangs up fails nobody else. An
//! answer is not kept here: it is gone once those who waited for it have it.
//!
//! # Cost
//!
//! A lock for a few instructions at the start and the end of a flight, never across an await.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// What is under way.
pub(super) struct Flights<K, V>(Mutex<HashMap<K, watch::Receiver<Option<V>>>>);

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The answer of the flight for `key`, which begins with `lead` unless it is under way. `None`
    /// if it ended without one, by a panic or because its runtime did.
    ///
    /// Must be called inside a runtime.
    pub(super) async fn join<F>(self: &Arc<Self>, key: K, lead: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut answer = self.board(key, lead);
        let answer = answer.wait_for(Option::is_some).await;
        answer.ok().and_then(|answer| answer.clone())
    }

    /// Begins the flight for `key` unless it is under way, and waits for nothing.
    pub(super) fn board<F>(
        self: &Arc<Self>,
        key: K,
        lead: impl FnOnce() -> F,
    ) -> watch::Receiver<Option<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = self.lock();
        if let Some(answer) = flights.get(&key) {
            return answer.clone();
        }
        let (tell, answer) = watch::channel(None);
        flights.insert(key.clone(), answer.clone());
        let landing = Landing {
            flights: Arc::clone(self),
            key,
        };
        let lead = lead();
        tokio::spawn(async move {
            let value = lead.await;
            // Before it is told, so that whoever asks again afterwards does not get it again.
            drop(landing);
            tell.send_replace(Some(value));
        });
        answer
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight out of the list, also when it ends by a panic.
struct Landing<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    flights: Arc<Flights<K, V>>,
    key: K,
}

impl<K, V> Drop for Landing<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_the_same_share_one_flight_and_later_ones_get_another() {
        let (flights, led) = (Arc::new(Flights::default()), Arc::new(AtomicUsize::new(0)));
        let ask = |key: u8| {
            let led = Arc::clone(&led);
            flights.join(key, move || async move {
                sleep(Duration::from_millis(20)).await;
                (key, led.fetch_add(1, Ordering::Relaxed))
            })
        };
        let (one, two, other) = tokio::join!(ask(1), ask(1), ask(2));
        assert_eq!(one, two);
        assert_eq!(other.map(|(key, _)| key), Some(2));
        assert_eq!(led.load(Ordering::Relaxed), 2);
        assert_eq!(ask(1).await, Some((1, 2)));
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_fails_nobody_else() {
        let flights: Arc<Flights<(), u8>> = Arc::default();
        let lead = || async {
            sleep(Duration::from_millis(50)).await;
            7
        };
        let first = tokio::time::timeout(Duration::from_millis(5), flights.join((), lead));
        let second = flights.join((), || async { 0 });
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_err());
        assert_eq!(second, Some(7));
    }

    #[tokio::test]
    async fn a_flight_that_panics_has_no_answer_and_makes_way() {
        let flights: Arc<Flights<(), u8>> = Arc::default();
        assert_eq!(
            flights.join((), || async { panic!("on purpose") }).await,
            None
        );
        assert_eq!(flights.join((), || async { 1 }).await, Some(1));
    }
}
