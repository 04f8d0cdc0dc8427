// SPDX-License-Identifier: MIT
//
// The built libkq.so.1 and its installation: what it exports, imports and
// needs, and that programs find it the way programs look for kqueue.
#include "command.hpp"

#include <cerrno>
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <sys/event.h>
#include <unistd.h>

namespace
{

const std::string so = KQ_LIB "/libkq.so.1";

std::set<std::string> words(const std::string &text)
{
    std::istringstream stream(text);
    std::set<std::string> result;

    for (std::string word; stream >> word;)
        result.insert(word);
    return result;
}

bool have_device()
{
    return access("/dev/kqueue", F_OK) == 0;
}

TEST(Library, exports_the_four_functions_with_their_version)
{
    const command run("nm -D --defined-only " + so + " | awk '$2 != \"A\" { print $3 }'");

    EXPECT_EQ(words(run.output), (std::set<std::string>{"kqueue@@KQ_1.0", "kqueue1@@KQ_1.0",
                                                        "kqueuex@@KQ_1.0", "kevent@@KQ_1.0"}))
        << run.output;
}

TEST(Library, soname_and_needed)
{
    const command soname("readelf -d " + so + " | sed -n 's/.*soname: \\[\\(.*\\)\\]/\\1/p'");
    const command needed("readelf -d " + so + " | sed -n 's/.*NEEDED.*\\[\\(.*\\)\\]/\\1/p'");

    EXPECT_EQ(soname.output, "libkq.so.1\n");
    for (const std::string &name : words(needed.output))
        EXPECT_TRUE(name.starts_with("libc.")) << name;
}

// Everything it asks of the C library, by name: no poll, no thread, no file of
// its own can hide behind this list.
TEST(Library, imports_nothing_but_these)
{
    const std::set<std::string> allowed = {"__cxa_finalize",
                                           "_ITM_deregisterTMCloneTable",
                                           "_ITM_registerTMCloneTable",
                                           "__gmon_start__",
                                           "__errno_location",
                                           "__libc_single_threaded",
                                           "__pthread_unwind_next",
                                           "__pthread_register_cancel",
                                           "__pthread_unregister_cancel",
                                           "_pthread_cleanup_push",
                                           "_pthread_cleanup_pop",
                                           "__sigsetjmp",
                                           "sigsetjmp",
                                           "_setjmp",
                                           "clock_gettime",
                                           "ioctl",
                                           "pthread_setcanceltype",
                                           "pthread_testcancel",
                                           "syscall",
                                           "__stack_chk_fail"};
    const command run("nm -D --undefined-only " + so +
                      " | awk '{ sub(/@.*/, \"\", $2); print $2 }'");

    for (const std::string &name : words(run.output))
        EXPECT_TRUE(allowed.contains(name)) << name;
}

TEST(Library, autoconf_style_probe_links)
{
    const std::string source = KQ_BUILD "/conftest.c", program = KQ_BUILD "/conftest";

    for (const char *name : {"kqueue", "kevent", "kqueue1", "kqueuex"}) {
        const command run("echo 'char " + std::string(name) + "(); int main(void) { return " +
                          name + "(); }' > " + source + "; gcc -std=gnu17 -fno-builtin -o " +
                          program + " " + source + " -L" KQ_LIB " -lkq -Wl,-rpath," KQ_LIB);
        EXPECT_EQ(run.status, 0) << run.output;
    }
}

TEST(Library, static_library_links_into_a_c_program)
{
    const std::string source = KQ_BUILD "/static.c", program = KQ_BUILD "/static";
    const command run("echo '#include <sys/event.h>\nint main(void) { return kqueue() < 0 ?"
                      " 0 * kevent(-1, 0, 0, 0, 0, 0) : 0; }' > " +
                      source + "; gcc -static -I" KQ_TOP "/lib/include -o " + program + " " +
                      source + " " KQ_LIB "/libkq.a && " + program);
    EXPECT_EQ(run.status, 0) << run.output;
}

TEST(Library, installs_is_found_by_pkg_config_and_uninstalls)
{
    const std::string root = KQ_BUILD "/root",
                      make = "env -u MAKEFLAGS -u MFLAGS make -s --no-print-directory -C " KQ_TOP
                             "/lib BUILD=" KQ_LIB "-install PREFIX=/usr DESTDIR=" +
                             root + " LIBDIR=/usr/lib/somewhere ";
    const command install("rm -rf " + root + "; " + make + "install");

    ASSERT_EQ(install.status, 0) << install.output;
    const std::string header = root + "/usr/include/kqueue/sys/event.h";
    EXPECT_EQ(access(header.c_str(), R_OK), 0);
    EXPECT_EQ(access((root + "/usr/include/kqueue/kq/kq.hpp").c_str(), R_OK), 0);
    EXPECT_EQ(access((root + "/usr/lib/somewhere/libkq.so").c_str(), R_OK), 0);
    EXPECT_EQ(access((root + "/usr/lib/somewhere/kq-compat/libkqueue.so.0").c_str(), R_OK), 0);
    EXPECT_EQ(access((root + "/usr/share/man/man2/kevent.2").c_str(), R_OK), 0);
    if (have("pkg-config")) {
        const command use(
            "export PKG_CONFIG_SYSROOT_DIR=" + root + " PKG_CONFIG_LIBDIR=" + root +
            "/usr/lib/somewhere/pkgconfig; test \"$(pkg-config --modversion libkq)\" ="
            " \"$(cat " KQ_TOP "/VERSION)\" && gcc -o " KQ_BUILD "/installed"
            " $(pkg-config --cflags libkq) " KQ_BUILD "/static.c"
            " $(pkg-config --libs libkq)");
        EXPECT_EQ(use.status, 0) << use.output;
    }
    const command uninstall(make + "uninstall; find " + root + " ! -type d");
    EXPECT_EQ(uninstall.output, "");
    EXPECT_NE(access((root + "/usr/lib/somewhere/kq-compat").c_str(), F_OK), 0);
}

// A program linked with libkqueue names libkqueue.so.0 and symbols without a
// version; the stub it is linked with here ends it. What it then does with a
// queue is shown by selftests/kselftest/libkqueue_test.c.
TEST(Library, stands_in_for_libkqueue)
{
    const std::string dir = KQ_BUILD "/dropin", program = dir + "/program";
    const command build("set -e; mkdir -p " + dir + "; cd " + dir +
                        R"(
        gcc -w -shared -fPIC -Wl,-soname,libkqueue.so.0 -o libkqueue.so )" KQ_TOP
                        R"(/selftests/kselftest/libkqueue_stub.c
        ln -sf libkqueue.so libkqueue.so.0
        gcc -xc -o program - -L. -lkqueue << END
            #include <errno.h>
            int kqueue(void), kevent(int, void *, int, void *, int, void *);
            int main(void)
            {
                if (kqueue() < 0 && errno != ENOSYS)
                    return 1;
                return kevent(-1, 0, 0, 0, 0, 0) != -1 || errno != EBADF;
            }
END
    )");
    ASSERT_EQ(build.status, 0) << build.output;
    const command stub("LD_LIBRARY_PATH=" + dir + " " + program);
    EXPECT_NE(stub.status, 0) << "the program does not use its library";
    const command ours("LD_BIND_NOW=1 LD_LIBRARY_PATH=" KQ_LIB "/kq-compat " + program);
    EXPECT_EQ(ours.status, 0) << ours.output;
    EXPECT_EQ(ours.output, "");
}

