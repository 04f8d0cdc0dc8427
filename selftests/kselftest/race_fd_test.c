// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the races of a knote's end with whatever else holds it: each way a
 * registration goes, while another thread stands at a point of the module where
 * it has the knote, its descriptor, or its place on a wait queue in hand.
 */
#include "kq_test.h"
#include "kq_race.h"
#include <sys/signalfd.h>

/* What is watched. It is ready, so that a scan has something to claim. */
struct object {
	const char *name;
	int filter;
	void (*open)(int fds[2]);	/* [0] is watched; NULL: a number of EVFILT_USER */
	bool peer;			/* who reads [1] sees the end of [0] */
};

static void open_pair(int fds[2])
{
	kq_unix_stream(fds);
	kq_write(fds[1], "x", 1);
}

static void open_file(int fds[2])
{
	fds[0] = ASSERT_SYS(open("/tmp", O_RDWR | O_TMPFILE, 0600));
	kq_write(fds[0], "x", 1);
	ASSERT_SYS(lseek(fds[0], 0, SEEK_SET));
	fds[1] = ASSERT_SYS(dup(fds[0]));
}

static void open_queue(int fds[2])
{
	fds[0] = kq_new();
	ASSERT_OK(kq_add(fds[0], 1, EVFILT_USER, EV_CLEAR, NOTE_TRIGGER, 0, NULL));
	fds[1] = fd_other_file();
}

static const struct object objects[] = {
	{ "socket", EVFILT_READ, open_pair, true },
	{ "file", EVFILT_READ, open_file, false },
	{ "vnode", EVFILT_VNODE, open_file, false },
	{ "queue", EVFILT_READ, open_queue, false },
	{ "user", EVFILT_USER, NULL, false },
};

/* One object, watched by one queue. */
struct scene {
	const struct object *object;
	int kq, fds[2];
	struct kevent add;
};

static void open_scene(struct scene *scene, const struct object *object)
{
	*scene = (struct scene){ .object = object, .kq = kq_new(), .fds = { 77, -1 } };
	if (object->open)
		object->open(scene->fds);
	EV_SET(&scene->add, scene->fds[0], object->filter, EV_ADD,
	       object->filter == EVFILT_VNODE ? NOTE_ATTRIB :
	       object->filter == EVFILT_USER ? NOTE_TRIGGER : 0, 0, NULL);
}

static void add_scene(const struct scene *scene)
{
	ASSERT_EQ(kevent(scene->kq, &scene->add, 1, NULL, 0, NULL), 0);
	if (scene->object->filter == EVFILT_VNODE)
		ASSERT_SYS(fchmod(scene->fds[1], 0640));
}

/* Whatever of it is open still. The file is not held by the module. */
static void close_scene(const struct scene *scene)
{
	if (scene->object->open) {
		close(scene->fds[0]);
		/* With a byte in it that nobody read. */
		if (scene->object->peer)
			ASSERT_ERRNO(read(scene->fds[1], &(char){ 0 }, 1), ECONNRESET);
		ASSERT_SYS(close(scene->fds[1]));
	}
	if (fd_is_open(scene->kq)) {
		fd_assert_no_missed(scene->kq);
		fd_assert_queue_works(scene->kq);
		ASSERT_SYS(close(scene->kq));
	}
}

/* The ways a registration ends. */
enum end { DELETED, CLOSED, QUEUE_CLOSED };

static int end_scene(const struct scene *scene, enum end end)
{
	switch (end) {
	case DELETED:
		return kq_del(scene->kq, scene->add.ident, scene->add.filter);
	case CLOSED:
		return close(scene->fds[0]) ? -errno : 0;
	case QUEUE_CLOSED:
		break;
	}
	return close(scene->kq) ? -errno : 0;
}

static bool can_end(const struct object *object, enum end end)
{
	return object->open || end != CLOSED;
}

/* The same, as a call of another thread. */
static void prepare_end(struct race_call *call, const struct scene *scene, enum end end)
{
	call->kq = scene->kq;
	call->change = scene->add;
	call->change.flags = EV_DELETE;
	call->fd = end == CLOSED ? scene->fds[0] : scene->kq;
	race_prepare(call, end == DELETED ? race_change : race_close);
}

/* A knote in flux. The results of the one who holds it, and of its end. */
enum { ANY = 1000 };

