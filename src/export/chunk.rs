//! Records on their way out, several at once.

/// Records one behind the other, where each ends, and what each stands for.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<(usize, u64)>,
}

impl Chunk {
    /// Adds a record of one flow or finding.
    pub fn add(&mut self, record: &[u8]) {
        self.add_of(record, 1);
    }

    /// Adds a record of so many; none, if it only helps to read others.
    pub fn add_of(&mut self, record: &[u8], number: u64) {
        self.bytes.extend_from_slice(record);
        self.ends.push((self.bytes.len(), number));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Flows and findings in it.
    pub fn count(&self) -> u64 {
        self.ends.iter().map(|(_, number)| number).sum()
    }

    /// All records.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Each of them.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.ends.iter().map(|(end, _)| *end);
        let places = std::iter::once(0).chain(ends.clone()).zip(ends);
        places.map(|(start, end)| self.bytes.get(start..end).unwrap_or_default())
    }

    /// Takes away those that are whole within the first so many bytes.
    pub fn drop_written(&mut self, written: usize) {
        self.drop_first(self.ends.partition_point(|(end, _)| *end <= written));
    }

    /// Takes away the first so many.
    pub fn drop_first(&mut self, number: usize) {
        let number = number.min(self.ends.len());
        let last = number.checked_sub(1).and_then(|last| self.ends.get(last));
        let cut = last.map_or(0, |(end, _)| *end);
        self.bytes.drain(..cut);
        self.ends.drain(..number);
        for (end, _) in &mut self.ends {
            *end -= cut;
        }
    }

    /// Adds those of another one.
    pub fn append(&mut self, other: &Self) {
        for (record, (_, number)) in other.records().zip(&other.ends) {
            self.add_of(record, *number);
        }
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_in_part_is_written_again_whole() {
        let mut chunk = Chunk::default();
        chunk.add_of(b"head\n", 0);
        for record in ["one\n", "three\n", "x\n"] {
            chunk.add(record.as_bytes());
        }
        assert_eq!(chunk.count(), 3);
        chunk.drop_written(8);
        assert_eq!((chunk.count(), chunk.bytes().len()), (3, 12));
        chunk.drop_written(9);
        assert_eq!(chunk.bytes(), b"three\nx\n");
        assert_eq!(
            chunk.records().collect::<Vec<_>>(),
            [&b"three\n"[..], b"x\n"]
        );
        let mut all = Chunk::default();
        all.add_of(b"head\n", 0);
        all.append(&chunk);
        assert_eq!((all.bytes(), all.count()), (&b"head\nthree\nx\n"[..], 2));
        chunk.drop_written(8);
        assert!(chunk.is_empty() && chunk.bytes().is_empty());
    }
}
