/*
 * fuzz_syscalls -- random system calls with arguments that are nearly right, in child after child
 * guest: native=no qemu=no args=1,0,3,60 slow=yes
 *
 * usage: fuzz_syscalls SEED FIRST LAST CALLS [v] [safe]
 *
 * Rounds FIRST..LAST-1 each fork a child that makes CALLS calls.  What a round does is a function of SEED and its number, so
 * a round that shows a defect can be run alone.  With `v` every call is printed before it is made and its result after it.
 * With `safe` only calls are made that can be made on a host in a scratch directory and whose result does not depend on
 * time, addresses or process ids: then the printed results of a native run are the expectation.
 *
 * An argument is chosen by its kind (descriptor, path, timespec...), from values at the edges of what is valid, and one in
 * five is of another kind altogether.  A timer interrupts calls that block; the parent kills what does not end.
 */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <grp.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <ucontext.h>

typedef uint64_t u64;
typedef uint32_t u32;

static u64 state;
static u64 next(void)
{
    u64 z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}
static u32 below(u32 n) { return next() % n; }
static int one_in(u32 n) { return below(n) == 0; }

/* -- the arguments of each call, one letter each: see argument() --------------------------------------------------- */
#define NUMBERS 471
static const char *const SIGNATURES[NUMBERS] = {
    [0] = "fbn", [1] = "fbn", [2] = "pum", [3] = "f", [4] = "pb", [5] = "fb", [6] = "pb", [7] = "qni", [8] = "foi",
    [9] = "alRufo", [10] = "alR", [11] = "al", [12] = "a", [13] = "sABz", [14] = "iSBz", [15] = "", [16] = "fyb",
    [17] = "fbno", [18] = "fbno", [19] = "fvc", [20] = "fvc", [21] = "pi", [22] = "b", [23] = "nDDDV", [24] = "",
    [25] = "allua", [26] = "ali", [27] = "alb", [28] = "alh", [29] = "inu", [30] = "iau", [31] = "iib", [32] = "f",
    [33] = "ff", [34] = "", [35] = "tb", [36] = "ib", [37] = "i", [38] = "iIb", [39] = "", [40] = "ffOn", [41] = "iii",
    [42] = "fkL", [43] = "fbK", [44] = "fbnukL", [45] = "fbnubK", [46] = "fMu", [47] = "fMu", [48] = "fi", [49] = "fkL",
    [50] = "fi", [51] = "fbK", [52] = "fbK", [53] = "iiib", [54] = "fiibL", [55] = "fiibK", [56] = "CabbX", [57] = "",
    [58] = "", [59] = "pgg", [60] = "i", [61] = "Pbub", [62] = "Ps", [63] = "b", [64] = "iii", [65] = "ibn", [66] = "iiib",
    [67] = "b", [68] = "ii", [69] = "ibni", [70] = "ibniu", [71] = "iib", [72] = "fYx", [73] = "fi", [74] = "f", [75] = "f",
    [76] = "po", [77] = "fo", [78] = "fbn", [79] = "bn", [80] = "p", [81] = "f", [82] = "pp", [83] = "pm", [84] = "p",
    [85] = "pm", [86] = "pp", [87] = "p", [88] = "pp", [89] = "pbn", [90] = "pm", [91] = "fm", [92] = "pUU", [93] = "fUU",
    [94] = "pUU", [95] = "m", [96] = "bb", [97] = "ib", [98] = "ib", [99] = "b", [100] = "b", [101] = "iPxb", [102] = "",
    [103] = "ibn", [104] = "", [105] = "U", [106] = "U", [107] = "", [108] = "", [109] = "PP", [110] = "", [111] = "",
    [112] = "", [113] = "UU", [114] = "UU", [115] = "ib", [116] = "ib", [117] = "UUU", [118] = "bbb", [119] = "UUU",
    [120] = "bbb", [121] = "P", [122] = "U", [123] = "U", [124] = "P", [125] = "Hb", [126] = "Hb", [127] = "Bz",
    [128] = "SbtZ", [129] = "PsG", [130] = "Sz", [131] = "sb", [132] = "pt", [133] = "pmx", [135] = "x", [136] = "ib",
    [137] = "pb", [138] = "fb", [139] = "iii", [140] = "iP", [141] = "iPi", [142] = "Pb", [143] = "Pb", [144] = "Pib",
    [145] = "P", [146] = "i", [147] = "i", [148] = "Pb", [149] = "al", [150] = "al", [151] = "u", [152] = "", [153] = "",
    [154] = "ibn", [155] = "pp", [156] = "b", [157] = "rxxxx", [158] = "ya", [159] = "b", [160] = "iN", [161] = "p",
    [162] = "", [163] = "p", [164] = "tb", [165] = "pppub", [166] = "pu", [167] = "pi", [168] = "p", [169] = "xxxx",
    [170] = "bn", [171] = "bn", [172] = "i", [173] = "iii", [179] = "ipib", [186] = "", [187] = "fon", [188] = "pQbnu",
    [189] = "pQbnu", [190] = "fQbnu", [191] = "pQbn", [192] = "pQbn", [193] = "fQbn", [194] = "pbn", [195] = "pbn",
    [196] = "fbn", [197] = "pQ", [198] = "pQ", [199] = "fQ", [200] = "Ps", [201] = "b", [202] = "wFitwi", [203] = "Pnb",
    [204] = "Pnb", [205] = "b", [206] = "ib", [207] = "i", [208] = "xiibt", [209] = "xib", [210] = "xbb", [211] = "b",
    [213] = "i", [216] = "alRxu", [217] = "fbn", [218] = "b", [219] = "", [220] = "ibnt", [221] = "foni", [222] = "cEb",
    [223] = "iuIb", [224] = "ib", [225] = "i", [226] = "i", [227] = "ct", [228] = "cb", [229] = "cb", [230] = "cutb",
    [231] = "i", [232] = "febi", [233] = "fifE", [234] = "PPs", [235] = "pI", [237] = "alibnu", [238] = "ibn", [239] = "bbnau",
    [240] = "puub", [241] = "p", [242] = "ibnit", [243] = "ibntb", [244] = "ib", [245] = "ibb", [246] = "xxbu",
    [247] = "iPbub", [248] = "ppbni", [249] = "pppi", [250] = "ixxxx", [251] = "iPi", [252] = "iP", [253] = "",
    [254] = "fpu", [255] = "fi", [256] = "Pibb", [257] = "dpum", [258] = "dpm", [259] = "dpmx", [260] = "dpUUu",
    [261] = "dpT", [262] = "dpbu", [263] = "dpu", [264] = "dpdp", [265] = "dpdpu", [266] = "pdp", [267] = "dpbn",
    [268] = "dpm", [269] = "dpi", [270] = "nDDDtb", [271] = "qntSz", [272] = "C", [273] = "bn", [274] = "Pbb", [275] = "fOfOnu",
    [276] = "ffnu", [277] = "fonu", [278] = "fvcu", [279] = "Pnbbbu", [280] = "dpTu", [281] = "fbiiSz", [282] = "fSz",
    [283] = "iu", [284] = "i", [285] = "fuoo", [286] = "fuIb", [287] = "fb", [288] = "fbKu", [289] = "fSzu", [290] = "iu",
    [291] = "u", [292] = "ffu", [293] = "bu", [294] = "u", [295] = "fvcoi", [296] = "fvcoi", [297] = "PPsG", [298] = "bPifu",
    [299] = "fMcut", [300] = "uu", [301] = "fuxdp", [302] = "PiNb", [303] = "dpbbu", [304] = "fbu", [305] = "cb", [306] = "f",
    [307] = "fMcu", [308] = "fu", [309] = "bbb", [310] = "Pvcvcu", [311] = "Pvcvcu", [312] = "PPiff", [313] = "fpu",
    [314] = "Pbu", [315] = "Pbnu", [316] = "dpdpu", [317] = "iub", [318] = "bnu", [319] = "pu", [320] = "ffnpu", [321] = "ibn",
    [322] = "dpggu", [323] = "u", [324] = "iui", [325] = "alu", [326] = "fOfOnu", [327] = "fvcoiu", [328] = "fvcoiu",
    [329] = "alRi", [330] = "ux", [331] = "i", [332] = "dpuub", [333] = "ibnbtb", [334] = "anix", [424] = "fsGu",
    [425] = "ib", [426] = "fiiub", [427] = "fibi", [428] = "dpu", [429] = "dpdpu", [430] = "pu", [431] = "fippi",
    [432] = "fuu", [433] = "dpu", [434] = "Pu", [435] = "Wz", [436] = "nnu", [437] = "dpjh", [438] = "ffu", [439] = "dpiu",
    [440] = "fvchu", [441] = "fbitSz", [442] = "dpubn", [443] = "fubb", [444] = "bnu", [445] = "fibu", [446] = "fu",
    [447] = "u", [448] = "fu", [449] = "bcutc", [450] = "alxu", [451] = "fbbu", [452] = "dpmu", [453] = "aluu",
    [454] = "wxiu", [455] = "wxxutc", [456] = "buii", [457] = "bbnu", [458] = "bbnu", [459] = "bbnu", [460] = "bbnu",
    [461] = "bbnu", [462] = "alu",
};

