// SPDX-License-Identifier: MIT
//
// Owns part 2: Debian's asio, unmodified, with its own kqueue reactor, on Linux.
//
// The reactor is chosen by macros on the command line, the headers are those of the package. What
// runs on it: an acceptor that is registered before it listens, a server with
// asynchronous echo sessions and 200 clients, timers, and posts from another thread.
#include <algorithm>
#include <array>
#include <asio.hpp>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "demo.h"

#if !defined(ASIO_HAS_KQUEUE) || defined(ASIO_HAS_EPOLL) || defined(ASIO_HAS_IO_URING_AS_DEFAULT)
#error "asio has chosen another reactor"
#endif
static_assert(std::is_same_v<asio::detail::reactor, asio::detail::kqueue_reactor>);

namespace
{

using asio::ip::tcp;
using error = asio::error_code;

constexpr int clients = 200;
constexpr int posts = 500;

const tcp::endpoint any_port{asio::ip::address_v4::loopback(), 0};

// Open files of this process whose name contains text.
int open_files(std::string_view text)
{
    int count = 0;
    for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the directory's own descriptor
        const std::string name = std::filesystem::read_symlink(entry, gone).string();
        count += name.find(text) != std::string::npos;
    }
    return count;
}

std::string message_of(int client)
{
    std::string text = "client " + std::to_string(client) + " says ";
    while (text.size() < 700)
        text += static_cast<char>('a' + (text.size() + static_cast<std::size_t>(client)) % 26);
    return text;
}

// The end of everything if something never happens; said as a failed check, not by hanging.
class watchdog
{
public:
    explicit watchdog(asio::io_context &context) : timer_(context)
    {
        timer_.expires_after(std::chrono::seconds(DEMO_PATIENCE_S));
        timer_.async_wait([&context](error e) {
            if (!e) {
                check(false, "everything has happened in time");
                context.stop();
            }
        });
    }
    void cancel() { timer_.cancel(); }

private:
    asio::steady_timer timer_;
};

class session : public std::enable_shared_from_this<session>
{
public:
    explicit session(tcp::socket socket) : socket_(std::move(socket)) {}

    void read()
    {
        socket_.async_read_some(asio::buffer(buffer_),
                                [self = shared_from_this()](error e, std::size_t got) {
                                    if (!e)
                                        self->write(got);
                                });
    }

private:
    void write(std::size_t size)
    {
        asio::async_write(socket_, asio::buffer(buffer_, size),
                          [self = shared_from_this()](error e, std::size_t) {
                              if (!e)
                                  self->read();
                          });
    }

    tcp::socket socket_;
    std::array<char, 256> buffer_{}; // less than a message: several turns for each
};

class server
{
public:
    explicit server(tcp::acceptor &acceptor) : acceptor_(acceptor) {}

    void accept()
    {
        acceptor_.async_accept([this](error e, tcp::socket socket) {
            if (e)
                return;
            accepted_++;
            std::make_shared<session>(std::move(socket))->read();
            accept();
        });
    }
    int accepted() const { return accepted_; }

private:
    tcp::acceptor &acceptor_;
    int accepted_ = 0;
};

// Connects, writes, reads the same number of bytes, compares.
class client : public std::enable_shared_from_this<client>
{
public:
    using done = std::function<void(bool)>;

    client(asio::io_context &context, int number, done when_done)
        : socket_(context), sent_(message_of(number)), heard_(sent_.size(), '\0'),
          done_(std::move(when_done))
    {
    }

    void start(const tcp::endpoint &endpoint)
    {
        socket_.async_connect(endpoint, [self = shared_from_this()](error e) {
            if (e)
                return self->done_(false);
            self->exchange();
        });
    }

private:
    void exchange()
    {
        asio::async_write(socket_, asio::buffer(sent_),
                          [self = shared_from_this()](error e, std::size_t) {
                              if (e)
                                  self->done_(false);
                          });
        asio::async_read(socket_, asio::buffer(heard_),
                         [self = shared_from_this()](error e, std::size_t) {
                             self->done_(!e && self->heard_ == self->sent_);
                         });
    }

    tcp::socket socket_;
    std::string sent_, heard_;
    done done_;
};

void check_descriptors()
{
    const int kqueues = open_files("/dev/kqueue"), epolls = open_files("anon_inode:[eventpoll]"),
              rings = open_files("anon_inode:[io_uring]");
    check(kqueues == 1 && epolls == 0 && rings == 0,
          "/proc/self/fd: /dev/kqueue %d, eventpoll %d, io_uring %d", kqueues, epolls, rings);
}

