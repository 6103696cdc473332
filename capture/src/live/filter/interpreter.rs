//! Runs a classic BPF program as the kernel would.

use libc::{
    BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_DIV, BPF_H, BPF_IMM, BPF_IND, BPF_JA,
    BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET, BPF_LD, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MISC,
    BPF_MOD, BPF_MSH, BPF_MUL, BPF_OR, BPF_RET, BPF_RSH, BPF_ST, BPF_STX, BPF_SUB, BPF_TXA, BPF_W,
    BPF_X, BPF_XOR,
};

use super::Instruction;

/// A packet, and what the kernel knows of it.
#[derive(Clone, Debug, Default)]
pub struct Packet {
    pub bytes: Vec<u8>,
    /// Where the network header begins.
    pub network: usize,
    pub protocol: u16,
    pub device_type: u16,
    pub direction: u8,
}

impl Packet {
    fn load(&self, size: u32, at: u32) -> Option<u32> {
        let at = at.cast_signed();
        if let fact @ 0..64 = at.wrapping_sub(libc::SKF_AD_OFF) {
            return match fact {
                libc::SKF_AD_PROTOCOL => Some(self.protocol.into()),
                libc::SKF_AD_PKTTYPE => Some(self.direction.into()),
                libc::SKF_AD_HATYPE => Some(self.device_type.into()),
                _ => panic!("fact {fact} is not used"),
            };
        }
        let start = if at >= 0 {
            at as usize
        } else {
            let behind = at.checked_sub(libc::SKF_NET_OFF)?;
            self.network + usize::try_from(behind).ok()?
        };
        match size {
            BPF_B => Some((*self.bytes.get(start)?).into()),
            BPF_H => {
                let half = self.bytes.get(start..)?.first_chunk()?;
                Some(u16::from_be_bytes(*half).into())
            }
            BPF_W => {
                let word = self.bytes.get(start..)?.first_chunk()?;
                Some(u32::from_be_bytes(*word))
            }
            _ => panic!("size {size}"),
        }
    }
}

/// What the program returns; 0 for a load outside the packet.
///
/// # Panics
///
/// For a program that the kernel would not take.
pub fn run(program: &[Instruction], packet: &Packet) -> u32 {
    let (mut a, mut x, mut cells) = (0_u32, 0_u32, [0_u32; 16]);
    let mut at = 0;
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let code = u32::from(code);
        at += 1;
        let operand = if code & BPF_X == 0 { k } else { x };
        let (size, mode, operation) = (code & 0x18, code & 0xe0, code & 0xf0);
        match code & 0x07 {
            BPF_LD => {
                let loaded = match mode {
                    BPF_IMM => Some(k),
                    BPF_ABS => packet.load(size, k),
                    BPF_IND => packet.load(size, x.wrapping_add(k)),
                    BPF_MEM => Some(cells[k as usize]),
                    _ => panic!("{code:#x}"),
                };
                let Some(loaded) = loaded else { return 0 };
                a = loaded;
            }
            BPF_LDX => {
                x = match mode {
                    BPF_IMM => k,
                    BPF_MEM => cells[k as usize],
                    BPF_MSH => match packet.load(BPF_B, k) {
                        Some(byte) => (byte & 0x0f) << 2,
                        None => return 0,
                    },
                    _ => panic!("{code:#x}"),
                }
            }
            BPF_ST => cells[k as usize] = a,
            BPF_STX => cells[k as usize] = x,
            BPF_ALU => {
                a = match operation {
                    BPF_ADD => a.wrapping_add(operand),
                    BPF_SUB => a.wrapping_sub(operand),
                    BPF_MUL => a.wrapping_mul(operand),
                    BPF_DIV => a.checked_div(operand).unwrap(),
                    BPF_MOD => a.checked_rem(operand).unwrap(),
                    BPF_AND => a & operand,
                    BPF_OR => a | operand,
                    BPF_XOR => a ^ operand,
                    BPF_LSH => a << operand,
                    BPF_RSH => a >> operand,
                    _ => panic!("{code:#x}"),
                }
            }
            BPF_JMP => {
                let holds = match operation {
                    BPF_JA => {
                        at += k as usize;
                        continue;
                    }
                    BPF_JEQ => a == operand,
                    BPF_JGT => a > operand,
                    BPF_JGE => a >= operand,
                    BPF_JSET => a & operand != 0,
                    _ => panic!("{code:#x}"),
                };
                at += usize::from(if holds { jt } else { jf });
            }
            BPF_RET if code & BPF_A != 0 => return a,
            BPF_RET => return k,
            BPF_MISC if code & 0xf8 == BPF_TXA => a = x,
            BPF_MISC => x = a,
            _ => unreachable!(),
        }
    }
}