/* Calls whose results are the same on every Linux when only what this program owns is touched. */
static const short SAFE[] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 17, 18, 19, 20, 21, 22, 32, 33, 40, 72, 73, 74, 75, 76, 77, 80, 81, 82, 83, 84, 85, 86, 87, 88,
    89, 90, 91, 92, 93, 94, 95, 133, 137, 138, 187, 221, 232, 233, 235, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266,
    267, 268, 269, 275, 276, 277, 278, 280, 283, 284, 285, 287, 290, 291, 292, 293, 295, 296, 306, 316, 319, 326, 327, 328,
    332, 437, 439, 452, 13, 14, 97, 98, 99, 100, 127, 131, 36, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
    143, 145, 146, 147, 157, 202, 218, 222, 224, 225, 226, 228, 229, 273, 274, 281, 282, 288, 289, 299, 302, 307, 309, 441, 436,
};

/* -- pools ------------------------------------------------------------------------------------------------------------ */
#define PAGE 4096ul
#define ARENA_PAGES 64
static char *arena;   /* 0-31 read-write, 32-35 read-only, 36-37 no access, 38 a hole, 39 read-write, 40-41 a file of 1.5 pages + one beyond */
static char *scratch; /* where structures are built */
static unsigned scratch_at;
static int fds[80], fd_count;
static pid_t self, parent, child;
static int safe, verbose;

