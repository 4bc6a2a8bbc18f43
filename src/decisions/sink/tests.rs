use std::fs;

use tempfile::TempDir;

use super::*;

fn sink(folder: &TempDir) -> (Sink, PathBuf) {
    let path = folder.path().join("decisions.jsonl");
    (Sink::new(Target::File(path.clone())), path)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}

#[test]
fn a_renamed_file_is_left_to_whoever_renamed_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut sink, path) = sink(&folder);
    assert_eq!(sink.write(b"1\n2\n"), 2);
    let moved = folder.path().join("decisions.jsonl.1");
    fs::rename(&path, &moved).expect("renamed");
    assert_eq!(sink.write(b"3\n"), 1);
    assert_eq!((text(&moved), text(&path)), ("1\n2\n".into(), "3\n".into()));
}

#[test]
fn a_truncated_file_is_written_on_from_its_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut sink, path) = sink(&folder);
    sink.write(b"1\n");
    File::create(&path).expect("truncated");
    sink.write(b"2\n");
    assert_eq!(text(&path), "2\n");
}

#[test]
fn what_cannot_be_opened_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut sink, path) = sink(&folder);
    fs::create_dir(&path).expect("in the way");
    assert_eq!(sink.write(b"1\n"), 0);
    fs::remove_dir(&path).expect("out of the way");
    assert_eq!(sink.write(b"2\n"), 0, "not before a second has passed");
    let Out::File(rotated) = &mut sink.out else {
        panic!("a file")
    };
    rotated.retry_at = Instant::now();
    assert_eq!(sink.write(b"3\n"), 1);
    assert_eq!(text(&path), "3\n");
}

#[test]
fn a_full_disk_loses_lines_and_nothing_else() {
    let mut sink = Sink::new(Target::File("/dev/full".into()));
    assert_eq!(sink.write(b"1\n"), 0);
    assert!(sink.failing);
    assert_eq!(sink.write(b"2\n"), 0);
}

/// Takes so many bytes, then is full.
struct Room(usize, Vec<u8>);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.0);
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= fits;
        self.1.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn one_broken_line_stays_one_broken_line() {
    let mut disk = Room(4, Vec::new());
    let (written, result) = write_to(&mut disk, false, b"12\n34\n");
    assert_eq!(written, 4);
    assert!(result.is_err());
    disk.0 = 100;
    let (written, result) = write_to(&mut disk, true, b"56\n");
    assert_eq!(written, 3);
    result.expect("there is room again");
    assert_eq!(disk.1, b"12\n3\n56\n");
}
