//! From JSON to values of CEL, by the type that a parameter is declared with; and our `ipaddress` type.
//!
//! Numbers may be written as text (`"5"` is an int, `5.5` is none); durations as in Go, timestamps as in
//! RFC 3339. An address that maps version 4 into version 6 counts as version 4.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, Program, Value,
    common::{
        types::{CelString, STRING_TYPE, Type},
        value::{CowVal, Val},
    },
    objects::{Key, Map, Opaque},
};
use serde_json::Value as Json;

use crate::permission::model::ParameterType;

/// CEL's standard functions, and `OpenFGA`'s two.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_overload(
        "ipaddress",
        "string_to_ipaddress",
        vec![STRING_TYPE],
        ipaddress,
    )
    .expect("declared once");
    env.add_member_overload(
        "in_cidr",
        "ipaddress_in_cidr",
        Type::new_opaque_type(ADDRESS),
        vec![STRING_TYPE],
        in_cidr,
    )
    .expect("declared once");
    Arc::new(env)
});

/// An `ipaddress`.
#[derive(Debug, Eq, PartialEq)]
struct Address(IpAddr);

impl Opaque for Address {
    fn runtime_type_name(&self) -> &str {
        ADDRESS
    }
}

/// The value that `json` is for a parameter of type `kind`.
pub(super) fn convert(kind: &ParameterType, json: &Json) -> Result<Value, String> {
    let wrong = || format!("expected {kind}, found {}", kind_of(json));
    Ok(match (kind, json) {
        (ParameterType::Any, json) => untyped(json),
        (ParameterType::Bool, Json::Bool(value)) => Value::Bool(*value),
        (ParameterType::Double, json) => Value::Float(double(json).ok_or_else(wrong)?),
        (ParameterType::Duration, Json::String(text)) => {
            parsed(&DURATION, text).ok_or_else(wrong)?
        }
        (ParameterType::Int, json) => Value::Int(int(json).ok_or_else(wrong)?),
        (ParameterType::IpAddress, Json::String(text)) => {
            address(text).map(opaque).ok_or_else(wrong)?
        }
        (ParameterType::List(of), Json::Array(items)) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| convert(of, item)).collect();
            Value::List(Arc::new(items?))
        }
        (ParameterType::Map(of), Json::Object(entries)) => {
            let entry = |(key, value): (&String, &Json)| Ok((name(key), convert(of, value)?));
            let entries: Result<HashMap<_, _>, String> = entries.iter().map(entry).collect();
            Value::Map(Map {
                map: Arc::new(entries?),
            })
        }
        (ParameterType::String, Json::String(text)) => text_value(text),
        (ParameterType::Timestamp, Json::String(text)) => {
            parsed(&TIMESTAMP, text).ok_or_else(wrong)?
        }
        (ParameterType::Uint, json) => {
            let value = int_text(json).and_then(|text| text.parse().ok());
            Value::UInt(value.ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    })
}

/// How much work a value may make: one for each item, and for each piece of text.
pub(super) fn weight(json: &Json) -> u64 {
    match json {
        Json::Array(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Json::Object(entries) => {
            let entry = |(key, value): (&String, &Json)| 1 + key.len() as u64 / 16 + weight(value);
            1 + entries.iter().map(entry).sum::<u64>()
        }
        Json::String(text) => 1 + text.len() as u64 / 16,
        Json::Bool(_) | Json::Null | Json::Number(_) => 1,
    }
}

/// Gives the expression a variable.
pub(super) fn declare(context: &mut Context<'_, '_>, name: &str, value: Value) {
    context.add_variable_from_value(name, value);
}

fn untyped(json: &Json) -> Value {
    match json {
        Json::Array(items) => Value::List(Arc::new(items.iter().map(untyped).collect())),
        Json::Bool(value) => Value::Bool(*value),
        Json::Null => Value::Null,
        // As Go reads JSON: every number is a double.
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (name(key), untyped(value)));
            Value::Map(Map {
                map: Arc::new(entries.collect()),
            })
        }
        Json::String(text) => text_value(text),
    }
}

fn double(json: &Json) -> Option<f64> {
    let value = match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) if is_decimal(text) => text.parse().ok(),
        _ => None,
    };
    value.filter(|value| value.is_finite())
}

fn int(json: &Json) -> Option<i64> {
    int_text(json)?.parse().ok()
}

