# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is.  Without a target: all that a host needs.

ROOT	:= $(CURDIR)
TESTDIR	:= tools/testing/selftests/vfio_cachemode

.PHONY: all
all: modules lib tools

.PHONY: help
help:
	@echo 'On the machine that has the device:'
	@echo '  make             all of these:'
	@echo '    make modules   the driver, for the running kernel (or KDIR=...;'
	@echo '                   ARCH=arm64 CROSS_COMPILE=... crosses)'
	@echo '    make lib       libvfiomem'
	@echo '    make tools     the operator'\''s tool'
	@echo '  make install     the same (PREFIX=, DESTDIR=); or modules_install,'
	@echo '                   lib_install, tools_install'
	@echo 'In virtual machines, on any machine (the tools come along, cached):'
	@echo '  make demo        reported modes beside page tables, x86 and arm64'
	@echo '  make story       a disk that breaks on device memory, and one that does not'
	@echo '  make check       every test that fits in 25 minutes; TESTS="NAME ..." for'
	@echo '                   some; check-quick and check-full run less and more'
	@echo '  make shell       a shell in a machine with an emulated GPU; VM="OPTION ..."'
	@echo '  make bench       copies against libc; bench-quick in less than a minute'
	@echo '  make docs        the documentation, in build/docs'
	@echo '  make deb         Debian packages, in build/deb'
	@echo 'Parts: setup (the tree of tools), bench-modules, selftests, clean'

# Some targets run in the bench tree; called outside they enter it.
IN_BENCH := $(wildcard /etc/bench-kernels)
enter	 = $(if $(IN_BENCH),,scripts/enter)

.PHONY: setup
setup:
	scripts/setup

# --- the driver -------------------------------------------------------------

# Kernel builds write beside their sources.  A farm of links, one a kernel and
# variant, keeps the project clean and lets many builds run side by side.
KDIR	?= /lib/modules/$(shell uname -r)/build
VARIANT	?=
RELEASE	 = $(shell cat $(KDIR)/include/config/kernel.release 2>/dev/null)
FARM	 = $(ROOT)/build/kbuild/$(RELEASE)$(VARIANT)
MODULES	 = $(ROOT)/build/modules/$(RELEASE)$(VARIANT)
FARMED	 = Kbuild drivers compat include $(TESTDIR)/ptewalk

# $(call build-module,DIRECTORY OF THE FARM)
define build-module
	@[ -n "$(RELEASE)" ] || { \
		echo "$(KDIR) is no kernel build directory: install the kernel's" \
		     "headers, or say KDIR=..." >&2; exit 1; }
	@mkdir -p $(FARM) $(MODULES)
	@exec 9> $(FARM)/.lock && flock 9 && \
	find $(addprefix ./,$(wildcard $(FARMED))) -type f | while read -r f; do \
		[ -L "$(FARM)/$$f" ] || { mkdir -p "$(FARM)/$${f%/*}" && \
			ln -sf "$(ROOT)/$$f" "$(FARM)/$$f"; }; \
	done && \
	find $(FARM) -xtype l -delete && \
	$(MAKE) --no-print-directory -C $(KDIR) M=$(FARM)$1 modules && \
	for ko in $$(find $(FARM)$1 -name '*.ko'); do \
		cmp -s "$$ko" "$(MODULES)/$${ko##*/}" || { \
			cp "$$ko" "$(MODULES)/.$${ko##*/}" && \
			mv "$(MODULES)/.$${ko##*/}" "$(MODULES)/$${ko##*/}"; } || exit; \
	done
endef

.PHONY: modules
modules:
	$(call build-module)

.PHONY: modules_install
modules_install: modules
	$(MAKE) -C $(KDIR) M=$(FARM) \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install

# Reads page tables back for the tests: never part of an installation.
.PHONY: ptewalk
ptewalk:
	$(call build-module,/$(TESTDIR)/ptewalk)

# Both, for every kernel that the virtual machines boot.
.PHONY: bench-modules
ifneq ($(IN_BENCH),)
kernels := $(foreach v,$(shell cut -d' ' -f2 /etc/bench-kernels),$v-amd64 $v-arm64)
bench-modules: $(kernels:%=bench-modules-%)
.PHONY: $(kernels:%=bench-modules-%)
$(kernels:%=bench-modules-%): bench-modules-%:
	@$(MAKE) --no-print-directory KDIR=/usr/src/linux-headers-$* \
		$(if $(filter %-arm64,$*),ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-) \
		ptewalk modules
else
bench-modules:
	$(enter) make $@
endif

# --- library, tool, packages ------------------------------------------------

PREFIX	?= /usr/local
# The parts install from directories of their own.
override DESTDIR := $(abspath $(DESTDIR))
export PREFIX DESTDIR

# CROSS_COMPILE is for the driver: these are for the machine that builds them.
native = $(if $(CROSS_COMPILE),$(error Cross build "make modules"; for the \
	library and the tool see their Makefiles))

.PHONY: lib tools
lib:
	$(native)$(MAKE) -C tools/lib/vfiomem

tools:
	$(native)$(MAKE) -C tools/vfio-cachemode

.PHONY: install lib_install tools_install
install: modules_install lib_install tools_install

lib_install: lib
	$(MAKE) -C tools/lib/vfiomem install

tools_install: tools
	$(MAKE) -C tools/vfio-cachemode install

.PHONY: docs
docs:
	$(enter) scripts/build-docs

.PHONY: deb
deb:
	$(enter) packaging/build-deb

# --- tests ------------------------------------------------------------------

.PHONY: demo
demo:
	$(enter) scripts/demo

# The failure with packaged QEMU, and the same load on the library.
.PHONY: story
story:
	$(enter) $(TESTDIR)/run check story

.PHONY: check-quick check check-full
check-quick: tier = quick
check-full: tier = full
check-quick check check-full:
	$(enter) $(TESTDIR)/run $(or $(tier),check) $(TESTS)

# The programs that run in the virtual machines.
.PHONY: selftests
selftests:
	$(enter) make -C $(TESTDIR) ARCH=amd64
	$(enter) make -C $(TESTDIR) ARCH=arm64

.PHONY: bench bench-quick
bench:
	$(enter) $(TESTDIR)/bench/run
bench-quick:
	$(enter) $(TESTDIR)/bench/run --quick

.PHONY: shell
shell:
	$(enter) $(TESTDIR)/qemu/vm $(VM) --shell

.PHONY: clean
clean:
	rm -rf build
