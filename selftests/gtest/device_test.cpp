// SPDX-License-Identifier: MIT
//
// kqueue(), kqueue1(), kqueuex() against a fake kernel: how the device is
// opened, what a queue is recognised by, every errno.
#include "fake_kernel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/event.h>
#include <vector>

namespace
{

constexpr int some_fd = 700;

// The library looks at the module's version once per process, so each test runs
// as a process of its own: EXPECT_EXIT with the outcome as its status.
class Device : public testing::Test
{
protected:
    void SetUp() override
    {
        fake = {};
        fake.open = [this](const char *path, int flags) -> long {
            paths.push_back(path);
            open_flags.push_back(flags);
            return open_result;
        };
        fake.close = [this](int fd) -> long {
            closed.push_back(fd);
            return 0;
        };
        fake.info = [this](int, kq_info &info) -> long {
            infos++;
            if (info_result < 0)
                return info_result;
            info.stamp = stamp;
            info.abi_version = version;
            return 0;
        };
    }
    void TearDown() override { fake = {}; }

    // errno of the call, 0 for success.
    static int outcome(int result, int expected_fd = some_fd)
    {
        return result == expected_fd ? 0 : result == -1 ? errno : 255;
    }

    std::vector<std::string> paths;
    std::vector<int> open_flags, closed;
    int infos = 0;
    long open_result = some_fd, info_result = 0;
    __u32 stamp = KQ_STAMP, version = KQ_ABI_VERSION;
};

#define EXPECT_OUTCOME(statement, status)                                                          \
    EXPECT_EXIT(statement, testing::ExitedWithCode(status), "")

using DeviceDeathTest = Device;

TEST_F(DeviceDeathTest, KQ011_opens_the_device_for_reading_and_writing)
{
    EXPECT_OUTCOME(
        {
            const int result = outcome(kqueue());
            const bool good = paths == std::vector<std::string>{"/dev/kqueue"} &&
                              open_flags == std::vector<int>{O_RDWR | O_NOCTTY} && closed.empty();
            exit(good ? result : 254);
        },
        0);
}

TEST_F(DeviceDeathTest, KQ012_close_on_exec_only_when_asked)
{
    EXPECT_OUTCOME(
        {
            kqueue();
            kqueue1(0);
            kqueuex(0);
            kqueue1(O_CLOEXEC);
            kqueuex(KQUEUE_CLOEXEC);
            kqueue1(O_CLOEXEC | O_NONBLOCK);
            constexpr int base = O_RDWR | O_NOCTTY;
            exit(open_flags == std::vector<int>{base, base, base, base | O_CLOEXEC,
                                                base | O_CLOEXEC, base | O_CLOEXEC | O_NONBLOCK}
                     ? 0
                     : 254);
        },
        0);
}

TEST_F(DeviceDeathTest, version_is_asked_once_per_process)
{
    EXPECT_OUTCOME(
        {
            kqueue();
            kqueue();
            kqueue();
            exit(infos);
        },
        1);
}

TEST_F(DeviceDeathTest, newer_module_is_accepted)
{
    version = KQ_ABI_VERSION + 7;
    EXPECT_OUTCOME(exit(outcome(kqueue())), 0);
}

TEST_F(DeviceDeathTest, older_module_is_ENOSYS_and_the_descriptor_is_closed)
{
    version = 0;
    EXPECT_OUTCOME(
        {
            const int result = outcome(kqueue());
            exit(closed == std::vector<int>{some_fd} ? result : 254);
        },
        ENOSYS);
}

TEST_F(DeviceDeathTest, foreign_device_that_refuses_is_ENOSYS)
{
    info_result = -ENOTTY;
    EXPECT_OUTCOME(
        {
            const int result = outcome(kqueue());
            exit(closed == std::vector<int>{some_fd} ? result : 254);
        },
        ENOSYS);
}

TEST_F(DeviceDeathTest, foreign_device_that_answers_anything_is_ENOSYS)
{
    stamp = 0;
    EXPECT_OUTCOME(exit(outcome(kqueue())), ENOSYS);
}

TEST_F(DeviceDeathTest, module_loaded_later_is_found)
{
    EXPECT_OUTCOME(
        {
            open_result = -ENOENT;
            if (outcome(kqueue()) != ENOSYS)
                exit(254);
            open_result = some_fd;
            exit(outcome(kqueue()));
        },
        0);
}

TEST_F(DeviceDeathTest, interrupted_open_is_repeated)
{
    int left = 3;
    fake.open = [&](const char *, int) -> long { return left-- ? -EINTR : some_fd; };
    EXPECT_OUTCOME(exit(outcome(kqueue())), 0);
}

TEST_F(DeviceDeathTest, errno_is_untouched_on_success)
{
    EXPECT_OUTCOME(
        {
            errno = 77;
            kqueue();
            exit(errno);
        },
        77);
}

TEST_F(Device, KQ014_errno_of_a_failed_open)
{
    const struct {
        int kernel, ours;
    } rows[] = {
        {ENOENT, ENOSYS}, {ENXIO, ENOSYS}, {ENODEV, ENOSYS}, {ENOTDIR, ENOSYS}, {EISDIR, ENOSYS},
        {EACCES, EACCES}, {EPERM, EACCES}, {EMFILE, EMFILE}, {ENFILE, ENFILE},  {ENOMEM, ENOMEM},
    };
    for (const auto &row : rows) {
        open_result = -row.kernel;
        errno = 0;
        EXPECT_EQ(kqueue(), -1) << row.kernel;
        EXPECT_EQ(errno, row.ours) << row.kernel;
    }
    EXPECT_EQ(infos, 0);
}

TEST_F(DeviceDeathTest, copied_queue_is_set_up)
{
    EXPECT_OUTCOME(
        {
            __u32 asked = 0;
            fake.setup = [&](int fd, kq_setup &setup) -> long {
                asked = fd == some_fd && !setup.reserved ? setup.flags : 0;
                return 0;
            };
            const int fd = kqueuex(KQUEUE_CPONFORK | KQUEUE_CLOEXEC);
            const bool right = asked == KQ_SETUP_CPONFORK && closed.empty() &&
                               open_flags[0] == (O_RDWR | O_NOCTTY | O_CLOEXEC);
            exit(right ? outcome(fd) : 254);
        },
        0);
}

TEST_F(DeviceDeathTest, copied_queue_that_cannot_be_is_closed)
{
    for (const int error : {EINVAL, ENOTTY, EBADF})
        EXPECT_OUTCOME(
            {
                fake.setup = [&](int, kq_setup &) -> long { return -error; };
                const int result = outcome(kqueuex(KQUEUE_CPONFORK));
                exit(closed == std::vector<int>{some_fd} ? result : 254);
            },
            EINVAL);
}

TEST_F(Device, KQ013_unknown_flags_open_nothing)
{
    errno = 0;
    EXPECT_EQ(kqueue1(O_CLOEXEC | O_APPEND), -1);
    EXPECT_EQ(errno, EINVAL);
    errno = 0;
    EXPECT_EQ(kqueuex(KQUEUE_CLOEXEC | 4), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_TRUE(paths.empty());
}

} // namespace
