//! Reads tuples written as CSV, with the columns that `fga tuple write --file` takes.
//!
//! The first line names the columns, in any order: `user_type`, `user_id`, `relation`, `object_type`,
//! `object_id`, and if wanted `user_relation`, `condition_name`, `condition_context`. A quoted field ends
//! on its own line.

use crate::permission::question::{WrittenCondition, WrittenTuple};

/// Hands the tuples in `text` to `take`, each with its line, up to the first fault: its line and nature.
pub(super) fn parse(
    text: &str,
    mut take: impl FnMut(u32, &WrittenTuple),
) -> Result<(), (u32, String)> {
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let Some((number, header)) = lines.next() else {
        return Ok(());
    };
    let columns = Columns::of(header).map_err(|fault| (number, fault))?;
    for (number, line) in lines {
        let entry = fields(line).and_then(|fields| columns.entry(&fields));
        take(number, &entry.map_err(|fault| (number, fault))?);
    }
    Ok(())
}

struct Columns(Vec<String>);

impl Columns {
    fn of(header: &str) -> Result<Self, String> {
        let columns = Self(fields(header)?);
        if let Some(unknown) = columns
            .0
            .iter()
            .find(|name| !KNOWN.contains(&name.as_str()))
        {
            return Err(format!(
                "column `{}` is not known",
                unknown.escape_default()
            ));
        }
        match REQUIRED.iter().find(|name| columns.index(name).is_none()) {
            Some(missing) => Err(format!("column `{missing}` is missing")),
            None => Ok(columns),
        }
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    fn entry(&self, fields: &[String]) -> Result<WrittenTuple, String> {
        if fields.len() != self.0.len() {
            return Err(format!("has {} fields, not {}", fields.len(), self.0.len()));
        }
        let field = |name| self.index(name).map_or("", |index| fields[index].as_str());
        let set = match field("user_relation") {
            "" => String::new(),
            relation => format!("#{relation}"),
        };
        let context = match field("condition_context") {
            "" => None,
            text => Some(
                serde_json::from_str(text)
                    .map_err(|error| format!("`condition_context` is no JSON object: {error}"))?,
            ),
        };
        let condition = match field("condition_name") {
            "" => None,
            name => Some(WrittenCondition {
                name: name.to_owned(),
                context,
            }),
        };
        Ok(WrittenTuple {
            user: format!("{}:{}{set}", field("user_type"), field("user_id")),
            relation: field("relation").to_owned(),
            object: format!("{}:{}", field("object_type"), field("object_id")),
            condition,
        })
    }
}

fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].trim().to_owned(), &rest[end..])
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("text follows a closing quote".to_owned()),
        }
    }
}

/// The field whose opening quote was taken, and what follows its closing one.
fn unquote(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let Some((text, after)) = rest.split_once('"') else {
            return Err("a quote is not closed on its line".to_owned());
        };
        field.push_str(text);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

const KNOWN: [&str; 8] = [
    "condition_context",
    "condition_name",
    "object_id",
    "object_type",
    "relation",
    "user_id",
    "user_relation",
    "user_type",
];

const REQUIRED: [&str; 5] = [
    "object_id",
    "object_type",
    "relation",
    "user_id",
    "user_type",
];

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "user_type,user_id,user_relation,relation,object_type,object_id\n";

    fn users(rows: &str) -> Result<Vec<(u32, String)>, (u32, String)> {
        let mut users = Vec::new();
        parse(&format!("{HEADER}{rows}"), |line, entry| {
            users.push((line, entry.user.clone()));
        })?;
        Ok(users)
    }

    fn fault(text: &str) -> Option<u32> {
        let read = parse(text, |line, _| panic!("line {line} was read"));
        read.err().map(|(line, _)| line)
    }

    #[test]
    fn a_row_is_a_tuple() {
        let rows = "user,anne,,viewer,doc,1\n\ngroup,\"a,\"\"b\",member,viewer,doc,1\r\n";
        let expected = [
            (2, "user:anne".to_owned()),
            (4, "group:a,\"b#member".to_owned()),
        ];
        assert_eq!(users(rows).unwrap(), expected);
    }

    #[test]
    fn a_bad_row_is_named_with_its_line() {
        assert_eq!(users("user,anne\n").unwrap_err().0, 2);
        assert_eq!(users("user,\"anne,,viewer,doc,1\n").unwrap_err().0, 2);
        assert_eq!(fault("user_type,colour\n"), Some(1));
        assert_eq!(fault("user_type,user_id\n"), Some(1));
        assert_eq!(fault(""), None);
    }
}
