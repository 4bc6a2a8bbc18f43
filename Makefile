# Needs Rust and Python 3; everything else is put under target/tools by tools/install.py.

PYTHON ?= python3

help:
	@echo 'make demo         Envoy, Subzero and a service on this machine, with curl lines to try'
	@echo 'make demo ONCE=1  the same, ended after its table: 0 when all is as it should be'
	@echo 'make test         every test, against the real servers'
	@echo 'make tools        only install those servers'
	@echo 'make fmt clippy doc    one check each'
	@echo 'make ci           all of the above but the demo'

tools:
	$(PYTHON) tools/install.py

demo:
	$(PYTHON) tools/install.py envoy
	cargo build --release --locked --bin subzero --example demo
	@ONCE=$(ONCE) cargo run --quiet --release --locked --example demo

test: tools
	cargo test --locked

fmt:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

ci: fmt clippy doc test

.PHONY: help tools demo test fmt clippy doc ci
