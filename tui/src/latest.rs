//! A place for the latest of many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the latest of many waits until somebody takes it: however long that lasts, one waits at most.
#[derive(Debug)]
pub struct Latest<T>(Arc<Mutex<Option<T>>>);

impl<T> Latest<T> {
    /// Puts one there, in place of one that waits. Tells whether none did: then who takes them must be told.
    #[must_use]
    pub fn put(&self, one: T) -> bool {
        let before = self.lock().replace(one);
        before.is_none()
    }

    /// Takes the one that waits, if one does.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Latest<T> {
    fn from(one: T) -> Self {
        Self(Arc::new(Mutex::new(Some(one))))
    }
}

#[cfg(test)]
mod tests {
    use super::Latest;

    #[test]
    fn the_last_one_waits_alone() {
        let latest = Latest::default();
        assert_eq!(latest.take(), None);
        let taker = latest.clone();
        assert!(latest.put(1));
        assert!(!latest.put(2));
        assert_eq!((taker.take(), taker.take()), (Some(2), None));
        assert!(latest.put(3));
    }
}
