# The two commands of the README are `make play` and `make test`.

CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=

PODKIN  := target/release/podkin
BINDIR  := $(DESTDIR)$(PREFIX)/bin
SHARE   := $(DESTDIR)$(PREFIX)/share

.PHONY: play down build deps test-deps test conformance support score bench lint install uninstall

# Builds, plays examples/hello.yaml, waits until it is ready, shows what answers.
play: build
	@scripts/play $(PODKIN)

# Takes away what `make play` made.
down: build
	@$(PODKIN) kube down --force examples/hello.yaml

build: deps
	@$(CARGO) build --release --locked

deps:
	@scripts/install-deps

test-deps:
	@scripts/install-deps tests

# The whole suite, real containers and conformance included.
test: test-deps
	$(CARGO) test --locked --features failpoints

conformance: test-deps
	$(CARGO) test --locked --features failpoints --test conformance

# Takes each field out of the cases that claim it, and writes docs/SUPPORT.md from what failed without it.
support: test-deps
	$(CARGO) test --locked --test conformance -- --prove

# Counts the statements of Kubernetes' node conformance that cases show, and writes docs/CONFORMANCE.md.
score:
	$(CARGO) test --locked --test conformance -- --score

# Side by side with podman where it is installed: a table, and target/bench.json.
bench: test-deps
	$(CARGO) bench --locked --bench peers -- --json $(CURDIR)/target/bench.json

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --features failpoints -- -D warnings

install: build
	install -D -m 755 $(PODKIN) $(BINDIR)/podkin
	mkdir -p $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(PODKIN) completion bash > $(SHARE)/bash-completion/completions/podkin
	$(PODKIN) completion zsh > $(SHARE)/zsh/site-functions/_podkin
	$(PODKIN) completion fish > $(SHARE)/fish/vendor_completions.d/podkin.fish
	$(PODKIN) man $(SHARE)/man/man1

uninstall:
	rm -f $(BINDIR)/podkin $(SHARE)/bash-completion/completions/podkin $(SHARE)/zsh/site-functions/_podkin
	rm -f $(SHARE)/fish/vendor_completions.d/podkin.fish $(SHARE)/man/man1/podkin.1 $(SHARE)/man/man1/podkin-*.1
