//! Values in few bits: written as how they differ from others that are much alike. For what is kept of millions of flows and
//! looked at again perhaps.
//!
//! A number is a single bit if it is the expected one; else its difference, in as many half bytes as that takes. Times and
//! sequence numbers are nowhere near what can be expected of them, but near each other: such a number is told by the nearest of
//! the last ones of its kind. Nothing is written of the form itself: what is read must be what was written, by the same build.

use arrayvec::ArrayVec;

/// Numbers of a kind that others may be near.
const NEAR: usize = 8;
/// Half bytes of a difference from which on others are tried.
const FAR: u32 = 6;
/// Stands for 16 half bytes, where other codes mean one more than they say.
const LONGEST: u64 = 14;
/// The difference is that from a number that was near.
const BY_NEAR: u64 = 15;

/// A value that can be written as how it differs from another one.
pub(crate) trait Pack: Sized {
    /// Writes it.
    fn pack(&self, like: &Self, out: &mut Packer);
    /// Reads what was written with the same `like`.
    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self;
}

/// Writes bits.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
    /// Bits that are no full word yet.
    bits: u64,
    count: u32,
    times: Near,
    numbers: Near,
}

/// Reads bits. Behind the last there are zeros.
#[derive(Debug)]
pub(crate) struct Unpacker<'a> {
    bytes: &'a [u8],
    bits: u64,
    count: u32,
    times: Near,
    numbers: Near,
}

/// The last numbers of a kind that were far from all others.
#[derive(Clone, Copy, Debug, Default)]
struct Near {
    last: [u64; NEAR],
    next: usize,
}

impl Near {
    fn keep(&mut self, number: u64) {
        if let Some(place) = self.last.get_mut(self.next % NEAR) {
            *place = number;
        }
        self.next += 1;
    }

    /// The place of the one that is nearest, and the difference.
    fn nearest(&self, number: u64, difference: fn(u64, u64) -> u64) -> (usize, u64) {
        let all = self.last.iter().map(|near| difference(number, *near));
        let least = all.enumerate().min_by_key(|(_, difference)| *difference);
        least.unwrap_or_default()
    }
}

/// How far a 64-bit number is from another one, small in both directions.
fn between(number: u64, from: u64) -> u64 {
    let difference = number.wrapping_sub(from).cast_signed();
    (difference << 1 ^ difference >> 63).cast_unsigned()
}

/// The same for 32-bit numbers, which wrap.
fn between32(number: u64, from: u64) -> u64 {
    let difference = i64::from((number as u32).wrapping_sub(from as u32).cast_signed());
    (difference << 1 ^ difference >> 63).cast_unsigned()
}

/// The difference that is so far.
fn difference(far: u64) -> u64 {
    far >> 1 ^ (far & 1).wrapping_neg()
}

/// Half bytes that a number takes.
fn halves(number: u64) -> u32 {
    (64 - number.leading_zeros()).div_ceil(4)
}

