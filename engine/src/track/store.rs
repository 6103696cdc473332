//! Records of bytes, a few hundred each and millions of them, with little lost between: they stand one behind the other. When too
//! much has become free between them, what is left of a piece of memory is moved, and the piece is given back.

/// Bytes that memory is taken for at once.
const CHUNK: usize = 1 << 16;
/// Records begin at a multiple of this.
const STEP: usize = 8;
/// Owner and length of a record, in front of it.
const HEAD: usize = 6;
/// Bits of a number that say where in a chunk a record is.
const PLACE_BITS: u32 = (CHUNK / STEP).trailing_zeros();
/// Most chunks.
const CHUNKS: usize = (1 << (u32::BITS - PLACE_BITS)) - 1;
/// Owner of what is free.
const NOBODY: u32 = u32::MAX;
/// One in so many bytes may be free.
const FREE: usize = 8;
/// Chunks of which the one is tidied up that has most to give.
const CHOICE: usize = 32;

/// Records by number, each of an owner.
#[derive(Debug, Default)]
pub(super) struct Store {
    chunks: Vec<Chunk>,
    /// Numbers of chunks that have no memory.
    empty: Vec<usize>,
    /// The one that records are added to.
    current: usize,
    /// Bytes of all chunks, and those that are free again.
    bytes: usize,
    free: usize,
    /// The chunk that is looked at next for being tidied up.
    hand: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    free: usize,
}

/// The chunk of a record, and where it begins there.
fn split(number: u32) -> (usize, usize) {
    let place = number & ((1 << PLACE_BITS) - 1);
    ((number >> PLACE_BITS) as usize, place as usize * STEP)
}

/// Bytes that a record takes.
fn size(len: usize) -> usize {
    (HEAD + len).next_multiple_of(STEP)
}

/// Owner and bytes of the record that begins somewhere, and the bytes that it takes.
fn record(bytes: &[u8], start: usize) -> Option<(u32, &[u8], usize)> {
    let (owner, rest) = bytes.get(start..)?.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let len = usize::from(u16::from_le_bytes(*len));
    Some((u32::from_le_bytes(*owner), rest.get(..len)?, size(len)))
}

/// All records of a chunk that are somebody's.
fn records(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut start = 0;
    let all = std::iter::from_fn(move || {
        let (owner, record, size) = record(bytes, start)?;
        start += size;
        Some((owner, record))
    });
    all.filter(|(owner, _)| *owner != NOBODY)
}

