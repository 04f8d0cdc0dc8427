# SPDX-License-Identifier: GPL-2.0
#
# Owns reading kmemleak's report: keeps what was allocated at or after the jiffy `since`, and gives the
# addresses in backtraces their names back, which kmemleak cannot do for a module already unloaded.
#
# Usage: awk -v since=JIFFIES -f guest-leaks.awk SYMBOLS REPORT
#        SYMBOLS are lines of /proc/kallsyms in order of address.

function hex(digits,   n, value) {
	value = 0
	for (n = 1; n <= length(digits); n++)
		value = value * 16 + index("0123456789abcdef", substr(digits, n, 1)) - 1
	return value
}

# Addresses have the same number of digits, so they compare as text; offsets are small.
function name_of(address,   n, best) {
	best = 0
	for (n = 1; n <= symbols && start[n] <= address; n++)
		best = n
	if (!best || hex(substr(address, 5)) - hex(substr(start[best], 5)) > 65536)
		return ""
	return " " name[best] "+" hex(substr(address, 5)) - hex(substr(start[best], 5)) " " module[best]
}

FILENAME == ARGV[1] {
	symbols++
	start[symbols] = "x" $1
	name[symbols] = $3
	module[symbols] = $4
	next
}

/^unreferenced object/ {
	object = $0
	next
}

object != "" {
	ours = match($0, /jiffies [0-9]+/) && substr($0, RSTART + 8, RLENGTH - 8) + 0 >= since + 0
	if (ours)
		print object
	object = ""
}

ours {
	line = $0
	if (match(line, / 0x[0-9a-f]+$/))
		line = line name_of("x" substr(line, RSTART + 3))
	print line
}
