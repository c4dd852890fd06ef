/* The state of the run loop, shared by _engine.c and _watch.c. */
#ifndef EMU_CORE_H
#define EMU_CORE_H
#include <stdint.h>

enum { TRAP_NONE = -1, TRAP_SYSCALL, TRAP_BUDGET, TRAP_PAGE_FAULT, TRAP_EXCEPTION, TRAP_INTERRUPTED, TRAP_INT80 };

/* enum uc_x86_reg, enum uc_err, enum uc_hook_type and enum uc_x86_insn of Unicorn 2. */
enum { R_RAX = 35, R_RCX = 38, R_RDI = 39, R_RDX = 40, R_RIP = 41, R_RSI = 43, R_CR2 = 52, R_CR3 = 53, R_R8 = 106,
       R_R9 = 107, R_R10 = 108, R_R11 = 109, R_RFLAGS = 253 };
enum { ERR_OK = 0, ERR_INSN_INVALID = 10, ERR_RESOURCE = 20 };
enum { HOOK_INTR = 1, HOOK_INSN = 2, HOOK_BLOCK = 8, INS_IN = 218, INS_OUT = 500, INS_SYSCALL = 699, INS_SYSENTER = 700 };

#define DR_STEP 0x4000 /* in DR6: a single step */

/* A watched place: an instruction (its address) or data (a physical address), and its bit in DR6. */
typedef struct {
    int bit, kind;
    uint64_t address, length;
} Point;

/* The state of a watched run (_watch.c). */
typedef struct {
    int (*hook_add)(void *, size_t *, int, void *, void *, uint64_t, uint64_t, ...);
    int (*hook_del)(void *, size_t);
    const char *ram;
    uint64_t ram_size;
    size_t hooks[2];
    Point points[4];
    int count, hits, branches, program_tf, prefixes, opcode;
    uint64_t at, written, code_page, code_base, cr3;
} Watch;

typedef struct {
    PyObject_HEAD
    void *uc;
    int (*emu_start)(void *, uint64_t, uint64_t, uint64_t, size_t);
    int (*emu_stop)(void *);
    int (*reg_read)(void *, int, void *);
    int (*reg_write)(void *, int, const void *);
    int (*context_save)(void *, void *);
    int (*context_restore)(void *, void *);
    int (*context_reg_read)(void *, int, void *);
    int (*context_reg_write)(void *, int, const void *);
    size_t context_size, old_exception, error_code_at, is_int_at;
    char *scratch;
    long long left, blocks;
    unsigned long long fault_address;
    int trap, vector, error_code, sysenter, port;
    volatile int attention;
    PyObject *syscall;
    int watching, debug_status;
    Watch watch;
} Core;

static inline uint64_t read_register(Core *core, int reg)
{
    uint64_t value = 0;
    core->reg_read(core->uc, reg, &value);
    return value;
}

/* Of _escape.c: uc_emu_start, which survives abort(); and the preparation for that. */
int start_engine(Core *core, uint64_t rip);
void watch_abort(void);

/* Of _watch.c: what a watched run does at its start, after every instruction, and at its end. */
int watch_start(Core *core, PyObject *points, int branches);
void watch_begin(Core *core);
int watch_step(Core *core);
void watch_disguise(Core *core);
void watch_end(Core *core);

#endif
