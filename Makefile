# One verb each. CI runs `make check` and `make conformance`, no more and no less.

CARGO ?= cargo

.PHONY: run test check format lint docs-check docs conformance

# A server on http://127.0.0.1:5000 that answers from the sandbox.
run:
	$(CARGO) run --locked --release -- --sandbox

test:
	$(CARGO) test --locked --quiet

check: format lint test docs-check

format:
	$(CARGO) fmt --check

lint:
	$(CARGO) clippy --locked --all-targets -- -D warnings

docs-check:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

# Renews what is generated: the README's tables and the snapshots of the published tools.
docs:
	UPDATE_GENERATED=1 $(CARGO) test --locked --test integration generated

# The official conformance suite against the product and against a fixture server; needs npm and, the first time, its registry.
conformance:
	tests/conformance/run