impl Packer {
    /// Begins anew, with the memory of before.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.bits, self.count) = (0, 0);
        self.times = Near::default();
        self.numbers = Near::default();
    }

    /// All that was written.
    pub(crate) fn finish(&mut self) -> &[u8] {
        let rest = self.count.div_ceil(8) as usize;
        let bits = self.bits.to_le_bytes();
        self.bytes.extend(bits.iter().take(rest));
        (self.bits, self.count) = (0, 0);
        &self.bytes
    }

    /// Writes the lowest bits, 32 at most, of a number that has no others.
    #[inline]
    fn put(&mut self, number: u64, bits: u32) {
        self.bits |= number << self.count;
        self.count += bits;
        if self.count >= 32 {
            self.bytes.extend((self.bits as u32).to_le_bytes());
            self.bits >>= 32;
            self.count -= 32;
        }
    }

    fn put_halves(&mut self, number: u64, halves: u32) {
        if halves > 8 {
            self.put(number & u64::from(u32::MAX), 32);
            self.put(number >> 32, halves * 4 - 32);
        } else {
            self.put(number, halves * 4);
        }
    }

    fn bit(&mut self, bit: bool) {
        self.put(bit.into(), 1);
    }

    fn near<const WIDE: bool>(&mut self) -> &mut Near {
        if WIDE {
            &mut self.times
        } else {
            &mut self.numbers
        }
    }

    /// Writes a number that is not the one that was expected.
    fn differ<const WIDE: bool>(&mut self, number: u64, like: u64) {
        let distance = if WIDE { between } else { between32 };
        let far = distance(number, like);
        let long = halves(far);
        if long < FAR {
            self.put(1 | u64::from(long - 1) << 1, 5);
            return self.put(far, long * 4);
        }
        let (place, least) = self.near::<WIDE>().nearest(number, distance);
        let short = halves(least);
        if short + 2 < long {
            self.put(
                1 | BY_NEAR << 1 | (place as u64) << 5 | u64::from(short) << 8,
                12,
            );
            self.put_halves(least, short);
            if least == 0 {
                return;
            }
        } else {
            let (code, long) = if long > 14 {
                (LONGEST, 16)
            } else {
                (u64::from(long - 1), long)
            };
            self.put(1 | code << 1, 5);
            self.put_halves(far, long);
        }
        self.near::<WIDE>().keep(number);
    }

    #[inline]
    fn number<const WIDE: bool>(&mut self, number: u64, like: u64) {
        if number == like {
            self.put(0, 1);
        } else {
            self.differ::<WIDE>(number, like);
        }
    }
}

impl<'a> Unpacker<'a> {
    /// Reads what a [`Packer`] wrote.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            bits: 0,
            count: 0,
            times: Near::default(),
            numbers: Near::default(),
        }
    }

    /// Reads bits, 32 at most.
    #[inline]
    fn get(&mut self, bits: u32) -> u64 {
        if self.count < bits {
            let word = if let Some((word, rest)) = self.bytes.split_first_chunk() {
                self.bytes = rest;
                u32::from_le_bytes(*word)
            } else {
                let rest = std::mem::take(&mut self.bytes).iter().rev();
                rest.fold(0, |word, byte| word << 8 | u32::from(*byte))
            };
            self.bits |= u64::from(word) << self.count;
            self.count += 32;
        }
        let number = self.bits & ((1 << bits) - 1);
        self.bits >>= bits;
        self.count -= bits;
        number
    }

    fn get_halves(&mut self, halves: u32) -> u64 {
        if halves > 8 {
            self.get(32) | self.get(halves * 4 - 32) << 32
        } else {
            self.get(halves * 4)
        }
    }

    fn bit(&mut self) -> bool {
        self.get(1) == 1
    }

    fn near<const WIDE: bool>(&mut self) -> &mut Near {
        if WIDE {
            &mut self.times
        } else {
            &mut self.numbers
        }
    }

    fn differing<const WIDE: bool>(&mut self, like: u64) -> u64 {
        let code = self.get(4);
        let (from, far, long) = if code == BY_NEAR {
            let (place, short) = (self.get(3) as usize, self.get(4) as u32);
            let from = self.near::<WIDE>().last.get(place).copied();
            (from.unwrap_or_default(), self.get_halves(short), FAR)
        } else {
            let long = if code == LONGEST { 16 } else { code as u32 + 1 };
            (like, self.get_halves(long), long)
        };
        let number = from.wrapping_add(difference(far));
        let number = if WIDE {
            number
        } else {
            number & u64::from(u32::MAX)
        };
        if long >= FAR && !(code == BY_NEAR && far == 0) {
            self.near::<WIDE>().keep(number);
        }
        number
    }

    #[inline]
    fn number<const WIDE: bool>(&mut self, like: u64) -> u64 {
        if self.bit() {
            self.differing::<WIDE>(like)
        } else {
            like
        }
    }
}

macro_rules! numbers {
    ($($number:ty: $wide:literal),*) => {
        $(impl Pack for $number {
            #[inline]
            fn pack(&self, like: &Self, out: &mut Packer) {
                out.number::<$wide>(u64::from(*self), u64::from(*like));
            }

            #[inline]
            fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
                from.number::<$wide>(u64::from(*like)) as Self
            }
        })*
    };
}

