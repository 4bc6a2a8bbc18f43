//! Addresses of wallets: Bitcoin's by their checksums, Ethereum's by the case of their letters.

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    SPOKEN, SURE,
    context::{Context, Topics},
};

/// How sure `token` is an address; `context` is asked only for what has no checksum.
pub(super) fn is_address(token: &[u8], context: impl Fn() -> Context) -> Option<u8> {
    match (token.len(), token) {
        (42, [b'0', b'x', hex @ ..]) => ethereum(hex, context),
        (26..=35, [b'1' | b'3', ..]) => base58(token).then_some(SURE),
        (
            14..=90,
            [
                b'b' | b't' | b'B' | b'T',
                b'c' | b'b' | b'C' | b'B',
                b'1',
                ..,
            ],
        ) => bech32(token).then_some(SURE),
        _ => None,
    }
}

/// Forty hexadecimal digits. Letters of both cases are a checksum; of one case they need a word.
fn ethereum(hex: &[u8], context: impl Fn() -> Context) -> Option<u8> {
    if !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mixed = hex.iter().any(u8::is_ascii_lowercase) && hex.iter().any(u8::is_ascii_uppercase);
    if !mixed {
        return context().near(Topics::WALLET).then_some(SPOKEN);
    }
    let hash = keccak_256(&hex.to_ascii_lowercase());
    let nibble = |at: usize| hash[at / 2] >> (4 - at % 2 * 4) & 0xF;
    let agrees = |(at, byte): (usize, &u8)| {
        byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble(at) >= 8)
    };
    hex.iter().enumerate().all(agrees).then_some(SURE)
}

/// A version byte, twenty bytes, and four of a double SHA-256.
fn base58(token: &[u8]) -> bool {
    let mut number = [0_u8; 25];
    for byte in token {
        let Some(digit) = BASE58.iter().position(|of| of == byte) else {
            return false;
        };
        let mut carry = digit;
        for place in number.iter_mut().rev() {
            carry += usize::from(*place) * 58;
            *place = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    let (body, check) = number.split_at(21);
    let hash = digest(&SHA256, digest(&SHA256, body).as_ref());
    matches!(body[0], 0 | 5) && hash.as_ref().starts_with(check)
}

/// `bc1` and a checksum over GF(32), in either of its constants.
fn bech32(token: &[u8]) -> bool {
    let mixed =
        token.iter().any(u8::is_ascii_lowercase) && token.iter().any(u8::is_ascii_uppercase);
    let lower = token.to_ascii_lowercase();
    let (prefix, data) = (&lower[..2], &lower[3..]);
    if mixed || data.len() < 8 {
        return false;
    }
    let high = prefix.iter().map(|byte| u32::from(byte >> 5));
    let low = prefix.iter().map(|byte| u32::from(byte & 31));
    let mut check = high.chain([0]).chain(low).fold(1, polymod);
    for byte in data {
        let Some(value) = (0..)
            .zip(BECH32)
            .find(|(_, of)| *of == byte)
            .map(|(value, _)| value)
        else {
            return false;
        };
        check = polymod(check, value);
    }
    check == 1 || check == 0x2bc8_30a3
}

fn polymod(check: u32, value: u32) -> u32 {
    const GENERATORS: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let top = check >> 25;
    let next = (check & 0x1ff_ffff) << 5 ^ value;
    let chosen = (0..).zip(GENERATORS).filter(|(bit, _)| top >> bit & 1 == 1);
    chosen.fold(next, |next, (_, generator)| next ^ generator)
}

/// Keccak as Ethereum has it, of less than one block.
fn keccak_256(text: &[u8]) -> [u8; 32] {
    const RATE: usize = 136;
    let mut block = [0_u8; RATE];
    block[..text.len()].copy_from_slice(text);
    block[text.len()] = 1;
    block[RATE - 1] |= 0x80;
    let mut state = [0_u64; 25];
    for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
        *lane = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    }
    permute(&mut state);
    let mut hash = [0; 32];
    for (bytes, lane) in hash.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    hash
}

/// Keccak-f of 1,600 bits. Lane (x, y) stands at `x + 5 * y`.
fn permute(state: &mut [u64; 25]) {
    let mut register = 1_u8;
    for _ in 0..24 {
        // Theta: each lane with the parities of two columns.
        let parity: [u64; 5] =
            std::array::from_fn(|x| (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]));
        let columns: [u64; 5] =
            std::array::from_fn(|x| parity[(x + 4) % 5] ^ parity[(x + 1) % 5].rotate_left(1));
        for row in state.chunks_exact_mut(5) {
            for (lane, column) in row.iter_mut().zip(columns) {
                *lane ^= column;
            }
        }
        // Rho and pi: lanes turned and moved along one orbit.
        let (mut x, mut y, mut lane) = (1, 0, state[1]);
        for step in 0..24_u32 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let turned = lane.rotate_left((step + 1) * (step + 2) / 2 % 64);
            lane = std::mem::replace(&mut state[x + 5 * y], turned);
        }
        // Chi: rows, not linear.
        for row in state.chunks_exact_mut(5) {
            let old: [u64; 5] = std::array::from_fn(|x| row[x]);
            for (x, lane) in row.iter_mut().enumerate() {
                *lane ^= !old[(x + 1) % 5] & old[(x + 2) % 5];
            }
        }
        // Iota: the round's constant, from a shift register.
        for bit in 0..7 {
            if register & 1 == 1 {
                state[0] ^= 1 << ((1_u32 << bit) - 1);
            }
            register = register << 1 ^ if register >> 7 == 1 { 0x71 } else { 0 };
        }
    }
}

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