static const u64 NUMBERS_POOL[] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 17, 24, 31, 32, 33, 63, 64, 65, 100, 127, 128, 255, 256, 511, 512, 1000, 1023, 1024,
    1025, 4095, 4096, 4097, 8192, 10000, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 1 << 30, 0x7ffff000, 0x7fffffff, 0x80000000,
    0xfffffffe, 0xffffffff, 0x100000000, 1ull << 40, 1ull << 46, 0x7fffffffffff, 1ull << 47, 0x7ffffffff000, 1ull << 62,
    0x7fffffffffffffff, 0x8000000000000000, 0xffff800000000000, -4096ull, -4095ull, -100ull, -2ull, -1ull,
};
static const u64 SMALL[] = {0, 0, 1, 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 100, 512, 1000, 4095, 4096, 4097, 9000, 65536};
static const char *const PATHS[] = {
    "", ".", "..", "/", "f", "g", "d", "d/f", "d/..", "d/../f", "link", "dangling", "loop", "fifo", "sock", "new", "new/x", "f/x",
    "d/", "f/", "./././f", "link/", "d/deep", "../../../../../..", "hard", "newdir", "x1", "x2", "x3",
    "/etc/passwd", "/proc/self/maps", "/proc/self/fd/0", "/proc/self/fd", "/proc/self/status", "/proc/self/exe", "/proc/self/cwd/f",
    "/proc/self/root", "/proc/1/stat", "/proc/self/task", "/proc/self/comm", "/proc/self/oom_score_adj", "/proc/sys/kernel",
    "/proc/sys/kernel/pid_max", "/proc/mounts", "/proc/self/mem", "/proc/self/environ", "/dev/null", "/dev/zero", "/dev/full",
    "/dev/tty", "/dev/random", "/dev/shm", "/tmp", "/nonexistent", "/bin/sh", "/proc", "/dev", "/dev/pts", "/dev/ptmx", "/dev/fd/1",
    "/proc/self/ns/pid", "/proc/self/ns/mnt", "/proc/self/fdinfo/3", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/usr",
};
#define SAFE_PATHS 29
static const char *const SIGNS[] = {"user.a", "user.", "", "security.x", "trusted.y", "system.posix_acl_access", "user.bb", "bad", "user.a"};
static const u64 TIMES[] = {
    0, 0, 0, 1, 2, 1000, 999999, 1000000, 999999999, 1000000000, -1ull, 0x7fffffff, 0x80000000, 1ull << 33, 1ull << 55,
    1ull << 62, 0x7fffffffffffffff, 0x8000000000000000, 9223372036ull, 9223372037ull, 0x3fffffff, 0x3ffffffe, 10, 50000000,
};
static const u64 FLAG_BITS[] = {
    1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x20000, 0x40000,
    0x80000, 0x100000, 0x200000, 0x400000, 0x1000000, 0x2000000, 0x4000000, 0x10000000, 0x40000000, 0x80000000, 0x100000000,
};
static const u32 IOCTLS[] = {
    0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x5406, 0x5408, 0x5409, 0x540a, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413,
    0x5414, 0x541b, 0x541d, 0x5421, 0x5422, 0x5423, 0x5424, 0x5425, 0x5429, 0x5430, 0x5431, 0x5441, 0x5450, 0x5451, 0x5452, 0x5460,
    0x8901, 0x8902, 0x8904, 0x8905, 0x8910, 0x8912, 0x8913, 0x8927, 0xb701, 0xb702, 0xb703, 0x80086601, 0x40086602, 0x40049409,
    0x1001, 0x1002, 0x1003, 0x1004, 0x1001, 0xc0189436, 0x5301, 0x12, 0x80081272,
};
#define POOL(pool) pool[below(sizeof pool / sizeof pool[0])]

static char *place(unsigned size)
{
    /* Sometimes so that the last bytes lie beyond the end of accessible memory. */
    if (one_in(12))
        return arena + 36 * PAGE - size + (one_in(2) ? below(size + 1) : 0); /* end of the read-only pages */
    if (one_in(12))
        return arena + 40 * PAGE - size; /* page 39, whose successor is a file mapping */
    scratch_at = (scratch_at + 64) % (4 * PAGE);
    char *at = scratch + scratch_at;
    return at;
}

static void store(char *at, const void *data, unsigned size)
{
    /* Only where writing is possible: what was there is an argument too. */
    if (at >= scratch && at < scratch + 8 * PAGE)
        memcpy(at, data, size);
}

static u64 bad_pointer(void)
{
    static const u64 bad[] = {
        0, 1, 8, 0xfff, 0x10000, 0x7fffffffffff, 0x7ffffffff000, 0x7fffffffeffc, 0x800000000000, 0xffff800000000000, 0xffffffffff600000,
        -1ull, -4096ull, -8ull,
    };
    switch (below(6)) {
    case 0: return (u64)arena + 36 * PAGE + below(2 * PAGE);      /* no access */
    case 1: return (u64)arena + 38 * PAGE + below(PAGE);          /* hole */
    case 2: return (u64)arena + 32 * PAGE + below(4 * PAGE);      /* read only */
    case 3: return (u64)arena + 42 * PAGE + below(PAGE);          /* beyond the end of the file */
    case 4: return (u64)arena + 38 * PAGE - below(16);
    default: return POOL(bad);
    }
}
static u64 buffer(void)
{
    if (one_in(6))
        return bad_pointer();
    u64 at = (u64)arena + below(32 * PAGE);
    switch (below(4)) {
    case 0: return at & ~7ul;
    case 1: return at & ~(PAGE - 1);
    case 2: return at | 3;
    default: return (u64)arena + 32 * PAGE - below(64);
    }
}
static u64 a_time(void) { return one_in(3) ? POOL(TIMES) : below(3); }
static u64 a_fd(void)
{
    if (one_in(8)) {
        static const u64 odd[] = {-1ull, -100ull, 0, 1, 2, 99, 1023, 1024, 0x7fffffff, 0x80000000, 0xffffff9c, 0x100000003};
        return safe ? POOL(odd) > 2 ? 99 : -1ull : POOL(odd);
    }
    if (!safe && one_in(10))
        return below(80);
    return fds[below(fd_count)];
}
static u64 a_pid(void)
{
    static const u64 odd[] = {0, 1, 2, 3, -1ull, -2ull, 99999, 0x7fffffff, 0x80000000, 4194304};
    switch (below(4)) {
    case 0: return POOL(odd);
    case 1: return self;
    case 2: return -(u64)self;
    default: return child;
    }
}
static int contains(const short *list, int count, int number)
{
    for (int i = 0; i < count; i++)
        if (list[i] == number)
            return 1;
    return 0;
}
static u64 some_flags(int most)
{
    u64 value = 0;
    for (int n = below(most + 1); n > 0; n--)
        value |= POOL(FLAG_BITS);
    return value;
}
static u64 a_path(void)
{
    if (one_in(14))
        return safe ? (one_in(2) ? 0 : (u64)arena + 36 * PAGE) : bad_pointer();
    if (one_in(30)) {
        unsigned length = 4000 + below(200);
        char *at = arena + 20 * PAGE + below(PAGE);
        memset(at, one_in(2) ? 'n' : '/', length);
        if (one_in(2))
            for (unsigned i = 0; i < length; i += 2)
                at[i] = '/';
        at[length] = 0;
        return (u64)at;
    }
    const char *path = safe ? PATHS[below(SAFE_PATHS)] : POOL(PATHS);
    if (safe && (strstr(path, "..") || path[0] == '/'))
        path = "d/f";
    scratch_at = (scratch_at + 64) % (4 * PAGE);
    char *at = scratch + scratch_at;
    strcpy(at, path);
    return (u64)at;
}
static u64 a_size(void) { return one_in(3) ? POOL(NUMBERS_POOL) : POOL(SMALL); }

