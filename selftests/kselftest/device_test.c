// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the device node as the system sees it: number, mode, what the kernel
 * tells udev, and that the rules we ship and document fit it.
 */
#include "kq_test.h"

#include <sys/sysmacros.h>

#define CLASS		"/sys/class/misc/kqueue/"
#define MISC_MAJOR	10

static void read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t length;

	if (!file)
		KQ_FAIL_NOW("%s: %s", path, kq_errno_name(errno));
	length = fread(text, 1, size - 1, file);
	ASSERT_FALSE(ferror(file));
	ASSERT_LT(length, size - 1);
	text[length] = 0;
	fclose(file);
}

/* The line that begins so, without its end; NULL: none. */
static char *find_line(char *text, const char *start)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		if (!strncmp(line, start, strlen(start)))
			return line;
	return NULL;
}

KQ_TEST(number, "", "the node is misc device kqueue, with the minor the kernel names")
{
	char text[4096];
	unsigned int major, minor;
	struct stat node;

	ASSERT_SYS(stat(KQ_TEST_DEVICE, &node));
	ASSERT_TRUE(S_ISCHR(node.st_mode));
	ASSERT_EQ(major(node.st_rdev), MISC_MAJOR);
	read_text(CLASS "dev", text, sizeof(text));
	ASSERT_EQ(sscanf(text, "%u:%u", &major, &minor), 2);
	ASSERT_EQ(major, MISC_MAJOR);
	ASSERT_EQ(minor, minor(node.st_rdev));
}

KQ_TEST(mode_from_the_start, "",
	"the node appears with mode 0666, for root, before any rule is read")
{
	char text[4096];
	struct stat node;

	read_text(CLASS "uevent", text, sizeof(text));
	ASSERT_TRUE(find_line(text, "DEVMODE=0666"));
	if (getenv("KQ_KEEP_CLOCK"))
		KQ_SKIP("the administrator of this machine may have changed the node");
	ASSERT_SYS(stat(KQ_TEST_DEVICE, &node));
	ASSERT_EQ(node.st_mode & 07777, 0666);
	ASSERT_EQ(node.st_uid, 0);
	ASSERT_EQ(node.st_gid, 0);
}

/* Rules of udev, as far as ours go. */

struct rule {
	char mode[64], group[64];
	bool matches;
};

static void read_subsystem(char *name, size_t size)
{
	char target[256], *slash;
	ssize_t length = ASSERT_SYS(readlink(CLASS "subsystem", target, sizeof(target) - 1));

	target[length] = 0;
	slash = strrchr(target, '/');
	ASSERT_TRUE(slash);
	snprintf(name, size, "%s", slash + 1);
}

/* KEY=="VALUE" compares, KEY="VALUE" assigns, commas between them, nothing else. */
static struct rule parse_rule(const char *text)
{
	struct rule rule = { .matches = true };
	char key[32], operator[3], value[64], subsystem[64];
	int used;

	read_subsystem(subsystem, sizeof(subsystem));
	for (;;) {
		if (sscanf(text, " %31[A-Z]%2[=]\"%63[^\"]\"%n", key, operator, value, &used) != 3)
			KQ_FAIL_NOW("no key, operator and value: %s", text);
		text += used;
		if (!strcmp(key, "KERNEL") && !strcmp(operator, "=="))
			rule.matches &= !strcmp(value, "kqueue");
		else if (!strcmp(key, "SUBSYSTEM") && !strcmp(operator, "=="))
			rule.matches &= !strcmp(value, subsystem);
		else if (!strcmp(key, "MODE") && !strcmp(operator, "="))
			snprintf(rule.mode, sizeof(rule.mode), "%s", value);
		else if (!strcmp(key, "GROUP") && !strcmp(operator, "="))
			snprintf(rule.group, sizeof(rule.group), "%s", value);
		else
			KQ_FAIL_NOW("unexpected: %s%s\"%s\"", key, operator, value);
		if (!*text)
			return rule;
		ASSERT_EQ(*text++, ',');
	}
}

KQ_TEST(shipped_rule, "", "the udev rule we ship is one that matches the node and keeps its mode")
{
	char text[4096], *rest = text, *line;
	int rules = 0;

	read_text(KQ_RULES, text, sizeof(text));
	while ((line = strsep(&rest, "\n"))) {
		struct rule rule;

		if (!*line || *line == '#')
			continue;
		rule = parse_rule(line);
		ASSERT_TRUE(rule.matches);
		ASSERT_EQ(strcmp(rule.mode, "0666"), 0);
		ASSERT_EQ(*rule.group, 0);
		rules++;
	}
	ASSERT_EQ(rules, 1);
}

/* The rule in a text, from its first key to the last quotation mark of the line. */
static void find_rule(const char *path, const char *before, char *found, size_t size)
{
	char text[65536], *start, *end;

	read_text(path, text, sizeof(text));
	start = strstr(text, before);
	if (!start)
		KQ_FAIL_NOW("%s: no %s", path, before);
	start += strcspn(start, "K");
	start[strcspn(start, "\n")] = 0;
	end = strrchr(start, '"');
	ASSERT_TRUE(end);
	end[1] = 0;
	snprintf(found, size, "%s", start);
}

KQ_TEST(documented_rule, "",
	"the rule for one group, in the README and in the shipped file, is one and fits the node")
{
	char readme[256], comment[256];
	struct rule rule;

	find_rule(KQ_README, "`KERNEL==", readme, sizeof(readme));
	find_rule(KQ_RULES, "#   KERNEL==", comment, sizeof(comment));
	ASSERT_EQ(strcmp(readme, comment), 0);
	rule = parse_rule(readme);
	ASSERT_TRUE(rule.matches);
	ASSERT_EQ(strcmp(rule.mode, "0660"), 0);
	ASSERT_EQ(strcmp(rule.group, "kqueue"), 0);
}
