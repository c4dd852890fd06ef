/*
 * msg_queues -- System V message queues: which message a receiver gets, who waits, limits, removal under a sleeper
 *
 * guest: needs=root
 */
#include "guest.h"

#include <sys/ipc.h>
#include <sys/msg.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static struct {
    long type;
    char text[8300];
} m;

static void put(int id, long type, const char *text)
{
    m.type = type;
    strcpy(m.text, text);
    if (msgsnd(id, &m, strlen(text) + 1, IPC_NOWAIT))
        out("send %ld %s: %s\n", type, text, errno_name(errno));
}

static void get(const char *what, int id, size_t size, long type, int flags)
{
    memset(&m, 0, sizeof m);
    long got = msgrcv(id, &m, size, type, flags);
    if (got < 0)
        out("%s: %s\n", what, errno == ENOMSG ? "ENOMSG" : errno == EIDRM ? "EIDRM" : errno_name(errno));
    else
        out("%s: %ld bytes of type %ld '%.20s'\n", what, got, m.type, m.text);
}

static void show(const char *what, int id)
{
    struct msqid_ds ds;

    if (msgctl(id, IPC_STAT, &ds)) {
        out("%s: %s\n", what, errno_name(errno));
        return;
    }
    out("%s: mode %o owner %u limit %lu used %lu messages %lu by me %d%d times %d%d%d\n", what, ds.msg_perm.mode,
        ds.msg_perm.uid, (unsigned long)ds.msg_qbytes, (unsigned long)ds.__msg_cbytes, (unsigned long)ds.msg_qnum,
        ds.msg_lspid == getpid(), ds.msg_lrpid == getpid(), ds.msg_stime != 0, ds.msg_rtime != 0, ds.msg_ctime != 0);
}

static void nothing(int number)
{
}

static void waiter(int id, int kind)
{
    if (fork())
        return;
    if (kind == 'r')
        get("a waiting receiver", id, 100, 7, 0);
    else if (kind == 's') {
        m.type = 9;
        int failed = msgsnd(id, &m, 100, 0);
        out("a waiting sender: %s\n", failed ? errno == EIDRM ? "EIDRM" : errno_name(errno) : "sent");
    } else {
        struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
        sigaction(SIGALRM, &action, NULL);
        ualarm(50000, 0);
        get("a receiver with a signal", id, 100, 7, 0);
    }
    _exit(0);
}

int main(void)
{
    struct msqid_ds ds;

    if (unshare(CLONE_NEWIPC))
        return 1;
    int id = msgget(0x77, IPC_CREAT | 0600);
    out("id %d, again %d, private %d\n", id, msgget(0x77, 0), msgget(IPC_PRIVATE, 0600));
    show("new", id);
    put(id, 3, "three");
    put(id, 1, "one");
    put(id, 2, "two");
    put(id, 3, "three again");
    put(id, 5, "five");
    show("five messages", id);
    get("copy of 1", id, 100, 1, MSG_COPY | IPC_NOWAIT);
    get("copy of 9", id, 100, 9, MSG_COPY | IPC_NOWAIT);
    get("copy that would wait", id, 100, 0, MSG_COPY);
    get("least up to 2", id, 100, -2, IPC_NOWAIT);
    get("not 3", id, 100, 3, MSG_EXCEPT | IPC_NOWAIT);
    get("of type 3, too small", id, 3, 3, IPC_NOWAIT);
    get("cut", id, 3, 3, MSG_NOERROR | IPC_NOWAIT);
    get("first", id, 100, 0, IPC_NOWAIT);
    get("of type 4", id, 100, 4, IPC_NOWAIT);
    get("least of all", id, 100, LONG_MIN, IPC_NOWAIT);
    get("empty", id, 100, 0, IPC_NOWAIT);
    show("empty", id);

    put(id, 0, "type 0");
    put(id, -1, "type -1");
    m.type = 1;
    int sent = msgsnd(id, &m, 8193, IPC_NOWAIT);
    out("too large %d %s", sent, errno_name(errno));
    sent = msgsnd(id, NULL, 8, IPC_NOWAIT);
    out(", from nowhere %d %s", sent, errno_name(errno));
    sent = msgsnd(id + 7, &m, 8, IPC_NOWAIT);
    out(", unknown %d %s\n", sent, errno_name(errno));
    m.type = 8;
    int count = 0;
    while (!msgsnd(id, &m, 8192, IPC_NOWAIT))
        count++;
    out("%d fit, then %s\n", count, errno_name(errno));
    waiter(id, 's');
    usleep(50000);
    ssize_t taken = msgrcv(id, &m, 8192, 8, IPC_NOWAIT);
    wait(NULL);
    out("one taken: %zd\n", taken);
    get("what the sender sent", id, 8192, 9, IPC_NOWAIT);
    get("the other", id, 8192, 0, IPC_NOWAIT);
    waiter(id, 'r');
    usleep(50000);
    put(id, 6, "not for it");
    put(id, 7, "for it");
    wait(NULL);
    waiter(id, 'i');
    wait(NULL);

    msgctl(id, IPC_STAT, &ds);
    ds.msg_qbytes = 20;
    ds.msg_perm.uid = 1000;
    ds.msg_perm.mode = 0400;
    out("set %d\n", msgctl(id, IPC_SET, &ds));
    show("set", id);
    put(id, 1, "longer than there is room");
    waiter(id, 's');
    usleep(50000);
    int removed = msgctl(id, IPC_RMID, NULL);
    wait(NULL);
    out("remove %d\n", removed);
    show("removed", id);
    id = msgget(IPC_PRIVATE, 0600);
    waiter(id, 'r');
    usleep(50000);
    removed = msgctl(id, IPC_RMID, NULL);
    wait(NULL);
    out("remove %d\n", removed);

    id = msgget(IPC_PRIVATE, 0600);
    setresuid(1000, 1000, 1000);
    int refused = msgctl(id, IPC_RMID, NULL);
    out("another: remove %d %s", refused, errno_name(errno));
    refused = msgrcv(id, &m, 10, 0, IPC_NOWAIT);
    out(", receive %d %s\n", refused, errno_name(errno));
    id = msgget(IPC_PRIVATE, 0600);
    msgctl(id, IPC_STAT, &ds);
    ds.msg_qbytes = 16385;
    refused = msgctl(id, IPC_SET, &ds);
    out("more room %d %s\n", refused, errno_name(errno));
    struct msginfo info;
    out("info %d", msgctl(0, MSG_INFO, (struct msqid_ds *)&info));
    out(" queues %d max %d %d %d\n", info.msgpool, info.msgmax, info.msgmnb, info.msgmni);
    return 0;
}
