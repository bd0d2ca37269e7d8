//! How many threads carry the work.
//!
//! Half as many as the machine has cores: a gateway shares its machine with an XMPP server more often than not, and on two cores a
//! copy of a message costs a tenth less with one thread than with two, while four hundred who dial at once are in as soon. Who gives
//! the whole machine to it says so with `TOKIO_WORKER_THREADS`, the variable of the runtime.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// The environment variable that says another number.
const VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// What the environment says is no number of threads.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{VARIABLE} in the environment is {0:?}: it has to be a number from 1 on, or not to be there")]
pub(super) struct NotANumber(String);

/// As many as the environment says, else half of the cores, but one at least.
///
/// # Errors
///
/// [`NotANumber`] when the environment says something else.
pub(super) fn workers() -> Result<usize, NotANumber> {
    let said = std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
    chosen(said, available_parallelism().map_or(1, NonZeroUsize::get))
}

fn chosen(said: Option<String>, cores: usize) -> Result<usize, NotANumber> {
    match said {
        None => Ok((cores / 2).max(1)),
        Some(said) => said.parse().map(NonZeroUsize::get).map_err(|_| NotANumber(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_cores_carry_the_work_but_one_at_least() {
        let of = |cores| chosen(None, cores);
        assert_eq!([of(1), of(2), of(3), of(4), of(16)], [Ok(1), Ok(1), Ok(1), Ok(2), Ok(8)]);
    }

    #[test]
    fn the_environment_has_the_last_word_and_is_told_when_it_makes_no_sense() {
        assert_eq!(chosen(Some("5".into()), 2), Ok(5));
        for nonsense in ["0", "", "-1", "two"] {
            assert_eq!(chosen(Some(nonsense.into()), 2), Err(NotANumber(nonsense.into())));
        }
    }
}
