/*
 * tcp_states -- what a TCP socket answers in each state of its life
 *
 * A connection is closed from either end, half and whole, with and without unread data, and reset; after each step both ends are
 * asked for their state, for what poll(2) says, for the pending error, and what reading and writing them does.
 */
#include "net.h"

static void use(const char *what, int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
    if (got < 0)
        out("%s: recv %s", what, errno_name(errno));
    else
        out("%s: recv %zd", what, got);
    ssize_t sent = send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        out(", send %s", errno_name(errno));
    else
        out(", send %zd", sent);
    out(", peer %s\n", name_of(fd, 1));
}

static void both(const char *what, int ends[2])
{
    sleep_ms(5);
    out("-- %s\n", what);
    look("client", ends[0]);
    look("server", ends[1]);
}

int main(void)
{
    int ends[2];
    signal(SIGPIPE, SIG_IGN);

    int fresh = MUST(socket(AF_INET, SOCK_STREAM, 0));
    out("-- fresh\n");
    look("fresh", fresh);
    use("fresh", fresh);
    TRY(accept(fresh, NULL, NULL));
    TRY(shutdown(fresh, SHUT_RD));
    look("fresh", fresh);
    close(fresh);

    out("-- listening\n");
    int server = listener(1);
    look("listener", server);
    use("listener", server);
    TRY(connect_to(server, "127.0.0.1", port_of(server)));
    TRY(listen(server, 5));
    TRY(bind_to(server, "127.0.0.1", 0));
    TRY(shutdown(server, SHUT_WR));
    look("listener", server);
    TRY(shutdown(server, SHUT_RD));
    look("listener", server);
    TRY(accept(server, NULL, NULL));
    TRY(listen(server, 5));
    close(server);

    tcp_pair(ends);
    both("connected", ends);
    TRY(connect_to(ends[0], "127.0.0.1", 1));
    TRY(bind_to(ends[0], "127.0.0.1", 0));
    TRY(listen(ends[0], 1));
    TRY(accept(ends[0], NULL, NULL));

    MUST(shutdown(ends[0], SHUT_WR));
    both("client shut down writing", ends);
    use("server", ends[1]);
    sleep_ms(5);
    use("client", ends[0]);
    TRY(shutdown(ends[0], SHUT_WR));
    MUST(shutdown(ends[1], SHUT_WR));
    both("server too", ends);
    use("client", ends[0]);
    use("server", ends[1]);
    TRY(shutdown(ends[0], SHUT_RD));
    close(ends[0]), close(ends[1]);

    tcp_pair(ends);
    MUST(shutdown(ends[0], SHUT_RD));
    both("client shut down reading", ends);
    TRY(send(ends[1], "data", 4, 0));
    sleep_ms(5);
    look("client", ends[0]);
    use("client", ends[0]);
    close(ends[0]), close(ends[1]);

    tcp_pair(ends);
    close(ends[1]);
    sleep_ms(5);
    out("-- server closed\n");
    look("client", ends[0]);
    use("client", ends[0]);
    sleep_ms(5);
    out("client: events %#x\n", events(ends[0]));
    use("client", ends[0]);
    look("client", ends[0]);
    close(ends[0]);

    tcp_pair(ends);
    MUST(send(ends[0], "unread", 6, 0));
    MUST(send(ends[1], "answer", 6, 0));
    close(ends[1]);
    sleep_ms(5);
    out("-- server closed with unread data\n");
    out("client: %s, events %#x\n", tcp_state(ends[0]), events(ends[0]));
    char answer[16];
    TRY(recv(ends[0], answer, sizeof answer, 0));
    TRY(recv(ends[0], answer, sizeof answer, 0));
    TRY(recv(ends[0], answer, sizeof answer, 0));
    use("client", ends[0]);
    close(ends[0]);

    tcp_pair(ends);
    struct linger now = {1, 0};
    MUST(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(ends[1]);
    sleep_ms(5);
    out("-- server closed with SO_LINGER 0\n");
    use("client", ends[0]);
    use("client", ends[0]);
    close(ends[0]);

    tcp_pair(ends);
    out("-- client disconnected\n");
    TRY(disconnect(ends[0]));
    sleep_ms(5);
    out("client: %s, events %#x, name %s\n", tcp_state(ends[0]), events(ends[0]), name_of(ends[0], 0));
    use("server", ends[1]);
    close(ends[0]), close(ends[1]);

    tcp_pair(ends);
    signal(SIGPIPE, SIG_DFL);
    close(ends[1]);
    out("-- SIGPIPE\n");
    pid_t child = FORK(send(ends[0], "x", 1, 0); sleep_ms(20); send(ends[0], "x", 1, MSG_NOSIGNAL); send(ends[0], "x", 1, 0));
    out("child %s\n", status_name(reap(child)));
    return 0;
}