static u64 words(int count, u64 (*make)(void))
{
    u64 data[8];
    for (int i = 0; i < count; i++)
        data[i] = make();
    char *at = place(count * 8);
    store(at, data, count * 8);
    return (u64)at;
}
static u64 any_word(void) { return one_in(3) ? POOL(NUMBERS_POOL) : one_in(2) ? POOL(SMALL) : buffer(); }

static u64 iovec(void)
{
    u64 data[32];
    for (int i = 0; i < 16; i++) {
        data[2 * i] = safe ? (u64)arena + below(28 * PAGE) : buffer();
        data[2 * i + 1] = one_in(8) && !safe ? POOL(NUMBERS_POOL) : one_in(64) ? next() : safe ? below(9000) : POOL(SMALL);
    }
    scratch_at = (scratch_at + 256) % (4 * PAGE);
    char *at = one_in(20) ? arena + 36 * PAGE - below(64) : scratch + scratch_at;
    store(at, data, sizeof data);
    return one_in(25) ? bad_pointer() : (u64)at;
}
/* An address on the loopback, or nearly: never on a host. */
static u64 inet_sockaddr(void)
{
    static const u32 hosts[] = {0x7f000001, 0x7f000002, 0, 0x7fffffff, 0xffffffff, 0xe0000001, 0xc0000201};
    u32 host = htonl(POOL(hosts));
    uint16_t port = htons(one_in(3) ? below(3) : 4000 + below(4));
    struct sockaddr_in six[2] = {0};
    scratch_at = (scratch_at + 192) % (4 * PAGE);
    if (one_in(3)) {
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = port};
        if (one_in(3))
            memcpy(address.sin6_addr.s6_addr + 12, &host, 4), address.sin6_addr.s6_addr[10] = address.sin6_addr.s6_addr[11] = 255;
        else
            address.sin6_addr.s6_addr[15] = below(3), address.sin6_addr.s6_addr[0] = one_in(5) ? 0xfe : 0;
        memcpy(six, &address, sizeof address);
    } else {
        struct sockaddr_in address = {.sin_family = one_in(8) ? below(20) : AF_INET, .sin_port = port, .sin_addr.s_addr = host};
        six[0] = address;
    }
    memcpy(scratch + scratch_at, six, sizeof six);
    return one_in(10) ? bad_pointer() : (u64)(scratch + scratch_at);
}
static u64 sockaddr(void)
{
    if (!safe && one_in(2))
        return inet_sockaddr();
    struct sockaddr_un address = {.sun_family = one_in(6) ? below(20) : AF_UNIX};
    static const char names[][12] = {"sock", "new", "d/sock2", "f", "", "\0abstract", "\0x"};
    memcpy(address.sun_path, names[below(safe ? 5 : 7)], 12);
    scratch_at = (scratch_at + 192) % (4 * PAGE);
    memcpy(scratch + scratch_at, &address, sizeof address);
    return one_in(10) ? bad_pointer() : (u64)(scratch + scratch_at);
}
static u64 msghdr(void)
{
    struct msghdr header = {
        .msg_name = one_in(2) ? NULL : (void *)sockaddr(), .msg_namelen = one_in(4) ? (u32)POOL(NUMBERS_POOL) : below(130),
        .msg_iov = (void *)iovec(), .msg_iovlen = one_in(8) ? POOL(NUMBERS_POOL) : below(5), .msg_flags = some_flags(2),
    };
    if (one_in(2)) {
        static u64 control[16];
        struct cmsghdr *c = (void *)control;
        c->cmsg_len = one_in(4) ? POOL(NUMBERS_POOL) : CMSG_LEN(4 * below(4));
        c->cmsg_level = one_in(5) ? below(300) : SOL_SOCKET;
        c->cmsg_type = below(4);
        for (int i = 0; i < 4; i++)
            ((int *)CMSG_DATA(c))[i] = a_fd();
        header.msg_control = control;
        header.msg_controllen = one_in(4) ? POOL(NUMBERS_POOL) : sizeof control;
    }
    scratch_at = (scratch_at + 128) % (4 * PAGE);
    memcpy(scratch + scratch_at, &header, sizeof header);
    return one_in(15) ? bad_pointer() : (u64)(scratch + scratch_at);
}
static u64 pollfds(void)
{
    struct pollfd list[16];
    for (int i = 0; i < 16; i++)
        list[i] = (struct pollfd){a_fd(), one_in(3) ? next() : below(64), 0};
    scratch_at = (scratch_at + 128) % (4 * PAGE);
    memcpy(scratch + scratch_at, list, sizeof list);
    return one_in(12) ? bad_pointer() : (u64)(scratch + scratch_at);
}
static u64 arguments(void)
{
    char **list = (char **)(scratch + 5 * PAGE) + 8 * below(32);
    for (int i = 0; i < 7; i++)
        list[i] = one_in(3) ? (char *)list : one_in(8) ? (char *)bad_pointer() : (char *)buffer();
    list[below(8)] = NULL;
    if (one_in(4))
        list[7] = (char *)list; /* goes on into the next list, perhaps for ever */
    return one_in(6) ? bad_pointer() : (u64)list;
}
static u64 clone_args(void)
{
    u64 data[11] = {0};
    static const u64 common[] = {0, 0, 0x100, 0x100 | 0x200, 0x10000, 0x50f00, 0x3d0f00, 0x4100, 0x1000, 0x8000, 0x20000000, 0x10000000};
    data[0] = one_in(3) ? some_flags(5) : POOL(common) | some_flags(1);
    data[1] = buffer(), data[2] = buffer(), data[3] = buffer();
    data[4] = one_in(3) ? POOL(NUMBERS_POOL) : below(2) * 17;
    data[5] = one_in(2) ? 0 : (u64)arena;
    data[6] = one_in(2) ? 0 : POOL(SMALL);
    data[7] = buffer();
    data[8] = one_in(3) ? buffer() : 0;
    data[9] = one_in(3) ? below(40) : 0;
    data[10] = one_in(4) ? a_fd() : 0;
    char *at = place(88);
    store(at, data, 88);
    return (u64)at;
}
static u64 sigaction_(void)
{
    u64 data[4] = {below(2) ? below(2) : (u64)buffer(), some_flags(4) | (one_in(2) ? 0x04000000 : 0), buffer(), next()};
    char *at = place(32);
    store(at, data, 32);
    return (u64)at;
}

