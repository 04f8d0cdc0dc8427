/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the list of what a thread of the game can do, and what the files that do
 * it need of each other.
 */
#ifndef ACTIONS_H
#define ACTIONS_H

#include <signal.h>
#include <sys/event.h>

#include "game.h"

#define EVENTS	16	/* room of most calls */

/* crew.c */
void crew_start(void (*run)(struct thread *t));
bool crew_left(void);
void crew_kill(void);
void crew_end(void);

/* queues.c */
void act_register(struct thread *t);
void act_change(struct thread *t);
void act_batch(struct thread *t);
void act_trigger(struct thread *t);
void act_wait(struct thread *t);
void act_queue_open(struct thread *t);
void act_queue_close(struct thread *t);
void act_queue_dup(struct thread *t);
void act_queue_watched(struct thread *t);
void queue_open(int number);
void random_add(struct thread *t, struct kevent *kev);
unsigned long long missed_closes(void);

/* descriptors.c */
void act_io(struct thread *t);
void act_open(struct thread *t);
void act_tree_open(struct thread *t);
void act_close(struct thread *t);
void act_dup(struct thread *t);
void act_close_range(struct thread *t);
void act_connect(struct thread *t);
void publish(int fd, int number);
void descriptors_start(void);
void descriptors_end(void);

/* channel.c */
void act_send(struct thread *t);
void act_receive(struct thread *t);
void channels_start(void);
void channels_join(int process);
void channels_end(void);

/* garbage.c */
void act_words(struct thread *t);
void act_ioctl(struct thread *t);

/* pollers.c */
void act_poll(struct thread *t);
void act_select(struct thread *t);
void act_epoll(struct thread *t);
void act_fdinfo(struct thread *t);

/* uring.c */
void act_uring(struct thread *t);
void uring_end(struct thread *t);

/* families.c */
void act_fork(struct thread *t);
void act_vfork(struct thread *t);
void act_spawn(struct thread *t);
void act_share(struct thread *t);
void act_unshare(struct thread *t);
void act_exec(struct thread *t);
void family_executed(char **argv);

/* processes.c */
void act_process(struct thread *t);
void act_signal(struct thread *t);
uintptr_t game_pid(struct thread *t);
int game_signal(struct thread *t);
void reap(const char *what, pid_t pid);
void processes_start(void);
void processes_end(void);

/* tree.c */
void act_tree(struct thread *t);
void act_mount(struct thread *t);
int tree_open(struct thread *t);
void tree_start(void);
void tree_end(void);

#endif /* ACTIONS_H */
