# make          set up, verify every example of the manual, render it (build/html, build/man)
# make doctest  verify the manual's examples, on the pages of which something changed: ALL=1 on all;
#               on some pages: PAGES=docs/tutorial.rst
# make test     run the tests but for the slow ones; ALL=1: all; some, slow or not: TESTS=tests/lint
# make coverage run all tests, slower, and tell how many lines of each module they ran; some: TESTS=…
# make lab      run the manual's command lines with real guests and disks, in a virtual machine
# make matrix   run all of these on Debian 12, 13 and sid, each in a chroot: as root; see MATRIX=--help
# make bench    measure our helper and QEMU's side by side, as root; then make html shows the figures
# make fuzz     feed random bytes to what reads other people's: SECONDS=60 each, or RUNS=…; TARGET=…
# make soak     have many clients use a helper while faults are injected: SECONDS=60 CLIENTS=64
# make zipapp   put both programs into one file, build/qemu-pr.pyz, which needs Python and nothing else
# make lint     check style, types, and which part may import which
# make dist     build the wheel and the sdist, with man pages and completion, into dist/
# make deb      build the Debian package of what make dist built, into dist/: on Debian
# make image    build the container image, and leave it in build/image and with podman: on Debian
# make deb-test install, upgrade and remove that package on Debian 12 and 13, as root; see DEB_TEST=--help
# make release  check everything, and build all of it into dist/, with checksums
# make clean    remove everything that make made
# make help     print this
#
# Needs python3 (3.11 or newer) with venv, and once the network, for pip.
# Another Python: make PYTHON=python3.12

PYTHON ?= python3
# In the locale C, Python cannot read where this checkout is if its path is not ASCII.
export LC_ALL := C.UTF-8
BIN := .venv/bin

# -n -W: a reference that leads nowhere is a warning, and a warning is an error. Sphinx tells a
# page's warnings only when it reads the page, so after an error it has to read all of them again.
SPHINX = $(BIN)/python -m sphinx -n -W -c . -d build/doctrees
FORGET = || { rm -rf build/doctrees; exit 1; }
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

OFFLINE = || { echo "make: pip needs the network once, or an index of packages that it can reach:" \
    "set PIP_INDEX_URL, or see pip config list" >&2; exit 1; }

# The programs in .venv name the place where they were installed.
MOVED := $(shell test -s $(BIN)/.installed && test "$$(cat $(BIN)/.installed)" != "$$(pwd -P)" && echo yes)
ifneq ($(MOVED),)
ifneq ($(filter-out clean help,$(or $(MAKECMDGOALS),manual)),)
$(error this checkout was moved since make installed into .venv: make clean, then make)
endif
endif

manual: html man
	@echo
	@cat build/verify/report.txt
	@echo
	@echo "The manual:     build/html/index.html"
	@echo "The man pages:  man -l build/man/qemu-pr-helper.8"
	@echo "                man -l build/man/qemu-pr.1"
	@echo "                man -l build/man/qemu-pr-protocol.7"
	@echo "Next, try:      $(BIN)/qemu-pr command-line /dev/sdb"

html man: doctest
	@echo "make: rendering the manual: $@"
	@$(SPHINX) -b $@ docs build/$@ $(FORGET)

doctest: $(BIN)/.installed
	@echo "make: verifying the manual's examples"
	@$(SPHINX) -b verify $(if $(ALL),-D verify_all=1) docs build/verify $(PAGES) $(FORGET)

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

test: $(BIN)/.installed
	$(BIN)/python -m pytest -n auto $(if $(ALL)$(TESTS),--dist loadscope,-m 'not slow') $(TESTS)

# Not part of make test: traced, the same tests take 2.8 times as much processor time on Python 3.11.
# test_imports counts what is loaded, and coverage is loaded too.
coverage: $(BIN)/.installed-coverage
	@mkdir -p build/coverage
	$(BIN)/python -m pytest -n auto --dist loadscope --cov --cov-report=term \
	    --deselect tests/helper/test_imports.py --deselect tests/cli/test_what_is_loaded.py $(TESTS)

lab: html zipapp $(BIN)/.installed-lab
	$(BIN)/python tests/lab/run.py $(LAB)

matrix:
	$(PYTHON) tests/matrix/run.py $(MATRIX)

bench: $(BIN)/.installed
	$(BIN)/python tests/bench/run.py $(BENCH)

fuzz: $(BIN)/.installed-fuzz
	@$(BIN)/python tests/fuzz/run.py $(if $(SECONDS),--seconds=$(SECONDS)) $(if $(RUNS),--runs=$(RUNS)) \
	    $(if $(SEED),--seed=$(SEED)) $(if $(TARGET),--target=$(TARGET)) $(if $(INPUT),--input=$(INPUT))

soak: $(BIN)/.installed
	@$(BIN)/python tests/soak/run.py $(if $(SECONDS),--seconds=$(SECONDS)) \
	    $(if $(CLIENTS),--clients=$(CLIENTS))

zipapp:
	@rm -rf build/zipapp && mkdir -p build/zipapp
	@cp -R packaging/zipapp/__main__.py src/qemu_pr build/zipapp/
	@rm -rf build/zipapp/qemu_pr/manual build/zipapp/qemu_pr/verified_examples
	@find build/zipapp -name __pycache__ -type d -prune -exec rm -rf {} +
	@umask 022; $(PYTHON) -m zipapp build/zipapp -o build/qemu-pr.pyz -p '/usr/bin/env python3' -c && chmod 755 build/qemu-pr.pyz
	@echo "Both programs:  build/qemu-pr.pyz --help; build/qemu-pr.pyz helper --help"

lint: $(BIN)/.installed-lint
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline --profile production -q packaging/ansible

# What is built twice has the same bytes: all files have the time of the commit, or of the changelog.
dist deb image: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)

dist: html man $(BIN)/.installed-release
	rm -rf dist build/tree
	$(BIN)/python packaging/tree.py . build build/tree
	$(BIN)/python -m build --outdir dist build/tree
	$(BIN)/python packaging/settle_sdist.py dist/*.tar.gz
	$(BIN)/python -m twine check --strict dist/*

deb: dist
	packaging/build-deb dist/*.tar.gz build/deb
	cp build/deb/*.deb dist/

image: man
	$(BIN)/python packaging/image/root.py . build/man build/image/root
	packaging/image/build build/image

deb-test: dist $(BIN)/.installed-lab
	$(BIN)/python -m pytest tests/deb --timeout=3600 $(DEB_TEST)

release: ALL := 1
release: lint test dist deb zipapp
	cp build/qemu-pr.pyz dist/
	$(BIN)/python packaging/release.py dist
	cd dist && sha256sum --check --quiet SHA256SUMS

clean:
	rm -rf .venv .tox build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "make: $(PYTHON) is missing or older than 3.11: apt-get install python3," \
	        "or name another: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: $(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; \
	    exit 1; }
	@echo "make: installing into .venv, once"
	$(PYTHON) -m venv .venv
	$(PIP) --editable '.[manual,test]' $(OFFLINE)
	@pwd -P >$@

$(BIN)/.installed-%: $(BIN)/.installed
	@echo "make: installing for make $*, once"
	$(PIP) --editable '.[$*]' $(OFFLINE)
	@touch $@

.NOTPARALLEL: # the builds share build/doctrees
.PHONY: manual html man doctest help test coverage lab matrix bench fuzz soak zipapp lint dist deb image deb-test release clean