static u64 argument(int kind)
{
    if (one_in(safe ? 40 : 16))
        kind = "fbnuPtivpxasm"[below(safe ? 4 : 13)];
    switch (kind) {
    case 'f': return a_fd();
    case 'd': return one_in(2) ? -100ull : a_fd();
    case 'p': return a_path();
    case 'b': return buffer();
    case 'n': return a_size();
    case 'i': return one_in(4) ? POOL(NUMBERS_POOL) : below(12);
    case 'c': return one_in(6) ? POOL(NUMBERS_POOL) : below(17);
    case 'u': return one_in(3) ? 0 : one_in(10) ? POOL(NUMBERS_POOL) : some_flags(3);
    case 'm': return one_in(6) ? some_flags(3) : below(010000);
    case 'o': return one_in(3) ? POOL(NUMBERS_POOL) : below(12000);
    case 'x': return any_word();
    case 'U': return one_in(4) ? POOL(NUMBERS_POOL) : one_in(2) ? -1ull : one_in(2) ? 1000 : 0;
    case 'P': return a_pid();
    case 's': return one_in(8) ? POOL(NUMBERS_POOL) : below(66);
    case 'z': return one_in(8) ? POOL(SMALL) : 8;
    case 'Z': return 8;
    case 'a': return one_in(5) ? buffer() : one_in(8) ? bad_pointer() & ~(PAGE - 1) : (u64)arena + below(ARENA_PAGES) * PAGE;
    case 'l': return one_in(6) ? POOL(NUMBERS_POOL) : PAGE * below(6);
    case 'R': return one_in(6) ? some_flags(2) : below(8);
    case 'h': return one_in(6) ? POOL(NUMBERS_POOL) : below(26);
    case 't': return one_in(5) ? 0 : one_in(12) ? bad_pointer() : words(2, a_time);
    case 'T': case 'I': case 'V': return one_in(5) ? 0 : one_in(12) ? bad_pointer() : words(4, a_time);
    case 'N': return words(2, a_size);
    case 'O': return one_in(3) ? 0 : one_in(12) ? bad_pointer() : words(1, one_in(2) ? a_size : a_time);
    case 'w': return one_in(8) ? bad_pointer() : (u64)arena + 4 * below(8);
    case 'F': return one_in(4) ? some_flags(3) : below(14) | (one_in(2) ? 128 : 0) | (one_in(4) ? 256 : 0);
    case 'S': case 'B': return one_in(4) ? 0 : one_in(10) ? bad_pointer() : words(1, next);
    case 'G': case 'H': case 'D': case 'Q': case 'E': {
        if (kind == 'Q') {
            scratch_at = (scratch_at + 64) % (4 * PAGE);
            strcpy(scratch + scratch_at, POOL(SIGNS));
            return one_in(12) ? bad_pointer() : (u64)(scratch + scratch_at);
        }
        if (kind == 'E') {
            u64 data[8] = {one_in(3) ? next() : below(64), next(), below(3), next(), one_in(2) ? (u64)self : next()};
            if (one_in(2))
                data[1] = (u64)below(66) | (u64)(one_in(2) ? below(3) : 4) << 32, data[2] = self;
            char *at = place(64);
            store(at, data, 64);
            return one_in(10) ? 0 : (u64)at;
        }
        if (kind == 'H') {
            u32 data[4] = {one_in(4) ? (u32)next() : 0x20080522, one_in(2) ? 0 : (u32)a_pid()};
            char *at = place(8);
            store(at, data, 8);
            return (u64)at;
        }
        return one_in(4) ? 0 : words(8, any_word);
    }
    case 'A': return one_in(4) ? 0 : sigaction_();
    case 'v': return iovec();
    case 'k': return sockaddr();
    case 'K': case 'L': return kind == 'L' ? one_in(4) ? POOL(NUMBERS_POOL) : below(130) : one_in(8) ? bad_pointer() : words(1, a_size);
    case 'M': return msghdr();
    case 'q': return pollfds();
    case 'g': return arguments();
    case 'W': return one_in(12) ? bad_pointer() : clone_args();
    case 'C': return one_in(3) ? some_flags(5) : some_flags(2) | 17;
    case 'X': return buffer();
    case 'y': return one_in(12) ? next() : POOL(IOCTLS);
    case 'Y': return one_in(6) ? below(20) : one_in(2) ? below(17) : 1024 + below(18);
    case 'r': return one_in(3) ? below(80) : one_in(2) ? below(40) : 1;
    case 'e': return one_in(6) ? bad_pointer() : words(2, next);
    case 'j': {
        u64 how[3] = {some_flags(3), one_in(2) ? 0 : below(010000), one_in(2) ? 0 : 1 << below(6)};
        char *at = place(24);
        store(at, how, 24);
        return one_in(10) ? bad_pointer() : (u64)at;
    }
    }
    return 0;
}

