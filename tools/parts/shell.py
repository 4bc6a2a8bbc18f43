"""What every part needs: the folders, commands that fail with a cure, links in target/tools/bin."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / "target" / "tools"
BIN = TOOLS / "bin"
VENV = TOOLS / "venv"


class Failed(Exception):
    """What was tried, what came of it, and the cure: one message for the user."""

    def __init__(self, tried, said, cure):
        said = "\n".join("      " + line for line in said.strip().splitlines()[-12:])
        super().__init__(f"  tried: {tried}\n  it said:\n{said or '      (nothing)'}\n  cure:  {cure}")


def say(text):
    print(text, flush=True)


def run(command, cure, **options):
    """Runs `command` quietly and returns what it printed; a failure becomes `Failed`."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
        )
    except OSError as error:
        raise Failed(" ".join(words), str(error), cure) from error
    if done.returncode != 0:
        raise Failed(" ".join(words), done.stdout, cure)
    return done.stdout


def link(name, to):
    """`target/tools/bin/NAME`, which leads to `to`; one that was there is replaced."""
    place = BIN / name
    BIN.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(to)
    return place