impl Store {
    /// Bytes that it takes, with what is free between records.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a record, and gives its number; `None` if it is too long, or there are too many.
    pub fn insert(&mut self, owner: u32, record: &[u8]) -> Option<u32> {
        let len = u16::try_from(record.len()).ok()?;
        let size = size(record.len());
        let fits = |chunk: &Chunk| chunk.bytes.len() + size <= chunk.bytes.capacity();
        if !self.chunks.get(self.current).is_some_and(fits) {
            if size > CHUNK {
                return None;
            }
            self.open()?;
        }
        let bytes = &mut self.chunks.get_mut(self.current)?.bytes;
        let start = bytes.len();
        bytes.extend(owner.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(record);
        bytes.resize(start + size, 0);
        Some((self.current as u32) << PLACE_BITS | (start / STEP) as u32)
    }

    /// A record.
    pub fn get(&self, number: u32) -> Option<&[u8]> {
        let (chunk, start) = split(number);
        let (_, record, _) = record(&self.chunks.get(chunk)?.bytes, start)?;
        Some(record)
    }

    /// Gives up a record that is there.
    pub fn remove(&mut self, number: u32) {
        let (number, start) = split(number);
        let Some(chunk) = self.chunks.get_mut(number) else {
            return;
        };
        let Some((_, _, size)) = record(&chunk.bytes, start) else {
            return;
        };
        if let Some(owner) = chunk
            .bytes
            .get_mut(start..)
            .and_then(<[u8]>::first_chunk_mut)
        {
            *owner = NOBODY.to_le_bytes();
        }
        chunk.free += size;
        self.free += size;
        if chunk.free == chunk.bytes.len() && number != self.current {
            self.close(number);
        }
    }

    /// Whether there is so much free that it is to be tidied up.
    pub fn is_untidy(&self) -> bool {
        self.free * FREE > self.bytes && self.free > CHUNK * FREE
    }

    /// Gives back a chunk of which much is free. `told` hears of each record that it has, by its owner: before the first is moved
    /// without a number, then with its new one.
    pub fn tidy(&mut self, mut told: impl FnMut(u32, Option<u32>)) {
        let count = self.chunks.len();
        // What is moved may need another chunk before the old one is given back.
        if self.empty.is_empty() && count >= CHUNKS {
            return;
        }
        let some = (self.hand..self.hand + CHOICE.min(count)).map(|number| number % count);
        self.hand = (self.hand + CHOICE) % count.max(1);
        let others = some.filter(|number| *number != self.current);
        let Some(most) = others.max_by_key(|number| self.chunks.get(*number).map(|c| c.free))
        else {
            return;
        };
        let Some(chunk) = self.chunks.get_mut(most).filter(|chunk| chunk.free > 0) else {
            return;
        };
        let bytes = std::mem::take(&mut chunk.bytes);
        for (owner, _) in records(&bytes) {
            told(owner, None);
        }
        for (owner, record) in records(&bytes) {
            if let Some(number) = self.insert(owner, record) {
                told(owner, Some(number));
            }
        }
        self.close(most);
    }

    /// Takes memory for another chunk, and makes it the current one.
    fn open(&mut self) -> Option<()> {
        let before = self.current;
        self.current = match self.empty.pop() {
            Some(number) => number,
            None if self.chunks.len() < CHUNKS => {
                self.chunks.push(Chunk::default());
                self.chunks.len() - 1
            }
            None => return None,
        };
        self.chunks.get_mut(self.current)?.bytes = Vec::with_capacity(CHUNK);
        self.bytes += CHUNK;
        let is_free = |chunk: &Chunk| chunk.free > 0 && chunk.free == chunk.bytes.len();
        if before != self.current && self.chunks.get(before).is_some_and(is_free) {
            self.close(before);
        }
        Some(())
    }

    /// Gives back the memory of a chunk that has nothing any more.
    fn close(&mut self, number: usize) {
        if let Some(chunk) = self.chunks.get_mut(number) {
            self.free -= chunk.free;
            self.bytes -= CHUNK;
            *chunk = Chunk::default();
            self.empty.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_that_is_free_is_given_back() {
        let mut store = Store::default();
        let numbers: Vec<u32> = (0..3 * CHUNK as u32 / 128)
            .map(|owner| store.insert(owner, &[owner as u8; 122]).unwrap())
            .collect();
        assert_eq!(store.bytes(), 3 * CHUNK);
        let (first, rest) = numbers.split_at(CHUNK / 128);
        for number in first {
            store.remove(*number);
        }
        assert_eq!(store.bytes(), 2 * CHUNK);
        assert_eq!(store.get(rest[0]), Some(&[0; 122][..]));
        // It is taken again, where it was.
        assert_eq!(store.insert(7, &[1; 122]).map(split), Some((0, 0)));
        for number in rest {
            store.remove(*number);
        }
        assert_eq!(store.bytes(), CHUNK);
    }

    #[test]
    fn a_record_has_a_length() {
        let mut store = Store::default();
        let long = vec![3; CHUNK];
        let longest = &long[HEAD..];
        assert_eq!(store.insert(1, &long), None);
        assert_eq!(store.insert(1, &long[HEAD - 1..]), None);
        let number = store.insert(1, longest).unwrap();
        let empty = store.insert(2, &[]).unwrap();
        assert_eq!(store.get(number), Some(longest));
        assert_eq!(store.get(empty), Some(&[][..]));
    }

    proptest! {
        #[test]
        fn every_record_is_read_as_it_was_written_however_often_it_is_moved(
            steps in prop::collection::vec((0_usize..2000, any::<u8>(), 0_u8..4), 1..3000),
        ) {
            let mut store = Store::default();
            let mut kept: BTreeMap<u32, (u32, Vec<u8>)> = BTreeMap::new();
            for (owner, (len, byte, what)) in (0..).zip(steps) {
                match what {
                    0 => {
                        if let Some((_, (number, _))) = kept.pop_first() {
                            store.remove(number);
                        }
                    }
                    1 if byte < 64 => store.tidy(|owner, number| {
                        let of_owner = kept.get_mut(&owner).unwrap();
                        of_owner.0 = number.unwrap_or(of_owner.0);
                    }),
                    _ => {
                        let record = vec![byte; len];
                        kept.insert(owner, (store.insert(owner, &record).unwrap(), record));
                    }
                }
            }
            for (number, record) in kept.values() {
                prop_assert_eq!(store.get(*number), Some(&record[..]));
            }
            for (number, _) in kept.into_values() {
                store.remove(number);
            }
            prop_assert!(store.bytes() <= CHUNK && store.free <= CHUNK);
        }
    }
}
