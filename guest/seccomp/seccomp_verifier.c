/*
 * seccomp_verifier -- which programs are filters, how many of them a thread may have, and what arithmetic gives
 * guest: libc=musl
 */
#include "guest.h"
#include "seccomp.h"

#define ALLOW ANSWER(SECCOMP_RET_ALLOW)

static void one(const char *name, struct sock_filter *filter, unsigned short length)
{
    pid_t pid = FORK({
        no_new_privs();
        errno = 0;
        long result = install_program(0, filter, length);
        out("%s: %ld %s\n", name, result, result ? errno_name(errno) : "");
    });
    reap(pid);
}

#define PROGRAM(name, ...)                                  \
    do {                                                    \
        struct sock_filter program[] = {__VA_ARGS__};       \
        one(name, program, LENGTH(program));                \
    } while (0)

static void every_code(void)
{
    /* Alone, as far as operands of 0 and a return behind it go; what differs from that is told below. */
    for (unsigned code = 0; code < 0x120; code++) {
        struct sock_filter program[] = {{code, 0, 0, 0}, ALLOW};
        pid_t pid = FORK({
            no_new_privs();
            _exit(install_program(0, program, 2) == 0 ? 1 : errno == EINVAL ? 0 : 2);
        });
        int status = reap(pid);
        if (status)
            out("code %#x: %d\n", code, WEXITSTATUS(status));
    }
}

static void limits(void)
{
    static struct sock_filter filter[BPF_MAXINSNS];
    static const unsigned short lengths[] = {4096, 1000, 100, 10};

    for (unsigned kind = 0; kind < 4; kind++)
        for (unsigned i = 0; i < (kind ? 2 : LENGTH(lengths)); i++) {
            for (unsigned j = 0; j < lengths[i]; j++)
                filter[j] = (struct sock_filter[]){
                    ALLOW,
                    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x90000000, 0, 0),
                    BPF_STMT(BPF_LDX | BPF_IMM, 3),
                    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, j + 2 < lengths[i]),
                }[kind];
            filter[lengths[i] - 1] = (struct sock_filter)ALLOW;
            pid_t pid = FORK({
                no_new_privs();
                int count = 0;
                while (install_program(0, filter, lengths[i]) == 0)
                    count++;
                out("kind %u, %u instructions: %d filters, then %s\n", kind, lengths[i], count, errno_name(errno));
            });
            reap(pid);
        }
}

/* The result of `length` instructions for getsid(a, b), as far as an error number shows it. */
static void compute(const char *name, struct sock_filter *body, unsigned length, long a, long b)
{
    struct sock_filter filter[40] = {LOAD(nr), EQUAL(SYS_getsid, 1, 0), ALLOW};
    memcpy(filter + 3, body, length * sizeof *body);
    out("%s:", name);
    for (int shift = 0; shift < 32; shift += 8) {
        struct sock_filter tail[] = {BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, shift), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
                                     BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0)};
        memcpy(filter + 3 + length, tail, sizeof tail);
        pid_t pid = FORK({
            no_new_privs();
            MUST(install_program(0, filter, 3 + length + LENGTH(tail)));
            call(SYS_exit_group, -call(SYS_getsid, a, b, 0), 0, 0);
        });
        int status = reap(pid);
        if (WIFSIGNALED(status))
            out(" %s", status_name(status));
        else
            out(" %02x", WEXITSTATUS(status));
    }
    out("\n");
}