numbers!(u8: false, u16: false, u32: false, u64: true);

impl Pack for i64 {
    fn pack(&self, like: &Self, out: &mut Packer) {
        self.cast_unsigned().pack(&like.cast_unsigned(), out);
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        u64::unpack(&like.cast_unsigned(), from).cast_signed()
    }
}

impl Pack for bool {
    fn pack(&self, like: &Self, out: &mut Packer) {
        out.bit(self != like);
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        from.bit() != *like
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, like: &Self, out: &mut Packer) {
        self.0.pack(&like.0, out);
        self.1.pack(&like.1, out);
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        (A::unpack(&like.0, from), B::unpack(&like.1, from))
    }
}

impl<T: Pack, const N: usize> Pack for [T; N] {
    fn pack(&self, like: &Self, out: &mut Packer) {
        for (value, like) in self.iter().zip(like) {
            value.pack(like, out);
        }
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        like.each_ref().map(|like| T::unpack(like, from))
    }
}

impl<T: Pack + Default> Pack for Option<T> {
    fn pack(&self, like: &Self, out: &mut Packer) {
        self.is_some().pack(&like.is_some(), out);
        if let Some(value) = self {
            let usual = T::default();
            value.pack(like.as_ref().unwrap_or(&usual), out);
        }
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        bool::unpack(&like.is_some(), from).then(|| {
            let usual = T::default();
            T::unpack(like.as_ref().unwrap_or(&usual), from)
        })
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, like: &Self, out: &mut Packer) {
        T::pack(self, like, out);
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        Self::new(T::unpack(like, from))
    }
}

impl<T: Pack + Default, const N: usize> Pack for ArrayVec<T, N> {
    fn pack(&self, like: &Self, out: &mut Packer) {
        (self.len() as u32).pack(&(like.len() as u32), out);
        let usual = T::default();
        for (place, value) in self.iter().enumerate() {
            value.pack(like.get(place).unwrap_or(&usual), out);
        }
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        let len = u32::unpack(&(like.len() as u32), from) as usize;
        let usual = T::default();
        let places = 0..len.min(N);
        places
            .map(|place| T::unpack(like.get(place).unwrap_or(&usual), from))
            .collect()
    }
}

/// Packs a structure: all of its fields, which it fails to build without, in this order.
macro_rules! packed {
    ($type:ty { $($field:tt),* $(,)? }) => {
        impl $crate::pack::Pack for $type {
            fn pack(&self, like: &Self, out: &mut $crate::pack::Packer) {
                $($crate::pack::Pack::pack(&self.$field, &like.$field, out);)*
            }

            fn unpack(like: &Self, from: &mut $crate::pack::Unpacker<'_>) -> Self {
                Self { $($field: $crate::pack::Pack::unpack(&like.$field, from)),* }
            }
        }
    };
}

/// Packs a structure of which more can be expected than it has in common with one that is alike: all of its fields, and for each
/// what follows from that, from those before it, and from what else is known.
macro_rules! packed_as {
    ($type:ident, |$own:ident, $like:ident, $known:ident: $what:ty| {
        $($field:ident: $expected:expr),* $(,)?
    }) => {
        impl $type {
            /// Writes it.
            pub(super) fn pack_as(&self, $like: &Self, $known: $what, out: &mut $crate::pack::Packer) {
                let Self { $($field: _),* } = self;
                let $own = self;
                $($crate::pack::Pack::pack(&self.$field, &$expected, out);)*
            }

            /// Reads what was written with the same.
            pub(super) fn unpack_as(
                $like: &Self,
                $known: $what,
                from: &mut $crate::pack::Unpacker<'_>,
            ) -> Self {
                let mut value = $like.clone();
                $(value.$field = {
                    #[allow(unused_variables, reason = "not all follow from others")]
                    let $own = &value;
                    $crate::pack::Pack::unpack(&$expected, from)
                };)*
                value
            }
        }
    };
}

