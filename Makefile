# nmjit: what to run in a clone. `make help` lists the targets.
#
# Everything Python lives in .venv; stamp files there make repeated runs cheap. Another interpreter:
# `make PYTHON=python3.12 dev` (after `make clean`).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := PYTHONWARNINGS=ignore $(BIN)/pip --disable-pip-version-check -q
JOBS   ?= auto

# setuptools calls ext-modules and strict editable installs experimental, so its version is pinned for development.
BUILD_TOOLS := 'setuptools>=77,<85' 'Cython>=3.1,<4' wheel

APT_BUILD := python3-dev python3-venv gcc
APT_TEST  := libpcap-dev tcpdump
APT_LINT  := clang-19 clang-format-19 cppcheck
APT_KERNEL := linux-image-amd64 linux-headers-amd64 qemu-system-x86 ethtool iproute2 kmod

# A file that appears, moves or goes asks for a new tree of links, as does a lost extension; an edited file only where
# C or Cython is compiled.
SOURCES  := $(filter-out runtime/_engine.c,$(sort $(shell find compiler runtime programs bench -path bench/out -prune -o -name '*.py' -o -name '*.py[xi]' -o -name '*.pxi' -o -name '*.[ch]' -o -name '*.txt')))
COMPILED := $(filter runtime/%.c runtime/%.h runtime/%.pyx runtime/%.pxi,$(SOURCES)) $(wildcard kernel/uapi/*.h)

.DEFAULT_GOAL := help
.PHONY: help deps deps-kernel check-system dev demo test test-deep lint bench wheel test-wheel kernel kernel-install test-kernel \
	test-kernel-debug clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: PACKAGES := $(APT_BUILD) $(APT_TEST) $(APT_LINT)
deps-kernel: PACKAGES := $(APT_BUILD) $(APT_KERNEL)
deps: ## install the Debian packages that building, testing and linting need (sudo unless root)
deps-kernel: ## install those that `make test-kernel` needs
deps deps-kernel:
	@missing=$$(for p in $(PACKAGES); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	[ -z "$$missing" ] && exit 0; \
	[ "$$(id -u)" = 0 ] && as_root= || as_root=sudo; \
	$$as_root apt-get update -qq && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing

check-system:
	@.ci/check_system $(PYTHON) $(APT_BUILD)

$(VENV)/sources: FORCE
	@mkdir -p $(VENV)
	@ls runtime/_engine*.so >/dev/null 2>&1 && printf '%s\n' $(SOURCES) | cmp -s - $@ || \
	    printf '%s\n' $(SOURCES) > $@

$(VENV)/bin/pip: | check-system
	@$(PYTHON) -m venv $(VENV)

# The virtual environment with nmjit (editable, extension built) and what the tests import.
$(VENV)/ready: pyproject.toml $(COMPILED) $(VENV)/sources | $(VENV)/bin/pip
	@echo 'building nmjit in $(VENV)'
	@rm -rf build/__editable__.*
	@$(PIP) install -U pip $(BUILD_TOOLS)
	@$(PIP) install --no-build-isolation -e '.[test]'
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@$(PIP) install --no-build-isolation -e '.[dev]'
	@touch $@

$(VENV)/ready-kernel: $(VENV)/ready
	@$(PIP) install --no-build-isolation -e '.[test,kernel]'
	@touch $@

dev: $(VENV)/ready-dev ## virtual environment with nmjit (editable) and every development tool

demo: $(VENV)/ready ## filter a generated capture with programs/acl.py
	@mkdir -p demo
	@[ -s demo/traffic.pcap ] || $(BIN)/python docs/demo/make_traffic.py demo/traffic.pcap
	$(BIN)/nmjit load programs/acl.py pcap:demo/traffic.pcap

test: $(VENV)/ready ## run every test that needs no virtual machine
	@$(BIN)/pytest -q -n $(JOBS)

test-deep: $(VENV)/ready ## the same with hypothesis' deep profile
	@$(BIN)/pytest -q -n $(JOBS) --hypothesis-profile=deep --timeout=3600

lint: $(VENV)/ready-dev ## ruff, mypy, pyright, import-linter, clang-format, cppcheck
	@.ci/lint $(BIN)

bench: $(VENV)/ready ## compare the native code with C, clang, gcc and libpcap
	@$(BIN)/python -m nmjit.bench

wheel: $(VENV)/ready-dev ## build dist/*.whl and dist/*.tar.gz
	@rm -rf dist
	@$(BIN)/python -m build -q --no-isolation --outdir dist

test-wheel: wheel ## install the wheel in a clean environment and try it there
	@rm -rf build/wheel-venv
	@$(PYTHON) -m venv build/wheel-venv
	@build/wheel-venv/bin/pip --disable-pip-version-check -q install dist/*.whl
	@build/wheel-venv/bin/python -I .ci/check_wheel.py dist/*.whl

kernel: ## build the kernel module; KDIR=… for another kernel than the running one
	@$(MAKE) -C kernel

kernel-install: ## install the kernel module through DKMS (sudo unless root)
	@version=$$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' kernel/dkms.conf); \
	[ "$$(id -u)" = 0 ] && as_root= || as_root=sudo; \
	command -v dkms >/dev/null || { echo 'missing: dkms; install it with: apt-get install dkms' >&2; exit 1; }; \
	$$as_root mkdir -p "/usr/src/nmjit-$$version" && \
	tar -C kernel --exclude='*.o' --exclude='*.ko' --exclude='*.mod*' --exclude='.*.cmd' -cf - . | \
	    $$as_root tar -C "/usr/src/nmjit-$$version" --no-same-owner -xf - && \
	$$as_root dkms install --force "nmjit/$$version"

# VM_OPTIONS: what pytest takes besides, as in make test-kernel VM_OPTIONS='-k fuzz --vm-minutes=30 --vm-seed=1'.
test-kernel: $(VENV)/ready-kernel ## test the kernel module in virtual machines on Debian's kernel (no KVM needed)
	@$(BIN)/pytest -q tests/kernel --run-vm $(VM_OPTIONS)

test-kernel-debug: $(VENV)/ready-kernel ## the same on a kernel with KASAN, lockdep, kmemleak, UBSAN; builds it once
	@tree=$$(.ci/kernel_debug build/kernel-debug) && \
	$(BIN)/pytest -q tests/kernel --run-vm --vm-image "$$tree/arch/x86/boot/bzImage" --vm-headers "$$tree" $(VM_OPTIONS)

clean: ## remove everything that these targets made
	rm -rf $(VENV) build dist demo *.egg-info runtime/_engine.c runtime/_engine*.so .pytest_cache .mypy_cache .ruff_cache \
	    .import_linter_cache .hypothesis bench/out
	find compiler runtime programs tests bench docs -name __pycache__ -prune -exec rm -rf {} +