/* -- one call --------------------------------------------------------------------------------------------------------- */
/* A child or thread that a call creates ends at once without touching memory: its stack may be anywhere. */
static long call(long number, const u64 *a)
{
    long result;
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8") = a[4];
    register long r9 __asm__("r9") = a[5];
    long creates = number == 56 || number == 57 || number == 58 || number == 435;
    register long rbx __asm__("r12") = creates;
    __asm__ volatile("syscall\n\t"
                     "test %%r12, %%r12\n\t"
                     "jz 1f\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov $60, %%eax\n\t"
                     "mov $3, %%edi\n\t"
                     "syscall\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(rbx)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2])
                     : "rcx", "r11", "memory");
    return result;
}

static void on_alarm(int signo) {}

/* A call took away memory this program needs: give it new memory there. */
static void on_fault(int signo, siginfo_t *info, void *context)
{
    static int faults;
    char *page = (char *)((u64)info->si_addr & ~(PAGE - 1));
    int ours = (page >= arena && page < arena + ARENA_PAGES * PAGE) || (page >= scratch && page < scratch + 8 * PAGE);
    if (!ours || ++faults > 200)
        out("stray fault at %p, pc %p after %d\n", info->si_addr, (void *)((ucontext_t *)context)->uc_mcontext.gregs[16], faults), _exit(4);
    if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        _exit(5);
}

/* Undo what would stop the round: the timer must go on and its signal arrive. */
static void revive(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigset_t none;
    sigemptyset(&none);
    sigaction(SIGALRM, &action, NULL);
    action = (struct sigaction){.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    if (one_in(4) && !safe)
        sigprocmask(SIG_SETMASK, &none, NULL);
    else {
        sigaddset(&none, SIGALRM);
        sigprocmask(SIG_UNBLOCK, &none, NULL);
    }
    struct itimerval often = {{0, 20000}, {0, 20000}};
    setitimer(ITIMER_REAL, &often, NULL);
}

static void add_fd(int fd)
{
    if (fd >= 0 && fd_count < (int)(sizeof fds / sizeof *fds))
        fds[fd_count++] = fd;
}

static void open_files(void)
{
    int pair[2];
    char *junk = arena;
    memset(junk, 'j', 10000);
    int file = open("f", O_RDWR | O_CREAT, 0644);
    write(file, junk, 10000);
    add_fd(file);
    int other = open("g", O_RDWR | O_CREAT | O_APPEND, 0600);
    write(other, junk, 100);
    add_fd(other);
    mkdir("d", 0755);
    mkdir("d/deep", 0700);
    close(open("d/f", O_RDWR | O_CREAT, 0644));
    symlink("f", "link");
    symlink("nowhere", "dangling");
    symlink("loop", "loop");
    mkfifo("fifo", 0600);
    link("f", "hard");
    add_fd(open("f", O_RDONLY));
    add_fd(open("f", O_WRONLY | O_NONBLOCK));
    add_fd(open("d", O_RDONLY | O_DIRECTORY));
    add_fd(open(".", O_RDONLY | O_DIRECTORY));
    add_fd(open("f", O_PATH));
    for (int i = 0; i < 2; i++) {
        pipe2(pair, i || safe ? O_NONBLOCK : 0);
        write(pair[1], junk, i ? 5000 : 70);
        add_fd(pair[0]);
        add_fd(pair[1]);
    }
    pipe2(pair, O_NONBLOCK);
    close(pair[1]);
    add_fd(pair[0]);
    add_fd(eventfd(1, EFD_NONBLOCK));
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = 1}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[fd_count - 1], &event);
    event.events = EPOLLOUT;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[fd_count - 3], &event);
    add_fd(epoll);
    if (!safe) { /* on a host fchmod and fchown would reach the devices themselves */
        add_fd(open("/dev/null", O_RDWR));
        add_fd(open("/dev/zero", O_RDWR));
    }
    add_fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    write(pair[0], junk, 300);
    add_fd(pair[0]);
    add_fd(pair[1]);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
    write(pair[0], junk, 30);
    add_fd(pair[0]);
    add_fd(pair[1]);
    if (safe)
        return;
    add_fd(open("/dev/null", O_RDWR));
    add_fd(open("/dev/zero", O_RDWR));
    add_fd(eventfd(0, EFD_SEMAPHORE));
    add_fd(epoll_create1(0));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    add_fd(signalfd(-1, &set, 0));
    for (int i = 0; i < 3; i++) {
        socketpair(AF_UNIX, (int[]){SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}[i] | (one_in(2) ? SOCK_NONBLOCK : 0), 0, pair);
        write(pair[0], junk, 300);
        add_fd(pair[0]);
        add_fd(pair[1]);
    }
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {AF_UNIX, "sock"};
    bind(listening, (void *)&address, sizeof address);
    listen(listening, 2);
    add_fd(listening);
    add_fd(socket(AF_UNIX, SOCK_DGRAM, 0));
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(4000), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listening = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, (int[]){1}, sizeof(int));
    bind(listening, (void *)&here, sizeof here);
    listen(listening, 2);
    add_fd(listening);
    for (int i = 0; i < 2; i++) {
        int client = socket(AF_INET, SOCK_STREAM | (one_in(2) ? SOCK_NONBLOCK : 0), 0);
        connect(client, (void *)&here, sizeof here);
        write(client, junk, 300);
        add_fd(client);
        if (!i)
            add_fd(accept(listening, NULL, NULL));
    }
    add_fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    add_fd(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
    int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    bind(datagrams, (void *)&here, sizeof here);
    connect(datagrams, (void *)&here, sizeof here);
    write(datagrams, junk, 30);
    add_fd(datagrams);
    add_fd(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    add_fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0));
    int terminal = open("/dev/ptmx", O_RDWR | O_NONBLOCK);
    ioctl(terminal, TIOCSPTLCK, (int[]){0});
    add_fd(terminal);
    add_fd(ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NONBLOCK));
    add_fd(syscall(SYS_memfd_create, "memfd", 2));
    add_fd(syscall(SYS_pidfd_open, child, 0));
    add_fd(open("/proc/self/maps", O_RDONLY));
    add_fd(open("/proc/self/mem", O_RDWR));
    add_fd(open("/proc/self/fd", O_RDONLY));
    add_fd(open("/proc", O_RDONLY));
    add_fd(open("/proc/self/status", O_RDONLY));
    add_fd(open("/etc/passwd", O_RDONLY));
    add_fd(open("/dev/full", O_RDWR));
    add_fd(open("/dev/urandom", O_RDONLY));
    add_fd(open("/dev/ptmx", O_RDWR | O_NONBLOCK));
    add_fd(open("fifo", O_RDWR));
    add_fd(timerfd_create(CLOCK_REALTIME, 0));
}

