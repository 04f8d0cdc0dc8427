# SPDX-License-Identifier: GPL-2.0
#
# Owns the verbs of the project; each is a thin call of the part that does the work.

VERSION := $(shell cat VERSION)
RELEASE := $(shell uname -r)
KDIR    ?= /lib/modules/$(RELEASE)/build

# Where things go. DESTDIR is for building packages: with it nothing on this machine is touched,
# and DKMS is left to the package.
PREFIX         ?= /usr/local
INCLUDEDIR     ?= $(PREFIX)/include
UDEVDIR        ?= /usr/lib/udev/rules.d
MODULESLOADDIR ?= /usr/lib/modules-load.d
DKMS_SOURCE    ?= $(DESTDIR)/usr/src/kqueue-$(VERSION)

# check: empty for virtual machines, host for the module loaded here
TARGET ?=
export TARGET

# soak: how much, and on which kernel; empty: what tools/check.sh says; fuzz: SECONDS and SEED
CALLS   ?=
SECONDS ?=
SEED    ?=
RELOADS ?=
KERNEL  ?=

module_files := dkms.conf VERSION $(sort $(wildcard kmod/Kbuild kmod/*.[ch] kmod/*/*.[ch] uapi/linux/*.h))

.PHONY: all module lib demo check check-debug conformance style soak coverage fuzz install uninstall \
	dkms-source dkms-install clean help

all: module lib

help:
	@echo 'make              the module for the running kernel, if its headers are here, and libkq'
	@echo 'make demo         the demonstration, in a virtual machine'
	@echo 'make check        all tests on all stock kernels, in virtual machines'
	@echo '                  TARGET=host: with the module loaded on this machine'
	@echo '                  STRESS_CALLS=N: random calls on each kernel (200000)'
	@echo 'make check-debug  kernel tests and random calls on debug kernels: KASAN and lockdep, PREEMPT_RT'
	@echo '                  with lockdep, KCSAN; KQ_KERNELS="NAME...": on some of 6.1-debug,'
	@echo '                  6.12-rt-debug, 6.12-kcsan'
	@echo 'make conformance  which statement of the specification is proved by which test'
	@echo 'make style        checkpatch, sparse, clang-format, shellcheck, texts'
	@echo 'make soak         random calls, and loading and unloading under load, on all stock kernels'
	@echo '                  CALLS=N (10000000) or SECONDS=N, RELOADS=N (1000), SEED=N (1),'
	@echo '                  KERNEL=NAME; TARGET=host: calls only, with the module loaded here'
	@echo 'make coverage     which lines of the module the kernel tests execute, at least 90 percent'
	@echo 'make fuzz         coverage-guided random calls, on a kernel with KASAN and lockdep'
	@echo '                  SECONDS=N (600), SEED=N (1)'
	@echo 'make install      module (through DKMS), udev rule, library, headers, manual'
	@echo '                  DESTDIR= PREFIX= LIBDIR= INCLUDEDIR= MANDIR=; with DESTDIR files only'
	@echo 'make dkms-install the module alone, with its udev rule'
	@echo 'make uninstall    undo install'
	@echo 'make clean        remove build/'

module:
ifeq ($(wildcard $(KDIR)/Makefile),)
	@echo 'module: not built, no headers of the running kernel in $(KDIR)'
	@echo 'module: on Debian: apt-get install linux-headers-$(RELEASE)'
else
	@$(MAKE) --no-print-directory dkms-source DKMS_SOURCE=build/module
	$(MAKE) -C $(KDIR) M=$(CURDIR)/build/module/kmod modules
	@echo 'module: build/module/kmod/kqueue.ko'
endif

lib:
	@$(MAKE) --no-print-directory -C lib

demo:
	@demo/demo.sh

check:
	@tools/check.sh

check-debug:
	@tools/check.sh --debug

style:
	@tools/style.sh

# Uses the results of the last check; without any it runs what is needed.
conformance:
	@tools/conformance.sh

soak:
	@STRESS_CALLS=$(CALLS) STRESS_SECONDS=$(SECONDS) STRESS_SEED=$(SEED) RELOADS=$(RELOADS) \
		$(if $(KERNEL),KQ_KERNELS='$(KERNEL)') tools/check.sh --soak

coverage:
	@tools/coverage.sh

fuzz:
	@FUZZ_SEED=$(SEED) tools/fuzz.sh $(SECONDS)

install: dkms-install
	@$(MAKE) --no-print-directory -C lib install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	install -D -m 644 uapi/linux/kqueue.h $(DESTDIR)$(INCLUDEDIR)/kqueue/linux/kqueue.h
ifeq ($(DESTDIR),)
	ldconfig
endif

dkms-install:
ifeq ($(DESTDIR),)
	@packaging/module.sh check
endif
	@$(MAKE) --no-print-directory dkms-source
ifeq ($(DESTDIR),)
	@packaging/module.sh install
endif
	install -D -m 644 packaging/60-kqueue.rules $(DESTDIR)$(UDEVDIR)/60-kqueue.rules
	install -D -m 644 packaging/kqueue.modules-load $(DESTDIR)$(MODULESLOADDIR)/kqueue.conf

# Exactly the files DKMS builds from.
dkms-source:
	@for file in $(module_files); do \
		install -D -p -m 644 $$file $(DKMS_SOURCE)/$$file || exit; \
	done

uninstall:
ifeq ($(DESTDIR),)
	@packaging/module.sh remove
else
	rm -rf $(DKMS_SOURCE)
endif
	rm -f $(DESTDIR)$(UDEVDIR)/60-kqueue.rules $(DESTDIR)$(MODULESLOADDIR)/kqueue.conf
	@$(MAKE) --no-print-directory -C lib uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
ifeq ($(DESTDIR),)
	ldconfig
endif

clean:
	rm -rf build
