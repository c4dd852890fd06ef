/*
 * tcp_connect -- connecting: at once, later, refused, again, and the queue of connections to be accepted
 */
#include "net.h"

static int nonblocking(void)
{
    return MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int main(void)
{
    int server = listener(5), port = port_of(server);

    out("-- non-blocking\n");
    int client = nonblocking();
    TRY(connect_to(client, "127.0.0.1", port));
    out("events %#x\n", events_soon(client, POLLOUT));
    TRY(connect_to(client, "127.0.0.1", port));
    TRY(connect_to(client, "127.0.0.1", port));
    out("listener: events %#x\n", events_soon(server, POLLIN));
    int accepted = MUST(accept(server, NULL, NULL));
    out("names: %s %s, %s %s\n", name_of(client, 0), name_of(client, 1), name_of(accepted, 0), name_of(accepted, 1));
    expect(port_of(client) != port && port_of(accepted) == port, "ports");
    close(client), close(accepted);

    out("-- refused\n");
    int unused = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind_to(unused, "127.0.0.1", 0));
    int nobody = port_of(unused);
    client = nonblocking();
    TRY(connect_to(client, "127.0.0.1", nobody));
    out("events %#x\n", events_soon(client, POLLOUT));
    TRY(get_int(client, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
    out("events %#x\n", events(client));
    TRY(connect_to(client, "127.0.0.1", nobody));
    TRY(connect_to(client, "127.0.0.1", nobody));
    sleep_ms(5);
    TRY(connect_to(client, "127.0.0.1", nobody));
    TRY(connect_to(client, "127.0.0.1", port));
    out("events %#x\n", events_soon(client, POLLOUT));
    TRY(connect_to(client, "127.0.0.1", port));
    close(client);
    close(MUST(accept(server, NULL, NULL)));
    client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    TRY(connect_to(client, "127.0.0.1", nobody));
    look("client", client);
    TRY(send(client, "", 0, MSG_NOSIGNAL));
    TRY(connect_to(client, "127.0.0.1", port));
    close(client);
    close(MUST(accept(server, NULL, NULL)));

    out("-- addresses\n");
    client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in name = at("127.0.0.1", port);
    TRY(connect(client, (struct sockaddr *)&name, 1));
    TRY(connect(client, (struct sockaddr *)&name, 8));
    TRY(connect(client, (struct sockaddr *)&name, -1));
    TRY(connect(client, NULL, sizeof name));
    name.sin_family = AF_UNIX;
    TRY(connect(client, (struct sockaddr *)&name, sizeof name));
    name.sin_family = AF_INET6;
    TRY(connect(client, (struct sockaddr *)&name, sizeof name));
    TRY(connect_to(client, "224.0.0.1", port));
    TRY(connect_to(client, "0.0.0.0", port));
    out("names: %s %s\n", name_of(client, 0), name_of(client, 1));
    close(client);
    close(MUST(accept(server, NULL, NULL)));
    client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    TRY(bind_to(client, "127.1.2.3", 0));
    TRY(connect_to(client, "127.0.0.1", port));
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    accepted = MUST(accept4(server, (struct sockaddr *)&from, &size, SOCK_NONBLOCK));
    char text[32];
    out("from %s, %d bytes, flags %#x\n", inet_ntop(AF_INET, &from.sin_addr, text, sizeof text), size, fcntl(accepted, F_GETFL));
    close(client), close(accepted);
    client = MUST(socket(AF_INET6, SOCK_STREAM, 0));
    TRY(connect_to6(client, "::ffff:127.0.0.1", port));
    out("names: %s %s\n", name_of(client, 0), name_of(client, 1));
    close(client);
    close(MUST(accept(server, NULL, NULL)));
    TRY(accept4(server, NULL, NULL, 1));
    TRY(fcntl(server, F_SETFL, O_NONBLOCK));
    TRY(accept(server, NULL, NULL));
    close(server);

    out("-- a full queue\n");
    server = listener(0), port = port_of(server);
    int clients[3];
    for (int i = 0; i < 3; i++) {
        clients[i] = nonblocking();
        TRY(connect_to(clients[i], "127.0.0.1", port));
        sleep_ms(5);
        out("client %d: %s, events %#x\n", i, tcp_state(clients[i]), events(clients[i]));
    }
    TRY(connect_to(clients[2], "127.0.0.1", port));
    char byte;
    TRY(send(clients[2], "x", 1, MSG_NOSIGNAL));
    TRY(recv(clients[2], &byte, 1, 0));
    close(clients[2]); /* who of two gets the free place depends on which SYN is repeated first */
    close(MUST(accept(server, NULL, NULL)));
    out("client 1 after an accept: events %#x\n", events_soon(clients[1], POLLOUT));
    close(server);
    sleep_ms(5);
    out("the listener is closed: client 1 %s, %s\n", tcp_state(clients[1]), errno_name(get_int(clients[1], SOL_SOCKET, SO_ERROR)));
    close(clients[0]), close(clients[1]);

    out("-- a time limit\n");
    server = listener(0), port = port_of(server);
    client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect_to(client, "127.0.0.1", port));
    int late = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct timeval limit = {0, 50000};
    MUST(setsockopt(late, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    TRY(connect_to(late, "127.0.0.1", port));
    TRY(connect_to(late, "127.0.0.1", port));
    close(late), close(client), close(server);

    out("-- with oneself\n");
    client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind_to(client, "127.0.0.1", 0));
    TRY(connect_to(client, "127.0.0.1", port_of(client)));
    TRY(send(client, "echo", 4, 0));
    char echo[8];
    TRY(recv(client, echo, sizeof echo, 0));
    look("self", client);
    close(client);
    return 0;
}