static void map_memory(void)
{
    arena = mmap(NULL, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    scratch = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < 36 * PAGE / 8; i += 7)
        ((u64 *)arena)[i] = POOL(NUMBERS_POOL);
}
static void protect_memory(void)
{
    mprotect(arena + 32 * PAGE, 4 * PAGE, PROT_READ);
    mprotect(arena + 36 * PAGE, 2 * PAGE, PROT_NONE);
    munmap(arena + 38 * PAGE, PAGE);
    int file = open("mapped", O_RDWR | O_CREAT, 0600);
    ftruncate(file, 6000);
    mmap(arena + 40 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    close(file);
}

/* Calls that would end the whole run, not the round: those that hit the parent. */
static int hits_parent(int number, const u64 *a)
{
    int sends = number == 62 || number == 129 || number == 200 || number == 234 || number == 297;
    int first = (int)a[0];
    if (number == SYS_prlimit64 && first == parent)
        return 1;
    return sends && (first == -1 || first == parent || first == -parent || (number == 234 && (int)a[1] == parent));
}

/* Bend the arguments of a safe call until nothing outside can be hit and no time matters; tell if that cannot be. */
static int unsafe(int number, u64 *a)
{
    static const short changes_fd1[] = {33, 292, 436};
    static const short on_fd0[] = {0, 1, 3, 4, 5, 8, 17, 18, 19, 20, 295, 296, 327, 328, 72, 77, 81, 91, 93, 138, 187, 221, 285, 306, 73, 74, 75, 436};
    int fd0 = (int)a[0], fd1 = (int)a[1];
    if (contains(on_fd0, sizeof on_fd0 / 2, number) && fd0 >= 0 && fd0 <= 2)
        return 1;
    if (contains(changes_fd1, 3, number) && fd1 >= 0 && fd1 <= 2)
        return 1;
    switch (number) {
    case 7: case 281: case 232: a[number == 7 ? 2 : 3] = 0; break;
    case 441: if (a[3] < 4096) a[3] = 0; break;
    case 2: a[1] |= O_NONBLOCK; break;
    case 257: a[2] |= O_NONBLOCK; break;
    case 133: a[1] &= ~020000ul; break;
    case 259: a[2] &= ~020000ul; break;
    case 90: case 91: a[1] &= ~01000ul; break; /* no sticky directories: see protected_regular in proc(5) */
    case 268: case 452: a[2] &= ~01000ul; break;
    case 299: a[4] = 0; /* fall through */
    case 307: case 45: case 44: a[3] &= ~1ul; break; /* urgent data is an option of the kernel */
    case 46: case 47: a[2] &= ~1ul; break;
    case 327: case 328: a[5] &= 0x17; break; /* RWF_NOWAIT is up to the file system */
    case 319: a[1] &= ~4ul; break; /* huge pages */
    case 83: a[1] &= ~01000ul; break;
    case 258: a[2] &= ~01000ul; break;
    case 72: { /* no signals to others, no giant pipes */
        int command = (int)a[1];
        return command == F_SETOWN || command == F_SETOWN_EX || (command >= 1024 && command <= 1026) || command == 1027 || command == 1028 || command >= 1035 ||
               (command == F_SETPIPE_SZ && a[2] > 1 << 20);
    }
    case 14: case 13: if (number == 13 && (a[0] == SIGALRM || a[0] == SIGSEGV || a[0] == SIGBUS || a[0] == SIGXFSZ)) return 1; break;
    case 41: case 53: a[0] = one_in(6) ? 100 : AF_UNIX; break;
    case 157: return (int)a[0] < 1 || (int)a[0] > 30 || (int)a[0] == PR_SET_SECCOMP || (int)a[0] == PR_SET_NAME || (int)a[0] == PR_GET_TSC || (int)a[0] == PR_SET_TSC;
    case 302: a[0] = 0; return a[2] != 0;
    case 202: { int op = a[1] & 127; if (op != 1 && op != 3 && op != 4 && op != 5 && op != 10) return 1; a[5] &= 0xffffffff; break; }
    case 224: case 274: return number == 274 && a[0] != 0;
    case 143: case 145: a[0] = 0; break;
    case 36: case 97: case 98: case 99: case 100: break;
    case 131: a[0] = a[0] < 4096 ? a[0] : 0; break;
    case 222: return (int)a[0] != 0 && (int)a[0] != 1;
    }
    return 0;
}

static int hidden_result(int number)
{
    return number == 9 || number == 12 || number == 25 || number == 39 || number == 186 || number == 218 || number == 100;
}

static void round_of_calls(u64 seed, int calls)
{
    state = seed;
    parent = getppid();
    self = getpid();
    umask(022);
    map_memory();
    if (!safe) {
        child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != self)
                _exit(0);
            for (;;)
                pause();
        }
    }
    if (safe) {
        struct rlimit most = {64, 64};
        setrlimit(RLIMIT_NOFILE, &most);
        most = (struct rlimit){1 << 20, 1 << 20};
        setrlimit(RLIMIT_FSIZE, &most);
        signal(SIGXFSZ, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGIO, SIG_IGN);
    }
    open_files();
    protect_memory();
    if (!safe && one_in(4)) {
        setgid(1000);
        setuid(1000);
    }
    for (int i = 0; i < calls; i++) {
        u64 a[6] = {0};
        int number = safe ? POOL(SAFE) : below(NUMBERS);
        if (number >= 335 && number < 424 && !one_in(20)) /* there are no such calls */
            number = below(335);
        const char *kinds = SIGNATURES[number] ? SIGNATURES[number] : "xxxxxx";
        if (i % 8 == 0)
            revive();
        if (number == 15 && !one_in(8)) /* rt_sigreturn rarely returns */
            continue;
        int n = 0;
        for (; kinds[n]; n++)
            a[n] = argument(kinds[n]);
        if (!safe)
            for (int k = n; k < 6; k++)
                a[k] = any_word();
        if (hits_parent(number, a) || (number == 231 || number == 60))
            continue;
        if (safe && unsafe(number, a))
            continue;
        if (verbose)
            out("%d: %d(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", i, number, a[0], a[1], a[2], a[3], a[4], a[5]);
        long result = call(number, a);
        if (number == 231)
            _exit(0);
        if (verbose)
            out("    = %ld\n", result);
        else if (safe) {
            if (result < 0 && result > -4096)
                out("%d %d %s\n", i, number, errno_name(-result));
            else
                out("%d %d %ld\n", i, number, hidden_result(number) ? 0 : result);
        }
        if (!safe && (int)getpid() != self)
            _exit(0);
    }
    _exit(0);
}

