#!/bin/sh
# Builds for arm64 on a machine of another kind, and sees that the result serves, under emulation: ready, a
# request allowed and one denied. What the Dockerfile does on arm64 itself, without an engine.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
tools=$here/target/tools
target=aarch64-unknown-linux-gnu
cd "$here"

rustup target add $target
# As in the Dockerfile: pages of 64 KiB are usual on arm64.
PATH="$tools/venv/bin:$PATH" JEMALLOC_SYS_WITH_LG_PAGE=16 \
  cargo zigbuild --release --locked --bin subzero --target $target
binary=${CARGO_TARGET_DIR:-target}/$target/release/subzero
echo "$binary: $(du -k "$binary" | cut -f1) KiB"

run="$tools/bin/qemu-aarch64 -L $tools/qemu/usr/aarch64-linux-gnu $binary"
folder=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -r "$folder"' EXIT
cat > "$folder/subzero.yaml" <<EOF
listen: { grpc: ["unix:$folder/s.sock"], http: "127.0.0.1:19192", admin: "127.0.0.1:19193" }
routes:
  - { name: open, match: { path: /open }, public: true }
EOF
$run --version
$run serve --config "$folder/subzero.yaml" > "$folder/log" 2>&1 &
server=$!

status() {
  curl --silent --output /dev/null --write-out '%{http_code}' "$@" || true
}
tries=0
until [ "$(status http://127.0.0.1:19193/readyz)" = 200 ]; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { cat "$folder/log"; exit 1; }
  sleep 0.1
done
ask() {
  status -H 'x-forwarded-method: GET' -H 'x-forwarded-host: a' -H "x-forwarded-uri: $1" http://127.0.0.1:19192/forward-auth
}
[ "$(ask /open)" = 200 ] && [ "$(ask /closed)" = 403 ] || { cat "$folder/log"; exit 1; }
echo 'arm64: ready, allowed what is open, denied the rest'
