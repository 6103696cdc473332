//! An assembler for classic BPF: labels, and jumps that are longer than the 8 bits of an offset.
//!
//! Specification: Linux, `Documentation/networking/filter.rst`.

use std::ops::RangeInclusive;

use libc::{
    BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ,
    BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MISC,
    BPF_MSH, BPF_MUL, BPF_RET, BPF_RSH, BPF_ST, BPF_STX, BPF_TAX, BPF_TXA, BPF_W, BPF_X,
};

/// The kernel takes no longer programs.
pub const MAX_INSTRUCTIONS: usize = libc::BPF_MAXINSNS as usize;

/// An instruction as the kernel reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// Instructions to skip if the condition holds, and if it does not.
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// Width of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Byte,
    Half,
    Word,
}

impl Width {
    fn code(self) -> u32 {
        match self {
            Self::Byte => BPF_B,
            Self::Half => BPF_H,
            Self::Word => BPF_W,
        }
    }
}

/// What a condition compares the accumulator with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Equal(u32),
    AtLeast(u32),
    Above(u32),
    /// Any of these bits.
    Bits(u32),
}

/// A place in the program, set by [`Assembler::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// Where a condition leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The next instruction.
    Next,
    /// A label further on.
    Label(Label),
}

impl From<Label> for To {
    fn from(label: Label) -> Self {
        Self::Label(label)
    }
}

enum Step {
    Plain { code: u32, k: u32 },
    Jump(Label),
    Branch { code: u32, k: u32, yes: To, no: To },
}

/// A program that is being written. Jumps lead forward only, as the kernel wants it.
#[derive(Default)]
pub struct Assembler {
    steps: Vec<Step>,
    /// For each label the step that it stands before.
    labels: Vec<Option<usize>>,
}