static const struct flux {
	const char *name;
	const char *point;
	int (*run)(struct race_call *call);
	unsigned int flags;		/* of the change */
	enum end end;
	int held, ended;
} fluxes[] = {
	{ "attach_delete", "attach", race_change, EV_ADD, DELETED, 0, 0 },
	{ "attach_close", "attach", race_change, EV_ADD, CLOSED, -EBADF, 0 },
	{ "attach_queue", "attach", race_change, EV_ADD, QUEUE_CLOSED, -EBADF, 0 },
	{ "settle_delete", "settle", race_change, EV_ADD, DELETED, 0, 0 },
	{ "settle_close", "settle", race_change, EV_ADD, CLOSED, -EBADF, 0 },
	{ "settle_queue", "settle", race_change, EV_ADD, QUEUE_CLOSED, -EBADF, 0 },
	{ "modify_delete", "modify", race_change, EV_ENABLE, DELETED, 0, 0 },
	{ "modify_close", "modify", race_change, EV_ENABLE, CLOSED, -EBADF, 0 },
	{ "modify_queue", "modify", race_change, EV_ENABLE, QUEUE_CLOSED, -EBADF, 0 },
	{ "drop_delete", "drop", race_change, EV_DELETE, DELETED, 0, ANY },
	{ "drop_close", "drop", race_change, EV_DELETE, CLOSED, 0, 0 },
	{ "drop_queue", "drop", race_change, EV_DELETE, QUEUE_CLOSED, 0, 0 },
	{ "scan_delete", "scan", race_scan, 0, DELETED, 1, 0 },
	{ "scan_close", "scan", race_scan, 0, CLOSED, 0, 0 },
	{ "scan_queue", "scan", race_scan, 0, QUEUE_CLOSED, ANY, 0 },
	{ "copied_delete", "copied", race_scan, 0, DELETED, 1, 0 },
	{ "copied_close", "copied", race_scan, 0, CLOSED, 1, 0 },
	{ "copied_queue", "copied", race_scan, 0, QUEUE_CLOSED, 1, 0 },
};

/* A second EV_DELETE finds nothing. A scan may be in time with its event, or not. */
static bool is_allowed(const struct flux *flux, int result)
{
	if (flux->run == race_scan)
		return result == 1 || result == -EBADF;
	return result == -ENOENT;
}

static void meet_in_flux(const struct object *object, const struct flux *flux)
{
	struct race_call call = { 0 };
	struct scene scene;
	int ended;

	open_scene(&scene, object);
	if (strcmp(flux->point, "attach") && strcmp(flux->point, "settle"))
		add_scene(&scene);
	call.kq = scene.kq;
	call.change = scene.add;
	call.change.flags = flux->flags;
	race_prepare(&call, flux->run);
	/* EV_DELETE waits for the knote, the other two leave it to who holds it. */
	if (flux->end == DELETED)
		race_arm_until(flux->point, "flux_wait", 0);
	else
		race_arm(flux->point);
	race_go_to(&call, flux->point);
	ended = end_scene(&scene, flux->end);
	if (flux->end != DELETED) {
		race_assert_inside(flux->point);
		ASSERT_FALSE(call.done);
		race_release(flux->point);
	}
	race_join(&call);
	race_assert_met(flux->point);
	kq_diag("%s: %d, %d", object->name, call.result, ended);
	if (flux->held == ANY)
		ASSERT_TRUE(is_allowed(flux, call.result));
	else
		ASSERT_EQ(call.result, flux->held);
	if (flux->ended == ANY)
		ASSERT_EQ(ended, -ENOENT);
	else
		ASSERT_EQ(ended, flux->ended);
	if (flux->end != QUEUE_CLOSED) {
		kq_fence(scene.kq);
		ASSERT_ERR(kq_del(scene.kq, scene.add.ident, scene.add.filter),
			   flux->end == CLOSED ? EBADF : ENOENT);
	}
	close_scene(&scene);
}

KQ_TEST_EACH(knote_in_flux, "KQ-090 KQ-103 KQ-246",
	     "a knote another thread has in hand ends once, and whoever has it is told", fluxes)
{
	race_begin();
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (can_end(&objects[i], variant->end))
			meet_in_flux(&objects[i], variant);
	race_end();
}

