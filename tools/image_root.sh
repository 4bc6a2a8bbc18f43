#!/bin/sh
# Lays out the image's file system: `image_root.sh BINARY FOLDER`. Used by the Dockerfile, and by the test that
# starts the result in a root of its own.
#
# Beside the binary: the C library that it is linked with, at the places where it looks (name service is
# inside since glibc 2.34), the authorities' certificates, a user with a number, and what scanners read to say
# what is in here.
set -eu

binary=$1
root=$2
lock=$(dirname "$0")/../Cargo.lock

install -D -m 0755 "$binary" "$root/usr/local/bin/subzero"
libraries=$(ldd "$binary" | grep -o '/[^ ]*')
for library in $libraries; do
  install -D -m 0755 "$library" "$root$library"
done
install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

mkdir -p "$root/etc" "$root/tmp"
echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' > "$root/etc/passwd"
echo 'nonroot:x:65532:' > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"

# As distroless images have it: one file a package.
mkdir -p "$root/var/lib/dpkg/status.d"
for package in libc6 libgcc-s1 ca-certificates; do
  dpkg-query --status "$package" > "$root/var/lib/dpkg/status.d/$package"
done
install -D -m 0644 "$lock" "$root/usr/share/doc/subzero/Cargo.lock"
install -D -m 0644 "$(dirname "$0")/../LICENSE" "$root/usr/share/doc/subzero/LICENSE"
