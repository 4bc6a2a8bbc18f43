//! Gathers a store's tuples from its file and from the files it names, each with its origin.
//!
//! Every fault is kept, up to [`MAX_FAULTS`], so that one run shows all there is to mend.

use serde_saphyr::Spanned;

use super::{StoreFile, at, csv, yaml};
use crate::permission::{
    graph::{Builder, Graph},
    plan::Plan,
    question::WrittenTuple,
    source::Folder,
};

/// Collects tuples and what is wrong with them.
pub(in crate::permission) struct Loader<'p> {
    builder: Builder<'p>,
    files: Vec<String>,
    origins: Vec<Origin>,
    faults: Vec<String>,
    more_faults: usize,
}

/// Where a tuple was written.
#[derive(Clone, Copy)]
struct Origin {
    file: u32,
    /// From 1; 0 when unknown.
    line: u32,
    /// Its place in the list, from 0.
    index: u32,
}

impl<'p> Loader<'p> {
    pub(in crate::permission) fn new(plan: &'p Plan) -> Self {
        Self {
            builder: Builder::new(plan),
            files: Vec::new(),
            origins: Vec::new(),
            faults: Vec::new(),
            more_faults: 0,
        }
    }

    fn refuse(&mut self, fault: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        } else {
            self.more_faults += 1;
        }
    }

    /// Adds all that a store file lists or names, outside its tests.
    pub(in crate::permission) fn file_tuples<T>(
        &mut self,
        folder: &mut Folder,
        file: &StoreFile<T>,
        shown: &str,
    ) {
        self.listed(shown, "tuples", file.tuples.as_deref().unwrap_or_default());
        let references = file.tuple_file.iter();
        for reference in references.chain(file.tuple_files.iter().flatten()) {
            self.named(folder, reference, shown);
        }
    }

    /// Adds all tuples of the file that `reference`, which stands in `shown`, names.
    pub(in crate::permission) fn named(
        &mut self,
        folder: &mut Folder,
        reference: &Spanned<String>,
        shown: &str,
    ) {
        let name = &reference.value;
        match folder.read(name) {
            Ok(text) => self.file(name, &text),
            Err(error) => self.refuse(format!(
                "{shown}:{}: tuple file `{name}` cannot be read: {error}",
                reference.referenced.line()
            )),
        }
    }

    /// Adds a list that YAML gave, with its lines.
    pub(in crate::permission) fn listed(
        &mut self,
        file: &str,
        list: &str,
        entries: &[Spanned<WrittenTuple>],
    ) {
        self.begin(format!("{file}\n{list}"));
        for (index, entry) in entries.iter().enumerate() {
            let line = u32::try_from(entry.referenced.line()).unwrap_or(0);
            self.add(index, line, &entry.value);
        }
    }

    /// Adds all tuples of a file; its ending says how it is written.
    fn file(&mut self, name: &str, text: &str) {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        match ending.unwrap_or_default() {
            "yaml" | "yml" => match yaml::<Option<Vec<Spanned<WrittenTuple>>>>(text) {
                Ok(entries) => self.listed(name, "", &entries.unwrap_or_default()),
                Err(error) => self.refuse(at(name, &error)),
            },
            "json" => match serde_json::from_str::<Vec<WrittenTuple>>(text) {
                Ok(entries) => {
                    self.begin(format!("{name}\n"));
                    for (index, entry) in entries.iter().enumerate() {
                        self.add(index, 0, entry);
                    }
                }
                Err(error) => self.refuse(format!("{name}:{}: {error}", error.line())),
            },
            "csv" => self.rows(name, text),
            "jsonl" => self.lines(name, text),
            _ => self.refuse(format!(
                "{name}: tuple files end in `.yaml`, `.json`, `.jsonl` or `.csv`"
            )),
        }
    }

    fn lines(&mut self, name: &str, text: &str) {
        self.begin(format!("{name}\n"));
        let lines = text.lines().enumerate();
        for (index, (number, line)) in lines
            .filter(|(_, line)| !line.trim().is_empty())
            .enumerate()
        {
            let line_number = u32::try_from(number + 1).unwrap_or(0);
            match serde_json::from_str::<WrittenTuple>(line) {
                Ok(entry) => self.add(index, line_number, &entry),
                Err(error) => self.refuse(format!("{name}:{line_number}: {error}")),
            }
        }
    }

    fn rows(&mut self, name: &str, text: &str) {
        self.begin(format!("{name}\n"));
        let mut index = 0;
        let read = csv::parse(text, |line, entry| {
            self.add(index, line, entry);
            index += 1;
        });
        if let Err((line, fault)) = read {
            self.refuse(format!("{name}:{line}: {fault}"));
        }
    }

    fn begin(&mut self, file: String) {
        self.files.push(file);
    }

    fn add(&mut self, index: usize, line: u32, entry: &WrittenTuple) {
        let origin = Origin {
            file: u32::try_from(self.files.len()).unwrap_or(u32::MAX) - 1,
            line,
            index: u32::try_from(index).unwrap_or(u32::MAX),
        };
        let number = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.origins.push(origin);
        if let Err(reason) = self.builder.add(number, entry.as_tuple()) {
            let place = self.place(origin);
            self.refuse(format!("{place}: {reason}"));
        }
    }

    /// `store.fga.yaml:14: tuples[3]`.
    fn place(&self, origin: Origin) -> String {
        let named = self.files.get(origin.file as usize);
        let (file, list) = named
            .and_then(|named| named.split_once('\n'))
            .unwrap_or_default();
        let index = origin.index;
        match origin.line {
            0 => format!("{file}: {list}[{index}]"),
            line => format!("{file}:{line}: {list}[{index}]"),
        }
    }

    pub(in crate::permission) fn finish(mut self) -> Result<Graph, Vec<String>> {
        for (earlier, later) in self.builder.drop_duplicates() {
            let first = self.place(self.origins[earlier as usize]);
            let second = self.place(self.origins[later as usize]);
            self.refuse(format!("{second}: says the same as {first}"));
        }
        if self.more_faults > 0 {
            self.faults
                .push(format!("and {} more like these", self.more_faults));
        }
        if self.faults.is_empty() {
            Ok(self.builder.build())
        } else {
            Err(self.faults)
        }
    }
}

/// A page of faults is as much as anyone reads at once.
const MAX_FAULTS: usize = 20;
