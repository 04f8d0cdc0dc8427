# SPDX-License-Identifier: GPL-2.0
#
# Owns the judgement of a kernel log: which messages mean that the kernel is not well. Runs under
# busybox too.
#
# Usage: awk [-v from=TEXT] -f klog-scan.awk [FILE]
#
# Prints each complaint with the lines around it; with from= of what comes after the first line that
# has TEXT, which has to be there. Exit status: 0 none, 1 some.

BEGIN {
	bad = "BUG: |kernel BUG at|WARNING: |Oops: |general protection fault|Kernel panic" \
	      "|INFO: |possible circular|possible recursive|suspicious RCU|Call Trace:" \
	      "|KASAN: |UBSAN: |KCSAN: |ODEBUG: |list_(add|del) corruption|refcount_t: " \
	      "|unreferenced object|new suspected memory leaks|sleeping function" \
	      "|soft lockup|hard LOCKUP|rcu: INFO|detected stall|self-detected stall|blocked for more than" \
	      "|scheduling while atomic|bad unlock balance|held lock freed|Invalid wait context" \
	      "|page allocation failure|Unable to handle|stack guard page|unregister_netdevice: waiting" \
	      "|Call trace:|Slab corruption|Object already free|Bad page state"
	# Stack dumps that a test has asked for: memory limits and injected faults.
	excused = "invoked oom-killer: |FAULT_INJECTION: forcing a failure|inject_[a-z_]+: vmalloc error: "
	before = 3
	after = 45
}

from != "" && !begun {
	begun = index($0, from)
	next
}

{
	text[NR] = $0
	if ($0 ~ excused)
		excuse = NR
	if ($0 ~ bad && !($0 ~ /Call Trace:/ && excuse && NR - excuse < 15))
		hit[NR] = 1
}

# The report of a data race: headline, for each access what it is and its stack, "Reported by". The
# whole kernel is looked at, and it has races of its own: also in what the module calls, such as the
# sleep with a timeout. Ours is one with a function of the module as the place of either access, or
# with the module below both: two threads of ours that meet in what they call. What an interrupt or a
# page fault does that came while the module ran is not on its behalf. Only the headline is pardoned:
# what others print in between still counts, and so does a report whose end is missing.
#
# Pardoned as well: a marked read that meets a plain store of at most a word, made under a lock. No
# compiler of the kernel takes such a store apart, and the kernel builds on that.
/BUG: KCSAN: / {
	headline = NR
	places = stacks = marked_read = plain_store = below = 0
	access = -1
}
/ to 0x[0-9a-f]+ of [0-9]+ bytes by / {
	access = NR
	entered = below = 0
	if ($0 ~ / read \([a-z, ]*marked[a-z, ]*\) to /)
		marked_read = 1
	if ($0 ~ / (read-)?write (\(reordered\) )?to 0x[0-9a-f]+ of [1248] bytes by /)
		plain_store = 1
}
/ asm_[a-z0-9_]+\+0x/ {
	entered = 1
}
/\+0x[0-9a-f]+\/0x[0-9a-f]+ \[kqueue\]/ && !entered {
	places += NR == access + 1
	stacks += !below
	below = 1
}
/Reported by Kernel Concurrency Sanitizer/ {
	if (!places && stacks < 2 || marked_read && plain_store)
		delete hit[headline]
}

END {
	if (from != "" && !begun) {
		print "the log does not reach back to: " from
		exit 1
	}
	for (n = 1; n <= NR; n++) {
		if (!(n in hit))
			continue
		found = 1
		for (m = n - before; m <= n + after; m++)
			wanted[m] = 1
	}
	for (n = 1; n <= NR; n++) {
		if (!(n in wanted) || !(n in text))
			continue
		if (shown && !((n - 1) in wanted))
			print "[...]"
		print text[n]
		shown = 1
	}
	exit found
}