// Waiting adds READ, and for writing WRITE too, both with EV_CLEAR, to a socket that does not
// listen.
void register_before_listen()
{
    asio::io_context context;
    tcp::acceptor acceptor(context);
    tcp::socket caller(context);
    bool readable = false, writable = false, connected = false;

    std::printf("\n  an acceptor that is registered before it listens\n");
    acceptor.open(tcp::v4());
    check_descriptors();
    acceptor.async_wait(tcp::acceptor::wait_read, [&](error e) { readable = !e; });
    acceptor.async_wait(tcp::acceptor::wait_write, [&](error e) { writable = !e; });
    say("open(), async_wait() for reading and for writing");
    check(context.poll() == 0, "no handler runs: the socket was never connected");
    acceptor.bind(any_port);
    acceptor.listen();
    say("bind(), listen()");
    check(context.poll() == 0, "no handler runs: nobody has connected");

    watchdog limit(context);
    caller.async_connect(acceptor.local_endpoint(), [&](error e) { connected = !e; });
    while (!(readable && connected) && context.run_one() > 0)
        ;
    check(readable && connected, "a client connects: the wait for reading ends");
    tcp::socket peer(context);
    error failure;
    acceptor.accept(peer, failure);
    check(!failure && peer.remote_endpoint() == caller.local_endpoint(), "and accept() has it");
    context.poll();
    check(!writable, "the wait for writing has not ended");
    acceptor.close();
    limit.cancel();
    context.run();
}

void serve_clients()
{
    asio::io_context context;
    tcp::acceptor acceptor(context);
    acceptor.open(tcp::v4());
    acceptor.bind(any_port);
    acceptor.listen(clients);
    server echo(acceptor);
    int ended = 0, content = 0;
    watchdog limit(context);

    std::printf("\n  a server with %d clients\n", clients);
    echo.accept();
    for (int i = 0; i < clients; i++)
        std::make_shared<client>(context, i, [&](bool good) {
            content += good;
            if (++ended == clients) {
                check_descriptors();
                acceptor.close();
                limit.cancel();
            }
        })->start(acceptor.local_endpoint());
    context.run();
    check(echo.accepted() == clients, "%d connections accepted", echo.accepted());
    check(content == clients, "%d clients heard what they had said, byte for byte", content);
}

// Started from the last to the first, they must end from the first to the last, none too early.
void run_timers()
{
    using clock = std::chrono::steady_clock;
    constexpr int count = 20;
    asio::io_context context;
    std::vector<asio::steady_timer> timers;
    std::vector<int> order;
    bool early = false;
    const auto start = clock::now();

    std::printf("\n  timers\n");
    for (int i = 0; i < count; i++) {
        const int step = count - i;
        timers.emplace_back(context, start + std::chrono::milliseconds(10 * step));
        timers.back().async_wait([&, step](error e) {
            early = early || e || clock::now() < start + std::chrono::milliseconds(10 * step);
            order.push_back(step);
        });
    }
    context.run();
    check(order.size() == count && std::is_sorted(order.begin(), order.end()) && !early,
          "%d timers of 10 to %d ms: in order, none too early", count, 10 * count);
}

// Each post finds the thread inside kevent() or about to be, and the next one waits for its answer.
void wake_from_thread()
{
    asio::io_context context;
    auto work = asio::make_work_guard(context);
    std::atomic<int> answered = 0;
    bool other_thread = true;

    std::printf("\n  wake-ups from another thread\n");
    const auto runner = std::this_thread::get_id();
    watchdog limit(context);
    std::thread poster([&] {
        for (int i = 0; i < posts; i++) {
            asio::post(context, [&, i] {
                other_thread = other_thread && std::this_thread::get_id() == runner;
                answered = i + 1;
                answered.notify_one();
            });
            answered.wait(i);
        }
        asio::post(context, [&] {
            limit.cancel();
            work.reset();
        });
    });
    context.run();
    if (context.stopped() && answered < posts) {
        std::fflush(stdout);
        std::_Exit(1); // the poster waits for ever
    }
    poster.join();
    check(answered == posts && other_thread, "%d posts, one after the other, each run by run()",
          answered.load());
}

} // namespace

int main()
{
    try {
        register_before_listen();
        serve_clients();
        run_timers();
        wake_from_thread();
    } catch (const std::exception &e) {
        check(false, "no exception: %s", e.what());
    }
    return demo_verdict();
}
