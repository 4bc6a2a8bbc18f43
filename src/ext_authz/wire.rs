//! Protobuf's wire format, as far as Envoy's messages need it.
//!
//! The generated types make a hash map of the headers, a string of every key and value and a message
//! of every nesting, most of which a check then drops: two microseconds for what is read here in
//! place. Tests hold both directions to `prost`.

use std::io;

/// The bytes are no protobuf message, or a text in it is no UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the message is not the protobuf that it should be")]
pub struct Malformed;

/// The fields of a message in the order in which they come. Repeated ones come repeatedly; where one
/// counts, it is the last.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

/// What a field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Value<'a> {
    /// An integer of any kind but fixed ones.
    Number(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which nothing here reads.
    Fixed,
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups, which nobody writes any more, and what is none.
            _ => return Err(Malformed),
        };
        match tag >> 3 {
            0 => Err(Malformed),
            number => Ok((number, value)),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (at, byte) in self.0.iter().enumerate().take(MAX_VARINT) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Value<'a> {
    /// A message or bytes. A value of another kind says what no sender of the contract would.
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Fixed => Err(Malformed),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(super) fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Malformed),
        }
    }
}

/// Writes a message behind the five bytes with which gRPC begins one.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new() -> Self {
        let mut bytes = Vec::with_capacity(USUAL_ANSWER);
        bytes.extend_from_slice(&[0; FRAME]);
        Self(bytes)
    }

    pub(super) fn number(&mut self, field: u32, number: u64) {
        self.tag(field, 0);
        self.varint(number);
    }

    pub(super) fn double(&mut self, field: u32, number: f64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message, or a text in pieces: whatever `fill` writes.
    pub(super) fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.tag(field, 2);
        let at = self.0.len();
        // Most are short, and their length takes one byte.
        self.0.push(0);
        fill(self);
        let length = self.0.len() - at - 1;
        if length < 0x80 {
            // Below 0x80, so nothing is cut off.
            self.0[at] = length.to_le_bytes()[0];
            return;
        }
        let (mut varint, mut used, mut rest) = ([0; MAX_VARINT], 0, length);
        while rest >= 0x80 {
            varint[used] = rest.to_le_bytes()[0] | 0x80;
            rest >>= 7;
            used += 1;
        }
        varint[used] = rest.to_le_bytes()[0];
        self.0.splice(at..=at, varint[..=used].iter().copied());
    }

    /// The gRPC frame.
    pub(super) fn finish(mut self) -> Vec<u8> {
        // An answer has a bound far below 4 GiB; its parts are bounded one by one.
        let length = u32::try_from(self.0.len() - FRAME).unwrap_or(u32::MAX);
        self.0[1..FRAME].copy_from_slice(&length.to_be_bytes());
        self.0
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
}

/// Bytes of a text that [`Writer::message`] is filling.
impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether compressed, and the length.
pub(super) const FRAME: usize = 5;

/// Seventy bits, enough for sixty-four.
const MAX_VARINT: usize = 10;

/// Room for an allow with its headers and its metadata.
const USUAL_ANSWER: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[derive(Clone, Message, PartialEq)]
    struct Known {
        #[prost(uint64, tag = "1")]
        number: u64,
        #[prost(double, tag = "2")]
        double: f64,
        #[prost(bytes = "vec", tag = "15")]
        bytes: Vec<u8>,
        #[prost(message, optional, boxed, tag = "16")]
        inner: Option<Box<Known>>,
    }

    fn write(writer: &mut Writer, known: &Known) {
        writer.number(1, known.number);
        writer.double(2, known.double);
        writer.bytes(15, &known.bytes);
        if let Some(inner) = &known.inner {
            writer.message(16, |writer| write(writer, inner));
        }
    }

    fn read(message: &[u8]) -> Result<Known, Malformed> {
        let mut known = Known::default();
        for field in Fields::of(message) {
            match field? {
                (1, number) => known.number = number.number()?,
                (2, value) => assert_eq!(value, Value::Fixed),
                (15, bytes) => known.bytes = bytes.bytes()?.to_vec(),
                (16, inner) => known.inner = Some(Box::new(read(inner.bytes()?)?)),
                _ => return Err(Malformed),
            }
        }
        Ok(known)
    }

    /// Doubles are nothing that is read here.
    fn without_doubles(mut known: Known) -> Known {
        known.double = 0.0;
        known.inner = known.inner.map(|inner| Box::new(without_doubles(*inner)));
        known
    }

    fn known() -> impl Strategy<Value = Known> {
        let leaf = (
            any::<u64>(),
            any::<i32>(),
            prop::collection::vec(any::<u8>(), 0..300),
        );
        let leaf = leaf.prop_map(|(number, double, bytes)| Known {
            number,
            double: f64::from(double),
            bytes,
            inner: None,
        });
        leaf.prop_recursive(3, 8, 1, |inner| {
            (any::<u64>(), inner).prop_map(|(number, inner)| Known {
                number,
                inner: Some(Box::new(inner)),
                ..Known::default()
            })
        })
    }

    proptest! {
        #[test]
        fn prost_reads_what_is_written_and_writes_what_is_read(known in known()) {
            let mut writer = Writer::new();
            write(&mut writer, &known);
            let frame = writer.finish();
            let length = u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]]);
            prop_assert_eq!(length as usize, frame.len() - FRAME);
            prop_assert_eq!(&Known::decode(&frame[FRAME..]).expect("protobuf"), &known);
            let read = read(&known.encode_to_vec()).expect("protobuf");
            prop_assert_eq!(read, without_doubles(known));
        }

        #[test]
        fn whatever_comes_it_ends_and_cut_messages_are_no_messages(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            // As many fields as bytes at most; an error is the last.
            prop_assert!(Fields::of(&bytes).count() <= bytes.len());
            let mut writer = Writer::new();
            writer.bytes(7, &bytes);
            let frame = writer.finish();
            for end in FRAME + 1..frame.len() {
                prop_assert_eq!(Fields::of(&frame[FRAME..end]).next(), Some(Err(Malformed)));
            }
        }
    }

    #[test]
    fn groups_field_zero_and_endless_numbers_are_refused() {
        for bad in [
            &[0x0b, 0x0c][..],
            &[0x00, 0x01],
            &[0x08],
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
        ] {
            assert_eq!(Fields::of(bad).next(), Some(Err(Malformed)), "{bad:x?}");
        }
    }
}
