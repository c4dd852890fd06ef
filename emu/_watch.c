/* Hardware breakpoints, which the engine does not know: a watched run looks at every instruction.
 *
 * The trap flag makes the engine report each instruction, and hooks report each access to memory.  Only code translated
 * while the hooks are there calls them; so that neither kind of translation is taken for the other, a watched run sets
 * an I/O privilege level, a part of the key translations are found by that means nothing at CPL 3.  The program sees
 * neither flag: what PUSHF stores is corrected, and at the end of the run both are as they were.
 *
 * The rules are the processor's (Intel SDM vol. 3, 18.3): an instruction breakpoint is a fault before the instruction, unless RF is set;
 * data breakpoints and steps are traps behind it; string instructions trap after an iteration, with RF set.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "_core.h"

enum { HOOK_MEM_READ = 1 << 10, HOOK_MEM_WRITE = 1 << 11, MEM_WRITE = 17 };
enum { ON_EXECUTION = 0, ON_WRITE = 1, ON_ACCESS = 3 };
enum { PUSHF = 0x9c, POPF = 0x9d, IRET = 0xcf };

#define TF 0x100u
#define IOPL 0x3000u
#define IOPL_WATCHED 0x1000u
#define RF 0x10000u
#define FRAME 0x000ffffffffff000u

static void on_memory(void *uc, int type, uint64_t address, int size, int64_t value, Core *core)
{
    Watch *watch = &core->watch;
    (void)uc;
    (void)value;
    if (type == MEM_WRITE)
        watch->written = address;
    for (int i = 0; i < watch->count; i++) {
        const Point *point = &watch->points[i];
        if ((point->kind == ON_ACCESS || (point->kind == ON_WRITE && type == MEM_WRITE))
            && address < point->address + point->length && point->address < address + (uint64_t)size)
            watch->hits |= point->bit;
    }
}

/* The byte of code at an address, -1 if nothing is mapped there. */
static int code_byte(Watch *watch, uint64_t address)
{
    if ((address & ~0xfffULL) != watch->code_page || watch->code_base == 0) {
        uint64_t table = watch->cr3 & FRAME;
        for (int shift = 39; shift >= 12; shift -= 9) {
            uint64_t entry, at = table + ((address >> shift & 511) << 3);
            if (at + sizeof entry > watch->ram_size)
                return -1;
            memcpy(&entry, watch->ram + at, sizeof entry);
            if (!(entry & 1))
                return -1;
            table = entry & FRAME;
        }
        if (table + 0x1000 > watch->ram_size)
            return -1;
        watch->code_page = address & ~0xfffULL;
        watch->code_base = table;
    }
    return (unsigned char)watch->ram[watch->code_base + (address & 0xfff)];
}

/* Look at the instruction at an address: how many bytes of prefixes, and the first opcode byte behind them. */
static void decode(Watch *watch, uint64_t address)
{
    watch->at = address;
    for (watch->prefixes = 0; watch->prefixes < 15; watch->prefixes++) {
        int byte = code_byte(watch, address + (unsigned)watch->prefixes);
        watch->opcode = byte;
        switch (byte) {
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3:
            break;
        default:
            if ((byte & ~0xf) != 0x40) /* REX */
                return;
        }
    }
}

/* Whether the instruction just executed was a branch that was taken; `rip` is where it led. */
static int is_taken_branch(Watch *watch, uint64_t rip)
{
    int opcode = watch->opcode, second;
    uint64_t operand = watch->at + (unsigned)watch->prefixes + 1;
    switch (opcode) {
    case 0xc2: case 0xc3: case 0xca: case 0xcb: case IRET: case 0xe8: case 0xe9: case 0xeb: /* RET, IRET, CALL, JMP */
        return 1;
    case 0xff: /* indirect CALL and JMP are /2 to /5 */
        second = code_byte(watch, operand) >> 3 & 7;
        return second >= 2 && second <= 5;
    case 0x0f: /* Jcc with a long displacement */
        return (code_byte(watch, operand) & ~0xf) == 0x80 && rip != operand + 5;
    default: /* Jcc, LOOPcc, JRCXZ with a short one */
        return ((opcode & ~0xf) == 0x70 || (opcode & ~3) == 0xe0) && rip != operand + 1;
    }
}

