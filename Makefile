# make run    see it work: a SIP user and an XMPP user talk in a room (ONCE=1: and that is all)
# make test   prove it: every test, against real Prosody, ejabberd and SIPp
# make bench  measure it
# make lint   what the review would say anyway
#
# `run` and `test` install what is missing from Debian's packages and say so first. Nothing of the machine's own
# servers is touched: what is started lives under target/ or in temporary directories, on loopback ports.

CARGO ?= cargo
RUN_PACKAGES  := prosody
TEST_PACKAGES := prosody ejabberd sip-tester openssl libxml2-utils procps

.PHONY: run test bench lint
.DEFAULT_GOAL := run

run:
	@tests/install-packages "about four minutes the first time, most of it the release build" $(RUN_PACKAGES)
	@$(CARGO) build --release --locked --package mucfocus --package mucfocus-rig --bin mucfocus --bin demo
	@ONCE=$(ONCE) target/release/demo target/release/mucfocus

test:
	@tests/install-packages "about twelve minutes on two cores the first time, half of it compiling" $(TEST_PACKAGES)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) test --workspace --locked --doc --quiet && $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else \
	  $(CARGO) test --workspace --locked --no-fail-fast; \
	fi

bench:
	@tests/install-packages "about six minutes the first time" $(RUN_PACKAGES)
	@$(CARGO) bench --package mucfocus-core --locked
	@$(CARGO) build --release --locked --package mucfocus --package mucfocus-rig --bin mucfocus --bin room-of-ten
	@target/release/room-of-ten target/release/mucfocus

lint:
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --locked --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; fi
