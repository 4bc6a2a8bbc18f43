"""What is taken from PATH, else out of Debian's packages: unpacked under target/tools, or installed by root."""

import os
import shutil
import subprocess

from parts.shell import BIN, TOOLS, Failed, link, run, say


def cure(name):
    return f"install {name} with your system's package manager so that it is on PATH, then run this again"


def apt(words, name, **options):
    """`apt-get WORDS`, once more after `apt-get update` where root may try that."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Failed(f"find `{name}` on PATH, then `apt-get`", "neither is there", cure(name))
    say(f"  apt-get {' '.join(words)}")
    try:
        run(["apt-get", *words], cure(name), **options)
    except Failed:
        if os.geteuid() != 0:
            raise
        say("  apt-get update")
        run(["apt-get", "update"], cure(name))
        run(["apt-get", *words], cure(name), **options)


def unpacked(name, packages):
    """The folder into which these packages were unpacked, without installing them."""
    home = TOOLS / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    apt(["download", *packages], name, cwd=home)
    for package in home.glob("*.deb"):
        run(["dpkg", "-x", package, home], cure(name))
        package.unlink()
    return home


def linked(names, packages, ask, answer="", folder="usr/bin"):
    """Links to the commands `names`, the first of which has `answer` in what it says to `ask`."""
    links = [BIN / name for name in names]
    if not all(place.exists() for place in links):
        found = [shutil.which(name) for name in names]
        if not all(found):
            home = unpacked(names[0], packages)
            found = [home / folder / name for name in names]
        for name, to in zip(names, found):
            link(name, to)
        said = run([links[0], ask], cure(names[0]))
        if answer not in said:
            links[0].unlink()
            raise Failed(f"{links[0]} {ask}", said, cure(names[0]))
    return links[0]


def nginx():
    """The other proxy under test."""
    # Its libraries are those of every Debian: libcrypt, pcre2, libssl 3, zlib.
    return linked(["nginx"], ["nginx"], "-V", "http_auth_request_module", "usr/sbin")


def prometheus():
    """Prometheus and promtool."""
    return linked(["prometheus", "promtool"], ["prometheus"], "--version")


def wrk():
    """The load generator. Its library comes with it, so Debian's is started by a script."""
    place = BIN / "wrk"
    if place.exists():
        return place
    found = shutil.which("wrk")
    if found:
        return link("wrk", found)
    home = unpacked("wrk", ["wrk", "libluajit-5.1-2", "libluajit-5.1-common"])
    library = next(home.glob("usr/lib/*/libluajit-5.1.so.2")).parent
    BIN.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)  # one that points nowhere
    place.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{library}" exec "{home}/usr/bin/wrk" "$@"\n')
    place.chmod(0o755)
    # It prints its version and then its usage, with exit code 1.
    said = subprocess.run([place, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    if not said.startswith("wrk "):
        place.unlink()
        raise Failed(f"{place} --version", said, cure("wrk"))
    return place


def qemu():
    """Runs what was built for arm64, and the C library that it runs with."""
    place = BIN / "qemu-aarch64"
    if not place.exists():
        home = unpacked("qemu", ["qemu-user-static", "libc6-arm64-cross", "libgcc-s1-arm64-cross"])
        link("qemu-aarch64", home / "usr/bin/qemu-aarch64-static")
    run([place, "--version"], cure("qemu-user-static"))
    return place


def chromium():
    """A browser without a window; with root, Debian's package is installed: it needs a hundred libraries."""
    place, names = BIN / "chromium", ("chromium", "chromium-browser", "google-chrome")
    if place.exists():
        return place
    if not any(map(shutil.which, names)):
        if os.geteuid() != 0:
            raise Failed("find `chromium` on PATH", "it is not there, and only root may install it", cure("chromium"))
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt(["install", "--yes", "--no-install-recommends", "chromium"], "chromium", env=quiet)
    found = next(filter(None, map(shutil.which, names)), None)
    run([found or "chromium", "--version"], cure("chromium"))
    return link("chromium", found)