static int is_string(int opcode)
{
    return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf) || (opcode >= 0x6c && opcode <= 0x6f);
}

/* Before the instruction at `rip`: return whether a breakpoint is on it, else remember what is needed behind it. */
static int before_instruction(Core *core, uint64_t rip)
{
    Watch *watch = &core->watch;
    for (int i = 0; i < watch->count; i++)
        if (watch->points[i].kind == ON_EXECUTION && watch->points[i].address == rip) {
            core->debug_status = watch->points[i].bit;
            return 1;
        }
    decode(watch, rip);
    return 0;
}

/* Put on the flags of a watched run. */
void watch_begin(Core *core)
{
    uint64_t flags = (read_register(core, R_RFLAGS) & ~(uint64_t)IOPL) | TF | IOPL_WATCHED;
    core->reg_write(core->uc, R_RFLAGS, &flags);
}

/* Take them off. */
void watch_disguise(Core *core)
{
    uint64_t flags = read_register(core, R_RFLAGS) & ~(uint64_t)(IOPL | TF);
    if (core->watch.program_tf)
        flags |= TF;
    core->reg_write(core->uc, R_RFLAGS, &flags);
}

/* An instruction has been executed: return whether it is to be reported, with the reasons in debug_status as DR6 has
 * them. */
int watch_step(Core *core)
{
    Watch *watch = &core->watch;
    uint64_t rip = read_register(core, R_RIP), flags = read_register(core, R_RFLAGS);
    int status = watch->hits, repeated = rip == watch->at && is_string(watch->opcode);
    if (watch->program_tf && (!watch->branches || is_taken_branch(watch, rip)))
        status |= DR_STEP;
    if (watch->opcode == PUSHF && watch->written + 2 <= watch->ram_size) {
        char *pushed = (char *)watch->ram + watch->written;
        pushed[1] &= (char)~(IOPL >> 8);
        if (!watch->program_tf)
            pushed[1] &= (char)~(TF >> 8);
    } else if (watch->opcode == POPF || watch->opcode == IRET) {
        watch->program_tf = (flags & TF) != 0;
    }
    watch->hits = 0;
    if (status) {
        if (repeated) {
            flags |= RF;
            core->reg_write(core->uc, R_RFLAGS, &flags);
        }
        core->debug_status = status;
        return 1;
    }
    if (!repeated && before_instruction(core, rip))
        return 1;
    if (!(flags & TF))
        watch_begin(core);
    return 0;
}

static int unpack_points(Watch *watch, PyObject *points)
{
    Py_ssize_t count = PyTuple_Check(points) ? PyTuple_GET_SIZE(points) : 5;
    if (count > 4) {
        PyErr_SetString(PyExc_TypeError, "at most four watched places, in a tuple");
        return -1;
    }
    watch->count = (int)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        unsigned long long address, length;
        Point *point = &watch->points[i];
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(points, i), "iiKK", &point->bit, &point->kind, &address, &length))
            return -1;
        point->address = address;
        point->length = length;
    }
    return 0;
}

/* Begin a watched run.  Returns -1 with an exception, 1 if a breakpoint is on the first instruction (which is the end of
 * the run, too), else 0. */
int watch_start(Core *core, PyObject *points, int branches)
{
    Watch *watch = &core->watch;
    uint64_t flags = read_register(core, R_RFLAGS), rip = read_register(core, R_RIP);
    if (unpack_points(watch, points) < 0)
        return -1;
    watch->hits = 0;
    watch->branches = branches;
    watch->program_tf = (flags & TF) != 0;
    watch->code_base = 0;
    watch->cr3 = read_register(core, R_CR3);
    if (flags & RF)
        decode(watch, rip);
    else if (before_instruction(core, rip))
        return 1;
    if (watch->hook_add(core->uc, &watch->hooks[0], HOOK_MEM_READ, (void *)on_memory, core, 1, 0) != ERR_OK
        || watch->hook_add(core->uc, &watch->hooks[1], HOOK_MEM_WRITE, (void *)on_memory, core, 1, 0) != ERR_OK) {
        PyErr_NoMemory();
        return -1;
    }
    core->watching = 1;
    return 0;
}

void watch_end(Core *core)
{
    core->watching = 0;
    core->watch.hook_del(core->uc, core->watch.hooks[0]);
    core->watch.hook_del(core->uc, core->watch.hooks[1]);
}
