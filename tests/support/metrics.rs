//! One scrape of `/metrics`, read as Prometheus reads it.

use std::collections::BTreeMap;

/// The samples of one scrape.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads the text format.
    ///
    /// # Panics
    ///
    /// On a line that is neither a comment nor a sample.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines
            .map(|line| Sample::parse(line).unwrap_or_else(|| panic!("`{line}` is not a sample")));
        Self {
            samples: samples.collect(),
        }
    }

    /// The sum of all samples of this name whose labels include these; 0 when there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.hits(name, labels).map(|sample| sample.value).sum()
    }

    /// [`Metrics::sum`] of what counts whole things.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count"
    )]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels) as u64
    }

    /// Whether there is such a sample, be it at 0.
    pub(crate) fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.hits(name, labels).next().is_some()
    }

    fn hits<'m>(
        &'m self,
        name: &'m str,
        labels: &'m [(&'m str, &'m str)],
    ) -> impl Iterator<Item = &'m Sample> {
        self.samples.iter().filter(move |sample| {
            let has = |(key, value): &(&str, &str)| {
                sample.labels.get(*key).is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(has)
        })
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (head, value) = line.rsplit_once(' ')?;
        let (name, labels) = match head.split_once('{') {
            Some((name, rest)) => (name, parse_labels(rest.strip_suffix('}')?)?),
            None => (head, BTreeMap::new()),
        };
        Some(Self {
            name: name.to_owned(),
            labels,
            value: value.parse().ok()?,
        })
    }
}

/// `a="b",c="d"` with `\"`, `\\` and `\n` inside the quotes.
fn parse_labels(mut text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (key, rest) = text.split_once("=\"")?;
        let (mut value, mut escaped, mut end) = (String::new(), false, None);
        for (at, character) in rest.char_indices() {
            match character {
                '"' if !escaped => {
                    end = Some(at);
                    break;
                }
                '\\' if !escaped => {}
                'n' if escaped => value.push('\n'),
                _ => value.push(character),
            }
            escaped = !escaped && character == '\\';
        }
        labels.insert(key.to_owned(), value);
        text = rest[end? + 1..].trim_start_matches(',');
    }
    Some(labels)
}