KQ_TEST(two_first_changes, "KQ-246",
	"the second filter of a descriptor waits for the first one's poll, both then report")
{
	struct race_call call = { 0 };
	struct scene scene;

	race_begin();
	open_scene(&scene, &objects[0]);
	call.kq = scene.kq;
	call.change = scene.add;
	race_prepare(&call, race_change);
	race_arm_until("attach", "flux_wait", 0);
	race_go_to(&call, "attach");
	ASSERT_OK(kq_add(scene.kq, scene.fds[0], EVFILT_WRITE, 0, 0, 0, NULL));
	ASSERT_EQ(race_join(&call), 0);
	race_assert_met("attach");
	ASSERT_EQ(kq_poll(scene.kq, (struct kevent[4]){ 0 }, 4), 2);
	close_scene(&scene);
	race_end();
}

KQ_TEST(event_while_copied, "KQ-081",
	"what comes between the copy of an EV_CLEAR event and its end is told by the next call")
{
	struct race_call call = { 0 };
	struct scene scene;

	race_begin();
	open_scene(&scene, &objects[0]);
	scene.add.flags |= EV_CLEAR;
	add_scene(&scene);
	call.kq = scene.kq;
	race_prepare(&call, race_scan);
	race_arm("copied");
	race_go_to(&call, "copied");
	kq_write(scene.fds[1], "yz", 2);
	kq_none(scene.kq);
	ASSERT_EQ(race_finish(&call, "copied"), 1);
	ASSERT_EQ(call.change.data, 1);
	ASSERT_EQ(kq_one(scene.kq).data, 3);
	kq_none(scene.kq);
	close_scene(&scene);
	race_end();
}

/* The close hook is on its way: the slot is empty, nothing else has happened. */

static const struct late {
	const char *name;
	enum end end;
	bool reused;	/* the number names another file by then, and is watched */
} lates[] = {
	{ "delete", DELETED, false },
	{ "queue", QUEUE_CLOSED, false },
	{ "reused", CLOSED, true },
};

static void meet_late(const struct object *object, const struct late *late)
{
	struct race_call call = { 0 };
	struct scene scene;
	int fds[2];

	open_scene(&scene, object);
	add_scene(&scene);
	prepare_end(&call, &scene, CLOSED);
	kq_unix_stream(fds);
	race_arm("close");
	race_go_to(&call, "close");
	kq_none(scene.kq);
	if (late->reused) {
		fds[0] = fd_move(fds[0], scene.fds[0]);
		ASSERT_OK(kq_add(scene.kq, fds[0], EVFILT_READ, 0, 0, 0, (void *)1));
	} else if (late->end == DELETED) {
		ASSERT_ERR(kq_ctl(scene.kq, scene.fds[0], scene.add.filter, EV_ENABLE, 0, 0, NULL),
			   EBADF);
		ASSERT_ERR(end_scene(&scene, DELETED), EBADF);
		ASSERT_ERR(kq_add(scene.kq, scene.fds[0], EVFILT_READ, 0, 0, 0, NULL), EBADF);
	} else {
		ASSERT_OK(end_scene(&scene, late->end));
	}
	race_assert_inside("close");
	ASSERT_EQ(race_finish(&call, "close"), 0);
	if (late->reused) {
		kq_write(fds[1], "abcd", 4);
		ASSERT_EVENT(kq_one(scene.kq), fds[0], EVFILT_READ, EV_ADD, 0, 4, (void *)1);
	}
	close(fds[0]);
	ASSERT_SYS(close(fds[1]));
	close_scene(&scene);
}

KQ_TEST_EACH(close_on_its_way, "KQ-087 KQ-090",
	     "a change that meets an empty slot takes the close hook's place, which finds nothing", lates)
{
	race_begin();
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (objects[i].open)
			meet_late(&objects[i], variant);
	race_end();
}

/* One has ended the registration and not taken it down yet when another one comes. */
static const struct pair {
	const char *name;
	enum end first, second;
	int result;
} pairs[] = {
	{ "delete_close", DELETED, CLOSED, 0 },
	{ "delete_queue", DELETED, QUEUE_CLOSED, 0 },
	{ "close_delete", CLOSED, DELETED, -EBADF },
	{ "close_queue", CLOSED, QUEUE_CLOSED, 0 },
	{ "queue_close", QUEUE_CLOSED, CLOSED, 0 },
};

static void meet_teardown(const struct object *object, const struct pair *pair)
{
	struct race_call call = { 0 };
	struct scene scene;

	open_scene(&scene, object);
	/* Of VNODE the last knote goes first, its descriptor then. */
	add_scene(&scene);
	prepare_end(&call, &scene, pair->first);
	race_arm("teardown");
	race_go_to(&call, "teardown");
	ASSERT_EQ(end_scene(&scene, pair->second), pair->result);
	race_assert_inside("teardown");
	race_let_free();
	ASSERT_EQ(race_finish(&call, "teardown"), 0);
	close_scene(&scene);
}