static void arithmetic(void)
{
    static const struct {
        const char *name;
        unsigned short code;
    } all[] = {
        {"add", BPF_ALU | BPF_ADD | BPF_X}, {"sub", BPF_ALU | BPF_SUB | BPF_X}, {"mul", BPF_ALU | BPF_MUL | BPF_X},
        {"div", BPF_ALU | BPF_DIV | BPF_X}, {"or", BPF_ALU | BPF_OR | BPF_X},   {"and", BPF_ALU | BPF_AND | BPF_X},
        {"xor", BPF_ALU | BPF_XOR | BPF_X}, {"lsh", BPF_ALU | BPF_LSH | BPF_X}, {"rsh", BPF_ALU | BPF_RSH | BPF_X},
        {"neg", BPF_ALU | BPF_NEG},         {"txa", BPF_MISC | BPF_TXA},        {"len", BPF_LD | BPF_W | BPF_LEN},
        {"ldx len", BPF_LDX | BPF_W | BPF_LEN},
    };
    static const long operands[][2] = {{0xfedcba98, 0x13}, {7, 0}, {0x80000000, 33}, {3, 0xffffffff}, {0x12345678, 32}};

    for (unsigned i = 0; i < LENGTH(all); i++)
        for (unsigned j = 0; j < LENGTH(operands); j++) {
            struct sock_filter body[] = {LOAD(args[1]), BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD(args[0]), {all[i].code, 0, 0, 0}};
            char name[64];
            snprintf(name, sizeof name, "%s %#lx %#lx", all[i].name, operands[j][0], operands[j][1]);
            compute(name, body, LENGTH(body), operands[j][0], operands[j][1]);
        }
    struct sock_filter memory[] = {
        LOAD(args[0]), BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LDX | BPF_MEM, 15), BPF_STMT(BPF_LD | BPF_IMM, 5),
        BPF_STMT(BPF_STX, 0), BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 0),
        BPF_STMT(BPF_LDX | BPF_MEM, 1), BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0),
    };
    compute("memory", memory, LENGTH(memory), 0x1234567, 0);
    struct sock_filter start[] = {BPF_STMT(BPF_MISC | BPF_TXA, 0)};
    compute("X at the start", start, 1, 9, 9);
}

int main(void)
{
    every_code();
    PROGRAM("division by 0", BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW);
    PROGRAM("division by 1", BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 1), ALLOW);
    PROGRAM("modulo 3", BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW);
    PROGRAM("shift by 31", BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 31), ALLOW);
    PROGRAM("shift by 32", BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 32), ALLOW);
    PROGRAM("word 15", BPF_STMT(BPF_ST, 15), ALLOW);
    PROGRAM("word 16", BPF_STMT(BPF_STX, 16), ALLOW);
    PROGRAM("load word 16", BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LD | BPF_MEM, 16), ALLOW);
    PROGRAM("load before store", BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW);
    PROGRAM("load after store", BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LDX | BPF_MEM, 1), ALLOW);
    PROGRAM("store on one way", EQUAL(1, 0, 1), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW);
    PROGRAM("store on both ways", EQUAL(1, 0, 2), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_STX, 1),
            BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW);
    PROGRAM("load where nobody comes", ALLOW, BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW);
    PROGRAM("load behind a jump", BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_LD | BPF_MEM, 1), ALLOW);
    PROGRAM("jump to the end", BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW);
    PROGRAM("jump over", BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW, ALLOW);
    PROGRAM("jump back", ALLOW, BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), ALLOW);
    PROGRAM("jump around the world", BPF_STMT(BPF_JMP | BPF_JA, 0xfffffffe), ALLOW);
    PROGRAM("true too far", EQUAL(0, 1, 0), ALLOW);
    PROGRAM("false too far", EQUAL(0, 0, 255), ALLOW);
    PROGRAM("no return", ALLOW, BPF_STMT(BPF_LD | BPF_IMM, 0));
    PROGRAM("returns A", BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_A, 0));
    PROGRAM("returns X", BPF_STMT(BPF_RET | BPF_X, 0));
    for (unsigned k = 0; k < 80; k += k < 4 || k >= 56 ? 1 : 4) {
        char name[32];
        snprintf(name, sizeof name, "load at %u", k);
        PROGRAM(name, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, k), ALLOW);
    }
    PROGRAM("load of an extension", BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL), ALLOW);
    PROGRAM("operands that do not matter", {BPF_MISC | BPF_TAX, 255, 255, 0xffffffff}, {BPF_RET | BPF_K, 9, 9, SECCOMP_RET_ALLOW});
    limits();
    arithmetic();
    return 0;
}