impl Assembler {
    /// A label, to be set later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Sets a label: here.
    pub fn mark(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(self.steps.len());
        }
    }

    fn plain(&mut self, code: u32, k: u32) {
        self.steps.push(Step::Plain { code, k });
    }

    /// A = the packet at `offset`.
    pub fn load(&mut self, width: Width, offset: u32) {
        self.plain(BPF_LD | width.code() | BPF_ABS, offset);
    }

    /// A = the packet at X + `offset`.
    pub fn load_x(&mut self, width: Width, offset: u32) {
        self.plain(BPF_LD | width.code() | BPF_IND, offset);
    }

    /// X = four times the low half of the packet's byte at `offset`: an IPv4 header's length.
    pub fn header_len_to_x(&mut self, offset: u32) {
        self.plain(BPF_LDX | BPF_B | BPF_MSH, offset);
    }

    /// X = `value`.
    pub fn set_x(&mut self, value: u32) {
        self.plain(BPF_LDX | BPF_W | BPF_IMM, value);
    }

    /// Keeps A.
    pub fn store(&mut self, cell: u32) {
        self.plain(BPF_ST, cell);
    }

    /// A = what was kept.
    pub fn recall(&mut self, cell: u32) {
        self.plain(BPF_LD | BPF_MEM, cell);
    }

    /// X = what was kept.
    pub fn recall_x(&mut self, cell: u32) {
        self.plain(BPF_LDX | BPF_W | BPF_MEM, cell);
    }

    /// Keeps X.
    pub fn store_x(&mut self, cell: u32) {
        self.plain(BPF_STX, cell);
    }

    /// A = `value`.
    pub fn set(&mut self, value: u32) {
        self.plain(BPF_LD | BPF_W | BPF_IMM, value);
    }

    /// A *= `value`.
    pub fn multiply(&mut self, value: u32) {
        self.plain(BPF_ALU | BPF_MUL | BPF_K, value);
    }

    /// A >>= `bits`.
    pub fn shift_right(&mut self, bits: u32) {
        self.plain(BPF_ALU | BPF_RSH | BPF_K, bits);
    }

    /// A += `value`.
    pub fn add(&mut self, value: u32) {
        self.plain(BPF_ALU | BPF_ADD | BPF_K, value);
    }

    /// A += X.
    pub fn add_x(&mut self) {
        self.plain(BPF_ALU | BPF_ADD | BPF_X, 0);
    }

    /// A &= `value`.
    pub fn and(&mut self, value: u32) {
        self.plain(BPF_ALU | BPF_AND | BPF_K, value);
    }

    /// A <<= `bits`.
    pub fn shift_left(&mut self, bits: u32) {
        self.plain(BPF_ALU | BPF_LSH | BPF_K, bits);
    }

    /// X = A.
    pub fn copy_to_x(&mut self) {
        self.plain(BPF_MISC | BPF_TAX, 0);
    }

    /// A = X.
    pub fn copy_from_x(&mut self) {
        self.plain(BPF_MISC | BPF_TXA, 0);
    }

    /// Ends: this many bytes of the packet pass.
    pub fn give(&mut self, bytes: u32) {
        self.plain(BPF_RET | BPF_K, bytes);
    }

    /// Ends with A as the result.
    pub fn give_a(&mut self) {
        self.plain(BPF_RET | BPF_A, 0);
    }

    /// Goes on elsewhere.
    pub fn jump(&mut self, label: Label) {
        self.steps.push(Step::Jump(label));
    }

    /// Goes on where a test of A leads.
    pub fn branch(&mut self, test: Test, yes: impl Into<To>, no: impl Into<To>) {
        let (code, k) = match test {
            Test::Equal(k) => (BPF_JEQ, k),
            Test::AtLeast(k) => (BPF_JGE, k),
            Test::Above(k) => (BPF_JGT, k),
            Test::Bits(k) => (BPF_JSET, k),
        };
        self.steps.push(Step::Branch {
            code: BPF_JMP | code | BPF_K,
            k,
            yes: yes.into(),
            no: no.into(),
        });
    }

    /// Goes to `yes` if A is in one of the ranges, which ascend and lie apart, else to `no`: a search by halves.
    pub fn search(&mut self, ranges: &[RangeInclusive<u32>], yes: Label, no: Label) {
        if let [few @ .., last] = ranges
            && few.len() < 3
        {
            for range in few {
                self.within(range, yes, To::Next);
            }
            self.within(last, yes, no.into());
            return;
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let Some(first) = high.first() else {
            return self.jump(no);
        };
        let upper = self.label();
        self.branch(Test::AtLeast(*first.start()), upper, To::Next);
        self.search(low, yes, no);
        self.mark(upper);
        self.search(high, yes, no);
    }

    fn within(&mut self, range: &RangeInclusive<u32>, yes: Label, no: To) {
        let (start, end) = (*range.start(), *range.end());
        if start == end {
            return self.branch(Test::Equal(start), yes, no);
        }
        let above = self.label();
        self.branch(Test::AtLeast(start), To::Next, above);
        self.branch(Test::Above(end), above, yes);
        self.mark(above);
        if let To::Label(no) = no {
            self.jump(no);
        }
    }

    /// The program, or how long it would be if that is more than the kernel takes.
    pub fn finish(self) -> Result<Vec<Instruction>, usize> {
        let mut sizes: Vec<usize> = vec![1; self.steps.len()];
        // A condition whose target is too far away gets a jump behind it; that moves others away.
        loop {
            let places = places(&sizes);
            let mut grown = false;
            for (index, step) in self.steps.iter().enumerate() {
                let Step::Branch { yes, no, .. } = step else {
                    continue;
                };
                let far = [yes, no].map(|to| self.distance(*to, index, &places) > 255);
                let size = 1 + far.iter().filter(|far| **far).count();
                if size > sizes[index] {
                    sizes[index] = size;
                    grown = true;
                }
            }
            if !grown {
                break;
            }
        }
        let places = places(&sizes);
        let len = sizes.iter().sum();
        if len > MAX_INSTRUCTIONS {
            return Err(len);
        }
        let mut program = Vec::with_capacity(len);
        for (index, step) in self.steps.iter().enumerate() {
            self.emit(step, index, &places, &mut program);
        }
        Ok(program)
    }

    /// Instructions between the one behind a step's first and a target.
    fn distance(&self, to: To, from: usize, places: &[usize]) -> usize {
        let target = match to {
            To::Next => from + 1,
            To::Label(label) => self
                .labels
                .get(label.0)
                .copied()
                .flatten()
                .unwrap_or(self.steps.len()),
        };
        debug_assert!(target > from, "the kernel takes jumps forward only");
        places[target].saturating_sub(places[from] + 1)
    }

    fn emit(&self, step: &Step, index: usize, places: &[usize], program: &mut Vec<Instruction>) {
        match *step {
            Step::Plain { code, k } => program.push(instruction(code, k)),
            Step::Jump(label) => {
                let skip = self.distance(label.into(), index, places);
                program.push(instruction(BPF_JMP | BPF_JA, skip as u32));
            }
            Step::Branch { code, k, yes, no } => {
                let extra = places[index + 1] - places[index] - 1;
                let skips = [yes, no].map(|to| self.distance(to, index, places));
                // Of a step that has grown for one far target the other one is near; both may be far.
                let mut far = Vec::new();
                let [jt, jf] = skips.map(|skip| {
                    if skip > 255 && far.len() < extra {
                        far.push(skip - 1 - far.len());
                        (far.len() - 1) as u8
                    } else {
                        skip as u8
                    }
                });
                program.push(Instruction {
                    code: code as u16,
                    jt,
                    jf,
                    k,
                });
                // A step never shrinks again, so that a jump may be there that nobody needs.
                far.resize(extra, 0);
                for skip in far {
                    program.push(instruction(BPF_JMP | BPF_JA, skip as u32));
                }
            }
        }
    }
}

/// Where each step begins, and the end.
fn places(sizes: &[usize]) -> Vec<usize> {
    let mut places = Vec::with_capacity(sizes.len() + 1);
    let mut at = 0;
    for size in sizes {
        places.push(at);
        at += size;
    }
    places.push(at);
    places
}

fn instruction(code: u32, k: u32) -> Instruction {
    Instruction {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}