/// The digits of a whole number, be it written `5`, `"5"`, `5.0` or `5e0`.
fn int_text(json: &Json) -> Option<String> {
    let text = match json {
        Json::Number(number) => number.to_string(),
        Json::String(text) if is_decimal(text) => text.clone(),
        _ => return None,
    };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text);
    }
    let value: f64 = text.parse().ok()?;
    // Beyond 2^63 the text of a double is longer than any integer's, and is refused as such.
    (value.is_finite() && value.fract() == 0.0).then(|| format!("{value:.0}"))
}

/// Leaves out what Rust reads as a number and Go does not (`inf`, `NaN`).
fn is_decimal(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    text.len() <= MAX_NUMBER_BYTES && text.bytes().all(allowed)
}

fn address(text: &str) -> Option<IpAddr> {
    // A zone (`fe80::1%eth0`) is part of an address in Go; it says nothing about ranges.
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse()
        .map(|address: IpAddr| address.to_canonical())
        .ok()
}

fn opaque(address: IpAddr) -> Value {
    Value::Opaque(Arc::new(Address(address)))
}

fn text_value(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn name(key: &str) -> Key {
    Key::String(Arc::new(key.to_owned()))
}

/// What CEL's own function makes of `text`: the same here as within an expression.
fn parsed(function: &Program, text: &str) -> Option<Value> {
    if text.len() > MAX_TIME_BYTES {
        return None;
    }
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.add_variable_from_value("text", text_value(text));
    function.execute(&context).ok()
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Array(_) => "a list",
        Json::Bool(_) => "a bool",
        Json::Null => "null",
        Json::Number(_) => "a number",
        Json::Object(_) => "a map",
        Json::String(_) => "a text",
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the evaluator's signature")]
fn ipaddress<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = argument(&arguments, 0, "ipaddress")?;
    let address = address(&text).ok_or_else(|| failed("ipaddress"))?;
    let value: Box<dyn Val> = opaque(address)
        .try_into()
        .map_err(|_| failed("ipaddress"))?;
    Ok(CowVal::Owned(value))
}

#[expect(clippy::needless_pass_by_value, reason = "the evaluator's signature")]
fn in_cidr<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let range = argument(&arguments, 1, "in_cidr")?;
    let target = arguments.first().ok_or_else(|| failed("in_cidr"))?;
    let Ok(Value::Opaque(target)) = Value::try_from(target.as_ref()) else {
        return Err(failed("in_cidr"));
    };
    let address = target.downcast_ref::<Address>();
    let address = address.ok_or_else(|| failed("in_cidr"))?.0;
    let within = contains(&range, address).ok_or_else(|| failed("in_cidr"))?;
    let value: Box<dyn Val> = Value::Bool(within)
        .try_into()
        .map_err(|_| failed("in_cidr"))?;
    Ok(CowVal::Owned(value))
}

/// Whether `range` (`10.0.0.0/8`) holds `address`; `None` when it is no range.
fn contains(range: &str, address: IpAddr) -> Option<bool> {
    let (base, bits) = range.split_once('/')?;
    if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let base: IpAddr = base.parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    let (base, address, bits, longest) = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (
            base.to_ipv6_mapped(),
            address.to_ipv6_mapped(),
            bits + 96,
            128,
        ),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base, address, bits, 128),
        (IpAddr::V4(_), IpAddr::V6(_)) => return (bits <= 32).then_some(false),
        (IpAddr::V6(_), IpAddr::V4(_)) => return (bits <= 128).then_some(false),
    };
    if bits > longest {
        return None;
    }
    let head = |address: Ipv6Addr| match bits {
        0 => 0,
        bits => u128::from(address) >> (128 - bits),
    };
    Some(head(base) == head(address))
}

fn argument(
    arguments: &[CowVal<'_, '_>],
    index: usize,
    function: &str,
) -> Result<String, ExecutionError> {
    let text = arguments.get(index);
    let text = text.and_then(|value| value.downcast_ref::<CelString<'_>>());
    text.map(|text| text.inner().to_owned())
        .ok_or_else(|| failed(function))
}

fn failed(function: &str) -> ExecutionError {
    ExecutionError::function_error(function, "not an address or range")
}

static DURATION: LazyLock<Program> = LazyLock::new(|| {
    ENV.compile("duration(text)")
        .expect("a constant expression")
});

static TIMESTAMP: LazyLock<Program> = LazyLock::new(|| {
    ENV.compile("timestamp(text)")
        .expect("a constant expression")
});

const ADDRESS: &str = "ipaddress";

/// Longest number written as text.
const MAX_NUMBER_BYTES: usize = 400;

/// Longest duration or timestamp written as text.
const MAX_TIME_BYTES: usize = 100;