// Where time_t can have two sizes there is a kevent() for each, and the header
// picks the right one.
TEST(Library, KQ001_32_bit_library_serves_both_sizes_of_time_t)
{
    if (command("echo '#include <stdint.h>' | gcc -m32 -x c -fsyntax-only -").status)
        GTEST_SKIP() << "the compiler has no 32-bit C library";

    const std::string lib = KQ_LIB "-32", object = KQ_BUILD "/time.o";
    const command build("env -u MAKEFLAGS -u MFLAGS make -s -C " KQ_TOP "/lib CFLAGS='-O2 -m32'"
                        " CXXFLAGS='-O2 -m32' BUILD=" +
                        lib);
    ASSERT_EQ(build.status, 0) << build.output;
    const command run("nm -D --defined-only " + lib +
                      "/libkq.so.1 | awk '$2 != \"A\" { print $3 }'");
    EXPECT_EQ(words(run.output),
              (std::set<std::string>{"kqueue@@KQ_1.0", "kqueue1@@KQ_1.0", "kqueuex@@KQ_1.0",
                                     "kevent@@KQ_1.0", "__kevent_time64@@KQ_1.0"}));

    for (const auto &[flags, symbol] :
         {std::pair{"", "kevent"}, {"-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64", "__kevent_time64"}}) {
        const command use(std::string("gcc -m32 ") + flags + " -I" KQ_TOP "/lib/include -c -o " +
                          object + " " KQ_HERE "probe.c && nm -u " + object);
        EXPECT_TRUE(words(use.output).contains(symbol)) << use.output;
        EXPECT_FALSE(words(use.output).contains(*flags ? "kevent" : "__kevent_time64"));
    }
}

