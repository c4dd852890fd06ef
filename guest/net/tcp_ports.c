/*
 * tcp_ports -- who may have which port: conflicts, sharing, both versions of IP, what a closed connection keeps
 */
#include "net.h"

static int tried;

/* Bind a new socket and say what came of it; it stays open if `keep`. */
static int attempt(const char *address, int port, const char *how, int keep)
{
    int six = strchr(address, ':') != NULL;
    int fd = MUST(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
    if (strchr(how, 'a'))
        MUST(set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1));
    if (strchr(how, 'p'))
        MUST(set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    if (strchr(how, '6'))
        MUST(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    int result = six ? bind_to6(fd, address, port) : bind_to(fd, address, port);
    out("%d: bind %s%s%s = %s\n", ++tried, address, *how ? " " : "", how, result ? errno_name(errno) : "0");
    if (strchr(how, 'l') && !result)
        out("%d: listen = %s\n", tried, listen(fd, 1) ? errno_name(errno) : "0");
    if (keep)
        return fd;
    close(fd);
    return -1;
}

int main(void)
{
    static const char *others[] = {"127.0.0.1", "0.0.0.0", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1", "::ffff:127.0.0.2"};
    static const char *first[] = {"127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"};

    for (unsigned i = 0; i < sizeof first / sizeof *first; i++) {
        int fd = attempt(first[i], 0, "", 1), port = port_of(fd);
        for (unsigned j = 0; j < sizeof others / sizeof *others; j++)
            attempt(others[j], port, "", 0);
        attempt("::", port, "6", 0);
        close(fd);
    }
    int only = attempt("::", 0, "6", 1), port = port_of(only);
    attempt("0.0.0.0", port, "", 0);
    attempt("::ffff:127.0.0.1", port, "6", 0);
    close(only);

    out("-- SO_REUSEADDR\n");
    int fd = attempt("127.0.0.1", 0, "a", 1);
    port = port_of(fd);
    attempt("127.0.0.1", port, "", 0);
    int second = attempt("127.0.0.1", port, "a", 1);
    TRY(listen(fd, 1));
    TRY(listen(second, 1));
    attempt("127.0.0.1", port, "a", 0);
    attempt("0.0.0.0", port, "a", 0);
    close(second);
    close(fd);

    out("-- SO_REUSEPORT\n");
    fd = attempt("127.0.0.1", 0, "pl", 1);
    port = port_of(fd);
    second = attempt("127.0.0.1", port, "pl", 1);
    attempt("127.0.0.1", port, "", 0);
    attempt("127.0.0.1", port, "a", 0);
    attempt("0.0.0.0", port, "pl", 0);
    close(second);
    close(fd);

    out("-- addresses\n");
    attempt("255.255.255.255", 0, "", 0);
    attempt("224.0.0.1", 0, "", 0);
    attempt("127.255.255.255", 0, "", 0);
    attempt("192.0.2.1", 0, "", 0);
    attempt("2001:db8::1", 0, "", 0);
    attempt("fe80::1", 0, "", 0);
    attempt("ff02::1", 0, "", 0);
    attempt("::ffff:192.0.2.1", 0, "", 0);
    fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in name = at("127.0.0.1", 0);
    TRY(bind(fd, (struct sockaddr *)&name, sizeof name - 1));
    name.sin_family = AF_UNSPEC;
    TRY(bind(fd, (struct sockaddr *)&name, sizeof name));
    name = at("0.0.0.0", 0);
    name.sin_family = AF_UNSPEC;
    TRY(bind(fd, (struct sockaddr *)&name, sizeof name));
    TRY(bind(fd, (struct sockaddr *)&name, sizeof name));
    close(fd);

    out("-- TIME_WAIT\n");
    for (int reuse = 0; reuse < 2; reuse++) {
        int server = MUST(socket(AF_INET, SOCK_STREAM, 0));
        if (reuse)
            MUST(set_int(server, SOL_SOCKET, SO_REUSEADDR, 1));
        MUST(bind_to(server, "127.0.0.1", 0));
        MUST(listen(server, 1));
        port = port_of(server);
        int client = MUST(socket(AF_INET, SOCK_STREAM, 0));
        MUST(connect_to(client, "127.0.0.1", port));
        int accepted = MUST(accept(server, NULL, NULL));
        close(accepted);
        sleep_ms(5);
        close(client);
        close(server);
        attempt("127.0.0.1", port, "", 0);
        attempt("127.0.0.1", port, "al", 0);
    }

    out("-- the connection keeps the port of its listener\n");
    int server = attempt("127.0.0.1", 0, "al", 1);
    port = port_of(server);
    int client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect_to(client, "127.0.0.1", port));
    int accepted = MUST(accept(server, NULL, NULL));
    close(server);
    attempt("127.0.0.1", port, "", 0);
    attempt("127.0.0.1", port, "al", 0);
    out("-- one connection for a pair of ports\n");
    server = attempt("127.0.0.1", port, "al", 1);
    int again = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(set_int(client, SOL_SOCKET, SO_REUSEADDR, 1));
    MUST(set_int(again, SOL_SOCKET, SO_REUSEADDR, 1));
    TRY(bind_to(again, "127.0.0.1", port_of(client)));
    TRY(connect_to(again, "127.0.0.1", port));
    close(again), close(accepted), close(client), close(server);

    out("-- both versions of IP\n");
    server = MUST(socket(AF_INET6, SOCK_STREAM, 0));
    MUST(bind_to6(server, "::", 0));
    MUST(listen(server, 4));
    port = port_of(server);
    client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    TRY(connect_to(client, "127.0.0.1", port));
    accepted = MUST(accept(server, NULL, NULL));
    out("%s %s, %s %s\n", name_of(client, 0), name_of(client, 1), name_of(accepted, 0), name_of(accepted, 1));
    close(client), close(accepted);
    client = MUST(socket(AF_INET6, SOCK_STREAM, 0));
    TRY(connect_to6(client, "::1", port));
    accepted = MUST(accept(server, NULL, NULL));
    out("%s %s, %s %s\n", name_of(client, 0), name_of(client, 1), name_of(accepted, 0), name_of(accepted, 1));
    close(client), close(accepted), close(server);
    client = MUST(socket(AF_INET6, SOCK_STREAM, 0));
    MUST(set_int(client, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    TRY(connect_to6(client, "::ffff:127.0.0.1", port));
    TRY(connect_to6(client, "::1", port));
    TRY(set_int(client, IPPROTO_IPV6, IPV6_V6ONLY, 0));
    close(client);
    return 0;
}
