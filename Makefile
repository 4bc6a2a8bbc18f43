# Needs Rust and Python 3; everything else is put under target/tools by tools/install.py.

PYTHON ?= python3

help:
	@echo 'make demo         Envoy, Subzero and a service on this machine, with curl lines to try'
	@echo 'make demo ONCE=1  the same, ended after its table: 0 when all is as it should be'
	@echo 'make test         every test, against the real servers'
	@echo 'make chart        only those of the Helm chart, dashboards, alerts and image'
	@echo 'make tools        only install those servers'
	@echo 'make train DATA=folder           trains the model that finds injections (training/README.md)'
	@echo 'make eval-screening DATA=folder  measures the screening and writes the table in its docs'
	@echo 'make soak         the next three, one after the other: half an hour'
	@echo 'make soak-faults     fifteen minutes of 5,000 checks a second at two replicas while what they'
	@echo '                     need fails in each way; SECONDS= and RATE= say otherwise'
	@echo 'make soak-api        ten minutes of generated questions to the API'
	@echo 'make soak-keys       keys rotated, and their provider gone, under load: four minutes'
	@echo 'make fuzz         ten million hostile inputs for each parser of what strangers send'
	@echo 'make bench        everything below and the steps one by one: an hour, on a machine with nothing else to do'
	@echo 'make bench-envoy     a decision behind Envoy, beside jwt_authn and a server that allows everything;'
	@echo '                     OPA=path/of/opa-envoy-plugin puts that beside it (docs/sizing.md)'
	@echo 'make bench-growth    how the cost of a check grows with routes, issuers, tuples, bodies, streams; memory'
	@echo 'make bench-instructions  instructions a check, by callgrind: what a change costs on a busy machine'
	@echo 'make bench-dispatch  where batches run, on all cores, on one and on half a core: eight minutes'
	@echo 'make bench-tail      checks beside batches that are pushed without pause: a minute'
	@echo 'make bench-burst     bursts of questions with coalescing and without: two minutes'
	@echo 'make bench-outage    checks while Redis is away, slow or failing over: a minute and a half'
	@echo 'make arm64        builds for arm64 with zig, and runs the result under emulation'
	@echo 'make fmt, make clippy, make doc, make deny    one check each'
	@echo 'make ci           all of the above, as CI runs it'

tools:
	$(PYTHON) tools/install.py

demo:
	$(PYTHON) tools/install.py envoy
	cargo build --release --locked --bin subzero --example demo
	@ONCE=$(ONCE) cargo run --quiet --release --locked --example demo

test:
	$(PYTHON) tools/install.py envoy nginx oidc openfga redis wrk schemathesis chart schemas prometheus hadolint chromium
	$(PYTHON) tools/test.py

chart:
	$(PYTHON) tools/install.py envoy oidc wrk chart schemas prometheus hadolint chromium
	cargo test --locked --test it -- chart:: watching:: image::

fmt:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

soak: soak-faults soak-api soak-keys

# Optimised, with the checks of a debug build.
soak-faults:
	$(PYTHON) tools/install.py oidc openfga redis
	SUBZERO_TEST_SECONDS=$(or $(SECONDS),900) SUBZERO_TEST_RATE=$(or $(RATE),5000) \
		cargo test --locked --profile fuzz --test it soak -- --nocapture

soak-api:
	$(PYTHON) tools/install.py schemathesis
	SUBZERO_TEST_SECONDS=600 cargo test --locked --test it schemas -- --nocapture

soak-keys:
	$(PYTHON) tools/install.py envoy oidc wrk
	SUBZERO_TEST_SECONDS=63 cargo test --locked --test it rotations -- --nocapture --test-threads=1

fuzz:
	SUBZERO_FUZZ_EXECUTIONS=$(or $(EXECUTIONS),10000000) \
		cargo test --locked --profile fuzz --lib fuzz -- --nocapture

bench: bench-envoy bench-instructions bench-dispatch bench-growth bench-tail bench-burst bench-outage
	cargo bench --locked --bench start --bench door --bench jwt --bench prompt --bench permission --bench recorder --bench steps

bench-envoy:
	$(PYTHON) tools/install.py envoy wrk openfga
	SUBZERO_BENCH_OPA=$(OPA) SUBZERO_BENCH_OPENFGA_ENVOY=$(OPENFGA_ENVOY) cargo bench --locked --bench envoy

bench-growth:
	cargo bench --locked --bench growth
	cargo bench --locked --bench growth -- memory

bench-instructions:
	cargo bench --locked --bench instructions

bench-dispatch:
	cargo bench --locked --bench dispatch
	taskset -c 0 cargo bench --locked --bench dispatch -- one-core
	benches/dispatch/half-a-core cargo bench --locked --bench dispatch -- half-a-core

bench-tail:
	cargo bench --locked --bench tail

bench-burst:
	cargo bench --locked --bench burst

bench-outage:
	$(PYTHON) tools/install.py openfga redis
	cargo bench --locked --bench outage

arm64:
	$(PYTHON) tools/install.py zig qemu
	tools/arm64.sh

train:
	cargo run --quiet --release --locked --example training -- train $(DATA)

eval-screening:
	cargo run --quiet --release --locked --example training -- evaluate $(DATA)

deny:
	$(PYTHON) tools/install.py deny
	cargo fetch --locked
	target/tools/bin/cargo-deny --offline --log-level error check bans licenses sources

ci:
	.ci/run

.PHONY: help tools demo test chart soak soak-faults soak-api soak-keys fuzz bench bench-envoy bench-growth bench-instructions bench-dispatch bench-tail bench-burst bench-outage fmt clippy doc arm64 train eval-screening deny ci
