/* SPDX-License-Identifier: MIT */
/* Owns how the parts of the demonstration speak: a line said, a check made, the verdict. */
#ifndef DEMO_H
#define DEMO_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for an emulated machine that is also busy; reached only by a failure. */
#define DEMO_PATIENCE_S 60

static int demo_failures;

/* Ends the program: what failed is not what the demonstration is about. */
static inline void die(const char *what)
{
    printf("  FAIL  %s: %s\n", what, strerror(errno));
    exit(1);
}

__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("        ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
}

__attribute__((format(printf, 2, 3))) static inline void check(int holds, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs(holds ? "  ok    " : "  FAIL  ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
    demo_failures += !holds;
}

/* The exit status of a part. */
static inline int demo_verdict(void)
{
    return demo_failures ? 1 : 0;
}

#endif