TEST(Library, manual_pages_have_no_warnings)
{
    if (!have("groff"))
        GTEST_SKIP() << "no groff";
    const command run("for f in " KQ_TOP "/lib/man/*; do groff -mandoc -ww -z $f; done");
    EXPECT_EQ(run.output, "");
}

TEST(Library, same_symbols_through_dlsym)
{
    void *handle = dlopen(so.c_str(), RTLD_NOW);

    ASSERT_NE(handle, nullptr) << dlerror();
    for (const char *name : {"kqueue", "kqueue1", "kqueuex", "kevent"})
        EXPECT_NE(dlvsym(handle, name, "KQ_1.0"), nullptr) << name;
    dlclose(handle);
}

TEST(Library, kqueue_without_the_module_is_ENOSYS)
{
    if (have_device())
        GTEST_SKIP() << "/dev/kqueue exists";
    errno = 0;
    EXPECT_EQ(kqueue(), -1);
    EXPECT_EQ(errno, ENOSYS);
    EXPECT_EQ(kqueue1(O_CLOEXEC), -1);
    EXPECT_EQ(errno, ENOSYS);
    EXPECT_EQ(kqueuex(KQUEUE_CLOEXEC), -1);
    EXPECT_EQ(errno, ENOSYS);
}

TEST(Library, KQ013_unknown_flags_are_EINVAL_without_the_module_too)
{
    for (int flag : {1, O_RDWR, O_APPEND, O_TRUNC, -1}) {
        errno = 0;
        EXPECT_EQ(kqueue1(flag), -1) << flag;
        EXPECT_EQ(errno, EINVAL) << flag;
    }
    for (unsigned flag : {4u, 8u, 0x80000000u, ~0u, unsigned{O_CLOEXEC}}) {
        errno = 0;
        EXPECT_EQ(kqueuex(flag), -1) << flag;
        EXPECT_EQ(errno, EINVAL) << flag;
    }
}

TEST(Library, KQ015_closed_descriptor_is_EBADF)
{
    struct kevent room;

    for (int fd : {-1, 1000000}) {
        errno = 0;
        EXPECT_EQ(kevent(fd, nullptr, 0, nullptr, 0, nullptr), -1);
        EXPECT_EQ(errno, EBADF);
        errno = 0;
        EXPECT_EQ(kevent(fd, nullptr, 0, &room, 1, nullptr), -1);
        EXPECT_EQ(errno, EBADF);
    }
}

TEST(Library, KQ016_pipe_file_and_terminal_are_EBADF)
{
    struct kevent room;
    int pipes[2];

    ASSERT_EQ(pipe(pipes), 0);
    const int fds[] = {pipes[0],
                       pipes[1],
                       open("/dev/null", O_RDWR),
                       open("/dev/ptmx", O_RDWR),
                       open("/", O_RDONLY),
                       open(so.c_str(), O_RDONLY),
                       open("/dev/zero", O_PATH)};
    for (int fd : fds) {
        errno = 0;
        EXPECT_EQ(kevent(fd, nullptr, 0, &room, 1, nullptr), -1);
        EXPECT_EQ(errno, EBADF) << fd;
        close(fd);
    }
}

} // namespace
