//! How many cores this process may really use: its affinity, cut by its cgroups' CPU quota.
//!
//! A container with half a core on a machine of sixty-four sees sixty-four cores. Threads beyond the
//! quota do not run at the same time, they are throttled; so it is the quota that counts, as a
//! fraction. Both versions of cgroups are read, and every ancestor, since the tightest one holds.
//!
//! Cost: a few small files, some tens of microseconds. Read every few seconds, off the check path.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Cores, as a fraction: `0.5` is half of one. At least a hundredth.
pub(super) fn cores() -> f64 {
    cores_below(Path::new("/"))
}

fn cores_below(root: &Path) -> f64 {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let allowed = read("proc/self/status")
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .and_then(count_list)
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    let mut cores = allowed.map_or(1.0, |count| count as f64);
    let (mounts, groups) = (read("proc/self/mountinfo"), read("proc/self/cgroup"));
    for folder in folders(&mounts, &groups) {
        if let Some(quota) = quota(&root.join(folder.strip_prefix("/").unwrap_or(&folder))) {
            cores = cores.min(quota);
        }
    }
    cores.max(0.01)
}

/// `0-3,8` is five.
fn count_list(list: &str) -> Option<usize> {
    list.trim().split(',').try_fold(0, |count, part| {
        let (first, end) = part.split_once('-').unwrap_or((part, part));
        let (first, end): (usize, usize) = (first.parse().ok()?, end.parse().ok()?);
        Some(count + end.checked_sub(first)? + 1)
    })
}

/// Every folder that may hold a quota for this process: its own groups and their ancestors, in each
/// hierarchy that controls CPU.
fn folders(mountinfo: &str, cgroup: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in mountinfo.lines() {
        // 36 35 98:0 /root /mount/point options - type source superoptions
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let mut left = left.split(' ').skip(3);
        let (Some(mounted), Some(point)) = (left.next(), left.next()) else {
            continue;
        };
        let mut right = right.split(' ');
        let kind = right.next().unwrap_or_default();
        let options = right.nth(1).unwrap_or_default();
        let own = match kind {
            "cgroup2" => own_group(cgroup, str::is_empty),
            "cgroup" if options.split(',').any(|option| option == "cpu") => {
                own_group(cgroup, |controllers| {
                    controllers.split(',').any(|name| name == "cpu")
                })
            }
            _ => continue,
        };
        // In a container the mount shows only the subtree below `mounted`.
        let own = own.unwrap_or("/");
        let below = Path::new(own)
            .strip_prefix(mounted)
            .unwrap_or(Path::new(""));
        let below = below.strip_prefix("/").unwrap_or(below);
        for ancestor in below.ancestors() {
            folders.push(Path::new(point).join(ancestor));
        }
    }
    folders
}

/// The path in `/proc/self/cgroup` of the hierarchy whose controllers are as wanted.
fn own_group(cgroup: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        wanted(controllers).then_some(path)
    })
}

/// `cpu.max` (version 2: `50000 100000`) or `cpu.cfs_quota_us` beside its period (version 1; -1 is
/// no quota).
fn quota(folder: &Path) -> Option<f64> {
    let number = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|number| *number > 0.0)
    };
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    if let Some(both) = read("cpu.max") {
        let (quota, period) = both.trim().split_once(' ')?;
        return Some(number(quota)? / number(period)?);
    }
    Some(number(&read("cpu.cfs_quota_us")?)? / number(&read("cpu.cfs_period_us")?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose files are these.
    fn machine(files: &[(&str, &str)]) -> f64 {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("writes");
        }
        cores_below(root.path())
    }

    const FOUR: (&str, &str) = ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-3\n");
    const V2: (&str, &str) = (
        "proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
    );
    const V1: (&str, &str) = (
        "proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
    );

    #[test]
    fn affinity_counts_where_no_quota_is_set() {
        assert!((machine(&[FOUR]) - 4.0).abs() < 1e-9);
        let one = ("proc/self/status", "Cpus_allowed_list:\t2\n");
        assert!((machine(&[one]) - 1.0).abs() < 1e-9);
        assert_eq!(count_list("0-3,8"), Some(5));
    }

    #[test]
    fn the_tightest_quota_of_all_ancestors_counts() {
        let half = machine(&[
            FOUR,
            V2,
            ("proc/self/cgroup", "0::/pods/ours\n"),
            ("sys/fs/cgroup/pods/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/pods/ours/cpu.max", "max 100000\n"),
        ]);
        assert!((half - 0.5).abs() < 1e-9, "{half}");
        let cut = machine(&[
            FOUR,
            V1,
            ("proc/self/cgroup", "4:cpu,cpuacct:/ours\n0::/\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/ours/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu/ours/cpu.cfs_period_us", "100000\n"),
        ]);
        assert!((cut - 1.5).abs() < 1e-9, "{cut}");
    }

    #[test]
    fn a_container_sees_only_its_own_part_of_the_tree() {
        let own = machine(&[
            FOUR,
            (
                "proc/self/mountinfo",
                "30 23 0:26 /pods/ours /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            ),
            ("proc/self/cgroup", "0::/pods/ours\n"),
            ("sys/fs/cgroup/cpu.max", "25000 100000\n"),
        ]);
        assert!((own - 0.25).abs() < 1e-9, "{own}");
    }

    #[test]
    fn this_machine_has_some() {
        assert!(cores() >= 0.01);
    }
}
