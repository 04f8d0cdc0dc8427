# SPDX-License-Identifier: GPL-2.0
#
# Owns the kernel's way to build and run the tests of kqueue, put there by tools/graft.sh:
#
#   make headers
#   make -C tools/testing/selftests TARGETS=kqueue run_tests
#
# The programs use libkq, whose sources came along; it is C++ and needs g++. KQ_PROGRAMS="user_test
# timer_test" builds and runs only those.

here := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))

# Not those that look at what else the project ships: device node rules, examples, the stand-in for
# libkqueue.
away := device_test example_test example_process_test libkqueue_test
all_programs := $(filter-out $(away),$(patsubst %.c,%,$(notdir $(wildcard $(here)*_test.c))))

TEST_GEN_PROGS := $(or $(KQ_PROGRAMS),$(all_programs))
TEST_GEN_PROGS_EXTENDED := kqinfo
LOCAL_HDRS := $(wildcard $(here)*.h)

include ../lib.mk

CFLAGS += -std=gnu11 -O2 -g -Wall -Wextra -I$(here)lib/include $(KHDR_INCLUDES)
LDLIBS += -lpthread
EXTRA_CLEAN += $(OUTPUT)/lib

LIBKQ := $(OUTPUT)/lib/libkq.a

# Its Makefile knows what is out of date.
$(LIBKQ): FORCE
	@$(MAKE) --no-print-directory -C $(here)lib BUILD=$(OUTPUT)/lib CPPFLAGS="$(KHDR_INCLUDES)" $@

FORCE:

# Linked in addition to the source, by the rule of lib.mk.
$(TEST_GEN_PROGS) $(TEST_GEN_PROGS_EXTENDED): $(LIBKQ)
