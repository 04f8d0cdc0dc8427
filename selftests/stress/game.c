// SPDX-License-Identifier: GPL-2.0
/* Owns the memory common to all processes of the game, and how a defect is told. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "game.h"

struct game *game;

void game_start(void)
{
	game = mmap(NULL, sizeof(*game), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (game == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

/* From children of threads too: without the locks of the C library's streams. */
void defect(const char *what, const char *format, ...)
{
	char text[512];
	va_list list;
	int length;

	if (atomic_fetch_add(&game->defects, 1) >= 20)
		return;
	length = snprintf(text, 200, "# defect: %s: ", what);
	va_start(list, format);
	length += vsnprintf(text + length, 300, format, list);
	va_end(list);
	if (length > (int)sizeof(text) - 1)
		length = sizeof(text) - 1;
	text[length++] = '\n';
	if (write(STDOUT_FILENO, text, (size_t)length) != length)
		_exit(1);
}
