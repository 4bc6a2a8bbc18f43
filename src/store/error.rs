//! Why the store gave no answer. That there is nothing is an answer: `Ok(None)`.

/// Why the store gave no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Redis is not there. Told at once: nobody waits for a connection.
    #[error("the store is away")]
    Away,
    /// The caller's own time ran out; nothing is known about the store.
    #[error("time ran out before the store answered")]
    Cancelled,
    /// There is no room for what should be kept, and nothing may be dropped for it.
    #[error("the store is full")]
    Full,
    /// Redis answered with an error of its own.
    #[error("the store refused")]
    Refused,
    /// Redis did not answer within `store.redis.deadline`.
    #[error("the store did not answer in time")]
    Slow,
}
