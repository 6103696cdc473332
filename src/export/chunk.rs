//! Records on their way out, several at once.

/// Records one behind the other, and where each ends.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    /// Adds a record.
    pub fn add(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Each of them.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let places = starts.zip(&self.ends);
        places.map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }

    /// Takes away those that are whole within the first so many bytes; gives their number.
    pub fn drop_written(&mut self, written: usize) -> usize {
        let whole = self.ends.partition_point(|end| *end <= written);
        self.drop_first(whole);
        whole
    }

    /// Takes away the first so many.
    pub fn drop_first(&mut self, number: usize) {
        let number = number.min(self.ends.len());
        let cut = number.checked_sub(1).and_then(|last| self.ends.get(last));
        let cut = cut.copied().unwrap_or_default();
        self.bytes.drain(..cut);
        self.ends.drain(..number);
        for end in &mut self.ends {
            *end -= cut;
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
        for record in ["one\n", "three\n", "x\n"] {
            chunk.add(record.as_bytes());
        }
        assert_eq!(chunk.drop_written(3), 0);
        assert_eq!(chunk.drop_written(9), 1);
        assert_eq!(chunk.bytes(), b"three\nx\n");
        assert_eq!(
            chunk.records().collect::<Vec<_>>(),
            [&b"three\n"[..], b"x\n"]
        );
        assert_eq!(chunk.drop_written(8), 2);
        assert_eq!((chunk.len(), chunk.bytes().len()), (0, 0));
    }
}
