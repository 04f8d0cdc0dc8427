// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the number that a supervisor replaces: a seccomp listener may put a file
 * over a descriptor of the process it supervises, which closes what was there.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#ifndef SECCOMP_ADDFD_FLAG_SETFD
#define SECCOMP_ADDFD_FLAG_SETFD	1
#endif

/* getppid(2) asks the supervisor; every other call passes. */
static int supervise(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };
	int fd;

	ASSERT_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (fd < 0)
		KQ_SKIP("no seccomp listener here");
	return fd;
}

/* Answers one question with a file put over a number. */
static void answer(int listener, int file, int number)
{
	static char space[4096];
	struct seccomp_notif *question = (void *)space;
	struct seccomp_notif_resp reply = { 0 };
	struct seccomp_notif_addfd put = {
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)file, .newfd = (uint32_t)number,
	};

	ASSERT_SYS(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, question));
	put.id = question->id;
	reply.id = question->id;
	ASSERT_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &put), number);
	ASSERT_SYS(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply));
}

/*
 * Not with the same open file: nothing then tells the module which number the
 * replaced reference had, and the slot holds what it held before.
 */
KQ_TEST(replaced_from_outside, "KQ-082 KQ-085",
	"a file put over a watched number by a supervisor removes its knotes")
{
	volatile int *listener = mmap(NULL, getpagesize(),
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int kq = kq_new(), fds[2], file;
	pid_t supervisor;

	ASSERT_TRUE(listener != MAP_FAILED);
	kq_unix_stream(fds);
	file = fd_other_file();
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	*listener = -1;
	/* Shares the table, and with it the listener, but not the filter. */
	supervisor = ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD,
					       NULL, NULL, NULL, NULL));
	if (!supervisor) {
		while (*listener < 0)
			sched_yield();
		answer(*listener, file, fds[0]);
		_exit(0);
	}
	*listener = supervise();
	ASSERT_SYS(syscall(SYS_getppid));
	kq_reap(supervisor);
	fd_assert_eof(fds[1]);
	fd_assert_unregistered(kq, fds[0]);
	fd_assert_no_missed(kq);
}