KQ_TEST_EACH(ends_meet, "KQ-090 KQ-103",
	     "of two ends of a registration one takes it down, with all it needs", pairs)
{
	race_begin();
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (objects[i].open)
			meet_teardown(&objects[i], variant);
	race_end();
}

/* A wait queue calls just now. */

static const struct {
	const char *name;
	enum end end;
} ends[] = {
	{ "delete", DELETED },
	{ "close", CLOSED },
	{ "queue", QUEUE_CLOSED },
};

KQ_TEST_EACH(wakeup_runs, "KQ-090 KQ-103 KQ-247",
	     "no end returns while a wait queue calls for what it ends", ends)
{
	struct race_call call = { 0 };
	struct scene scene;

	race_begin();
	open_scene(&scene, &objects[0]);
	add_scene(&scene);
	call.fd = scene.fds[1];
	race_prepare(&call, race_write);
	race_arm_until("wake", "teardown", RACE_LINGER);
	race_go_to(&call, "wake");
	ASSERT_OK(end_scene(&scene, variant->end));
	race_assert_met("wake");
	ASSERT_EQ(race_join(&call), 1);
	close_scene(&scene);
	race_end();
}

static int trigger_inner(struct race_call *call)
{
	return kq_trigger(call->fd, 1);
}

KQ_TEST_EACH(inner_wakeup_runs, "KQ-103",
	     "no end returns while a watched queue calls for what it ends", ends)
{
	struct race_call call = { 0 };
	struct scene scene;

	race_begin();
	open_scene(&scene, &objects[3]);
	ASSERT_EQ(kq_one(scene.fds[0]).ident, 1);
	add_scene(&scene);
	/* By another number: this one may be closed before the call returns. */
	call.fd = ASSERT_SYS(dup(scene.fds[0]));
	race_prepare(&call, trigger_inner);
	race_arm_until("wake", "teardown", RACE_LINGER);
	race_go_to(&call, "wake");
	ASSERT_OK(end_scene(&scene, variant->end));
	race_assert_met("wake");
	ASSERT_EQ(race_join(&call), 0);
	ASSERT_SYS(close(call.fd));
	close_scene(&scene);
	race_end();
}

/* POLLFREE: the wait queue of a signalfd goes with the process that registered it. */

static void open_dying(struct scene *scene, struct race_call *reaper)
{
	static const struct object object = { "signalfd", EVFILT_READ, open_file, false };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	open_scene(scene, &object);
	ASSERT_SYS(close(scene->fds[0]));
	ASSERT_EQ(ASSERT_SYS(signalfd(-1, &set, SFD_NONBLOCK)), scene->fds[0]);
	/* A process with the same descriptors but signal handlers of its own. */
	reaper->child = ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL,
						  NULL, NULL));
	if (!reaper->child) {
		add_scene(scene);
		_exit(0);
	}
	ASSERT_SYS(waitid(P_PID, reaper->child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
}

KQ_TEST_EACH(wait_queue_dies, "KQ-090 KQ-136",
	     "no end returns while the wait queue it leaves tells that it dies", ends)
{
	struct race_call reaper = { 0 };
	struct scene scene;

	race_begin();
	open_dying(&scene, &reaper);
	race_prepare(&reaper, race_reap);
	race_arm_until("pollfree", "teardown", RACE_LINGER);
	race_go_to(&reaper, "pollfree");
	ASSERT_OK(end_scene(&scene, variant->end));
	race_assert_met("pollfree");
	ASSERT_EQ(race_join(&reaper), 0);
	close_scene(&scene);
	race_end();
}

KQ_TEST_EACH(wait_queue_died, "KQ-090 KQ-136",
	     "an end that comes after the death of a wait queue leaves it alone", ends)
{
	struct race_call reaper = { 0 }, call = { 0 };
	struct scene scene;

	race_begin();
	open_dying(&scene, &reaper);
	prepare_end(&call, &scene, variant->end);
	race_arm("teardown");
	race_go_to(&call, "teardown");
	ASSERT_EQ(race_reap(&reaper), 0);
	ASSERT_EQ(race_count("pollfree", "reached"), 1);
	race_assert_inside("teardown");
	race_let_free();
	ASSERT_EQ(race_finish(&call, "teardown"), 0);
	close_scene(&scene);
	race_end();
}