/// Packs an enumeration without values: all of its variants, in their order.
macro_rules! packed_enum {
    ($type:ident { $first:ident $(, $variant:ident)* $(,)? }) => {
        impl $crate::pack::Pack for $type {
            fn pack(&self, like: &Self, out: &mut $crate::pack::Packer) {
                (*self as u8).pack(&(*like as u8), out);
            }

            fn unpack(like: &Self, from: &mut $crate::pack::Unpacker<'_>) -> Self {
                let number = u8::unpack(&(*like as u8), from);
                // That none is left out, the compiler tells.
                match Self::$first { Self::$first $(| Self::$variant)* => {} }
                [$(Self::$variant),*]
                    .into_iter()
                    .find(|variant| *variant as u8 == number)
                    .unwrap_or(Self::$first)
            }
        }
    };
}

pub(crate) use {packed, packed_as, packed_enum};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back<T: Pack>(value: &T, like: &T) -> (T, usize) {
        let mut out = Packer::default();
        value.pack(like, &mut out);
        let bytes = out.finish();
        (T::unpack(like, &mut Unpacker::new(bytes)), bytes.len())
    }

    #[test]
    fn what_was_expected_takes_a_bit_and_what_is_near_a_few() {
        assert_eq!(there_and_back(&[7_u32; 64], &[7; 64]), ([7; 64], 8));
        let times = [1_700_000_000_000_000_000_u64, 1_700_000_000_000_000_009];
        // Five bits and 16 half bytes; twelve and two.
        assert_eq!(there_and_back(&times, &[0; 2]), (times, 12));
        // 32-bit numbers are near each other across the wrap: five bits and one half byte.
        assert_eq!(there_and_back(&2_u32, &u32::MAX), (2, 2));
    }

    #[test]
    fn what_is_cut_reads_as_zeros() {
        let mut out = Packer::default();
        [u64::MAX; 4].pack(&[1; 4], &mut out);
        let bytes = out.finish().to_vec();
        for len in 0..bytes.len() {
            let cut = bytes.get(..len).unwrap_or_default();
            let read = <[u64; 4]>::unpack(&[1; 4], &mut Unpacker::new(cut));
            assert_ne!(read, [u64::MAX; 4], "{len}");
        }
    }

    /// Numbers of all lengths, and some that are near each other.
    fn any_number() -> impl Strategy<Value = u64> {
        let of_length = (any::<u64>(), 0_u32..64).prop_map(|(number, by)| number >> by);
        prop_oneof![
            of_length,
            1_700_000_000_000_000_000_u64..1_700_000_000_000_100_000
        ]
    }

    proptest! {
        #[test]
        fn all_is_read_as_it_was_written(
            numbers in prop::collection::vec((any_number(), any_number()), 0..60),
        ) {
            let mut out = Packer::default();
            for (number, like) in &numbers {
                number.pack(like, &mut out);
                (*number as u32).pack(&(*like as u32), &mut out);
                number.cast_signed().pack(&like.cast_signed(), &mut out);
                (*number as u8, number & 1 == 0).pack(&(*like as u8, true), &mut out);
                Some(*number as u16).filter(|n| n & 1 == 0).pack(&Some(*like as u16), &mut out);
            }
            let bytes = out.finish();
            let mut from = Unpacker::new(bytes);
            for (number, like) in &numbers {
                prop_assert_eq!(u64::unpack(like, &mut from), *number);
                prop_assert_eq!(u32::unpack(&(*like as u32), &mut from), *number as u32);
                prop_assert_eq!(i64::unpack(&like.cast_signed(), &mut from), number.cast_signed());
                let pair = <(u8, bool)>::unpack(&(*like as u8, true), &mut from);
                prop_assert_eq!(pair, (*number as u8, number & 1 == 0));
                let odd = Option::<u16>::unpack(&Some(*like as u16), &mut from);
                prop_assert_eq!(odd, Some(*number as u16).filter(|n| n & 1 == 0));
            }
        }
    }
}