/* Wait for the round to end, or end it. */
static void finish(pid_t pid, int round)
{
    sigset_t set;
    struct timespec limit = {5, 0};
    int status;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG | __WALL);
        if (got == pid)
            break;
        if (sigtimedwait(&set, NULL, &limit) == -1 && errno == EAGAIN) {
            kill(pid, SIGKILL);
            if (waitpid(pid, &status, __WALL) != pid)
                out("round %d: lost\n", round);
            break;
        }
    }
    kill(-pid, SIGKILL);
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
        ;
    out("round %d: %s\n", round, status_name(status));
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    u64 seed = strtoull(argv[1], NULL, 10);
    int first = atoi(argv[2]), last = atoi(argv[3]), calls = atoi(argv[4]);
    for (int i = 5; i < argc; i++) {
        verbose |= !strcmp(argv[i], "v");
        safe |= !strcmp(argv[i], "safe");
    }
    struct utsname host;
    uname(&host);
    if (!safe && !strstr(host.release, "tgid")) {
        out("random calls are made inside the machine only\n");
        return 2;
    }
    if (safe && getuid() == 0) { /* never as root on a host, and the same in the machine */
        MUST(setgroups(0, NULL));
        MUST(setresgid(65534, 65534, 65534));
        MUST(setresuid(65534, 65534, 65534));
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (!safe) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        setpgid(0, 0);
    }
    int base = open(safe ? "." : "/tmp", O_RDONLY | O_DIRECTORY);
    for (int round = first; round < last; round++) {
        char name[64];
        snprintf(name, sizeof name, "fuzz.%d", round);
        if (mkdirat(base, name, 0777) == -1 || fchdir(base) == -1 || chdir(name) == -1) {
            out("round %d: no directory\n", round);
            return 1;
        }
        pid_t pid = fork();
        if (pid == 0) {
            if (!safe) { /* what it mounts and unmounts is its own */
                MUST(unshare(CLONE_NEWNS));
                MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
            }
            close(base);
            if (!safe)
                setpgid(0, 0);
            round_of_calls(seed * 1000003 + round, calls);
        }
        finish(pid, round);
    }
    return 0;
}
