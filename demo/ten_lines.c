/* SPDX-License-Identifier: MIT */
/* Owns the smallest complete program: a queue, a timer, its event. */
#include <stdio.h>
#include <sys/event.h>

int main(void)
{
    struct kevent event;
    int kq = kqueue();

    EV_SET(&event, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 250, NULL);
    if (kq < 0 || kevent(kq, &event, 1, &event, 1, NULL) != 1)
        return perror("kqueue"), 1;
    printf("timer %d fired %d time\n", (int)event.ident, (int)event.data);
}
