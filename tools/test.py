"""Runs every test, and those of the whole that failed once more, alone.

Most tests of the whole start real servers, and two hundred of them at once can starve one on a small
machine. What is broken fails again when it has the machine for itself; what was starved passes, and is
named at the end, since it deserves a look. Unit tests have no such excuse: they are not repeated.
"""

import re
import subprocess
import sys

TESTS = ["cargo", "test", "--locked", "--no-fail-fast"]
# More than this is no bad luck.
MOST = 3


def main():
    status, suites = run(TESTS)
    if status == 0:
        return 0
    failed = suites.pop("it", [])
    if any(suites.values()) or not 0 < len(failed) <= MOST:
        return status
    print(f"\n{len(failed)} failed beside the others; once more, alone:", flush=True)
    alone = ["cargo", "test", "--locked", "--test", "it", "--", "--exact", "--test-threads=1"]
    status, _ = run(alone + failed)
    if status == 0:
        print("passed alone, failed beside the others:", ", ".join(failed), flush=True)
    return status


def run(command):
    """The exit status, and the names of what failed in each suite."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    suites, suite, listing = {}, "", False
    for line in process.stdout:
        print(line, end="", flush=True)
        if begun := re.match(r"\s+Running .*\(.*/([\w-]+)-[0-9a-f]+\)|\s+Doc-tests (\w+)", line):
            suite = begun.group(1) or "doc"
            listing = False
        elif line.strip() == "failures:":
            # Twice: with what each printed, and as a list of names, which counts.
            suites[suite], listing = [], True
        elif listing and (name := re.fullmatch(r"    ([\w:]+)\s*", line)):
            suites[suite].append(name.group(1))
        elif line.startswith("test result:"):
            listing = False
    return process.wait(), suites


if __name__ == "__main__":
    sys.exit(main())
