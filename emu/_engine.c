/* The hot loop of the machine: run the engine until a trap, registers and page-table rows without ctypes.
 *
 * Everything here also exists in pure Python (emu/core.py, emu/rows.py) with the same results; this file only makes
 * it fast.  No header of Unicorn is needed: the addresses of its functions are handed in at run time.  The GIL is kept
 * while the guest runs (the hooks are plain C and touch only this struct); it is offered to other threads, and Python's
 * signal handlers get their turn, every CHUNK basic blocks.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <string.h>

#include "_core.h"

#define CHUNK 65536

static void on_block(void *uc, uint64_t address, uint32_t size, Core *core)
{
    (void)address;
    (void)size;
    if (--core->left < 0)
        core->emu_stop(uc);
}

static void on_syscall(void *uc, Core *core)
{
    core->trap = TRAP_SYSCALL;
    core->emu_stop(uc);
}

static void on_sysenter(void *uc, Core *core)
{
    core->trap = TRAP_EXCEPTION;
    core->sysenter = 1;
    core->emu_stop(uc);
}

/* The engine does not ask whether a program may use I/O ports.  It cannot be left in the middle of a block either: the state
 * at the instruction is kept, and without a page table nothing behind it reaches memory. */
static void refuse_port(void *uc, Core *core)
{
    uint64_t nothing = 0;
    if (!core->port) {
        core->context_save(uc, core->scratch);
        core->reg_write(uc, R_CR3, &nothing);
        core->port = 1;
    }
    core->emu_stop(uc);
}

static uint32_t on_in(void *uc, uint32_t port, int size, Core *core)
{
    (void)port;
    (void)size;
    refuse_port(uc, core);
    return 0;
}

static void on_out(void *uc, uint32_t port, int size, uint32_t value, Core *core)
{
    (void)port;
    (void)size;
    (void)value;
    refuse_port(uc, core);
}

static void on_interrupt(void *uc, uint32_t vector, Core *core)
{
    /* With TF set the engine reports a step right behind a system call: the call comes first. */
    if (core->trap != TRAP_SYSCALL) {
        if (!core->watching || vector != 1)
            core->debug_status = DR_STEP;
        else if (!watch_step(core))
            return;
        core->vector = (int)vector;
        core->trap = TRAP_EXCEPTION;
    }
    core->emu_stop(uc);
}

/* Forget the exception just delivered (Unicorn itself never does, so that the next one would count as a double fault),
 * pick up its error code, and tell whether it was an `int` instruction. */
static int settle_exception(Core *core)
{
    int32_t none = -1, code = 0, software = 0;
    core->context_save(core->uc, core->scratch);
    memcpy(&code, core->scratch + core->error_code_at, sizeof code);
    memcpy(&software, core->scratch + core->is_int_at, sizeof software);
    memcpy(core->scratch + core->old_exception, &none, sizeof none);
    core->context_restore(core->uc, core->scratch);
    core->error_code = code;
    return software;
}

/* Turn what the hooks saw of an exception into a trap. */
static int finish_exception(Core *core)
{
    int software;
    uint64_t rip;
    if (core->sysenter) { /* 64-bit Linux programs cannot use it: #UD at the instruction */
        rip = read_register(core, R_RIP) - 2;
        core->reg_write(core->uc, R_RIP, &rip);
        core->vector = 6;
        return TRAP_EXCEPTION;
    }
    software = settle_exception(core);
    if (software && core->vector == 128)
        return TRAP_INT80;
    if (software && core->vector != 3 && core->vector != 4) {
        /* Every other gate is closed for CPL 3: #GP at the instruction. */
        rip = read_register(core, R_RIP) - 2;
        core->reg_write(core->uc, R_RIP, &rip);
        core->error_code = core->vector << 3 | 2;
        core->vector = 13;
        return TRAP_EXCEPTION;
    }
    if (core->vector == 14) {
        core->fault_address = read_register(core, R_CR2);
        return TRAP_PAGE_FAULT;
    }
    return TRAP_EXCEPTION;
}

static int finish_syscall(Core *core)
{
    static const int arguments[7] = {R_RAX, R_RDI, R_RSI, R_RDX, R_R10, R_R8, R_R9};
    uint64_t rip = read_register(core, R_RIP), flags = read_register(core, R_RFLAGS);
    PyObject *tuple = PyTuple_New(7);
    if (tuple == NULL)
        return -1;
    for (int i = 0; i < 7; i++) {
        PyObject *value = PyLong_FromUnsignedLongLong(read_register(core, arguments[i]));
        if (value == NULL) {
            Py_DECREF(tuple);
            return -1;
        }
        PyTuple_SET_ITEM(tuple, i, value);
    }
    Py_XSETREF(core->syscall, tuple);
    core->reg_write(core->uc, R_RCX, &rip);
    core->reg_write(core->uc, R_R11, &flags);
    return 0;
}

static PyObject *stopped_by_itself(int error)
{
    PyObject *module = PyImport_ImportModule("emu.unicorn_abi");
    PyObject *type = module == NULL ? NULL : PyObject_GetAttrString(module, "MachineError");
    if (type != NULL && error == ERR_RESOURCE)
        PyErr_SetString(type, "the guest made the engine abort too often with instructions that do not exist");
    else if (type != NULL)
        PyErr_Format(type, "the engine stopped for no reason of the guest (error %d)", error);
    Py_XDECREF(type);
    Py_XDECREF(module);
    return NULL;
}

static PyObject *run(Core *core, long long budget)
{
    long long executed = 0;
    int trap;
    for (;;) {
        long long slice = budget - executed;
        int error;
        if (core->attention) {
            core->attention = 0;
            trap = TRAP_INTERRUPTED;
            break;
        }
        if (slice > CHUNK)
            slice = CHUNK;
        core->left = slice;
        core->trap = TRAP_NONE;
        core->sysenter = core->port = 0;
        if (core->watching)
            watch_begin(core);
        error = start_engine(core, read_register(core, R_RIP));
        executed += core->left < 0 ? slice : slice - core->left;
        core->blocks = executed;
        trap = core->trap;
        if (core->port) { /* #GP at the instruction, whatever the rest of the block did */
            uint64_t table;
            core->context_restore(core->uc, core->scratch);
            table = read_register(core, R_CR3);
            core->reg_write(core->uc, R_CR3, &table);
            if (core->watching)
                watch_disguise(core);
            core->vector = 13;
            core->error_code = 0;
            trap = TRAP_EXCEPTION;
            break;
        }
        if (core->watching)
            watch_disguise(core);
        if (trap == TRAP_SYSCALL) {
            if (finish_syscall(core) < 0)
                return NULL;
            break;
        }
        if (trap == TRAP_EXCEPTION) {
            trap = finish_exception(core);
            break;
        }
        if (error == ERR_INSN_INVALID) {
            settle_exception(core);
            core->vector = 6;
            trap = TRAP_EXCEPTION;
            break;
        }
        if (error != ERR_OK || core->left >= 0) {
            return stopped_by_itself(error);
        }
        if (executed >= budget) {
            trap = TRAP_BUDGET;
            break;
        }
        if (PyErr_CheckSignals() < 0)
            return NULL;
        Py_BEGIN_ALLOW_THREADS
        Py_END_ALLOW_THREADS
    }
    core->blocks = executed;
    return PyLong_FromLong(trap);
}

static PyObject *core_run(Core *core, PyObject *argument)
{
    long long budget = PyLong_AsLongLong(argument);
    if (budget == -1 && PyErr_Occurred())
        return NULL;
    return run(core, budget);
}

static PyObject *core_watch(Core *core, PyObject *const *arguments, Py_ssize_t count)
{
    long long budget;
    int started;
    PyObject *trap;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "watch(budget, points, branches)");
        return NULL;
    }
    budget = PyLong_AsLongLong(arguments[0]);
    if (budget == -1 && PyErr_Occurred())
        return NULL;
    started = watch_start(core, arguments[1], PyObject_IsTrue(arguments[2]));
    if (started < 0)
        return NULL;
    if (started) {
        core->blocks = 0;
        core->vector = 1;
        return PyLong_FromLong(TRAP_EXCEPTION);
    }
    trap = run(core, budget);
    watch_end(core);
    return trap;
}

static PyObject *core_interrupt(Core *core, PyObject *unused)
{
    (void)unused;
    core->attention = 1;
    Py_RETURN_NONE;
}

static PyObject *core_get(Core *core, PyObject *argument)
{
    long reg = PyLong_AsLong(argument);
    if (reg == -1 && PyErr_Occurred())
        return NULL;
    return PyLong_FromUnsignedLongLong(read_register(core, (int)reg));
}

static PyObject *core_set(Core *core, PyObject *const *arguments, Py_ssize_t count)
{
    long reg;
    uint64_t value;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "set(reg, value)");
        return NULL;
    }
    reg = PyLong_AsLong(arguments[0]);
    value = PyLong_AsUnsignedLongLongMask(arguments[1]);
    if (PyErr_Occurred())
        return NULL;
    core->reg_write(core->uc, (int)reg, &value);
    Py_RETURN_NONE;
}

/* A saved context is a bytearray of context_size bytes; anything else is a mistake of the caller. */
static char *context_bytes(Core *core, PyObject *object)
{
    if (!PyByteArray_CheckExact(object) || (size_t)PyByteArray_GET_SIZE(object) != core->context_size) {
        PyErr_SetString(PyExc_TypeError, "a saved context is a bytearray of context_size bytes");
        return NULL;
    }
    return PyByteArray_AS_STRING(object);
}

static PyObject *core_context_get(Core *core, PyObject *const *arguments, Py_ssize_t count)
{
    char *context;
    long reg;
    uint64_t value = 0;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "context_get(context, reg)");
        return NULL;
    }
    context = context_bytes(core, arguments[0]);
    reg = PyLong_AsLong(arguments[1]);
    if (context == NULL || PyErr_Occurred())
        return NULL;
    core->context_reg_read(context, (int)reg, &value);
    return PyLong_FromUnsignedLongLong(value);
}

static PyObject *core_context_set(Core *core, PyObject *const *arguments, Py_ssize_t count)
{
    char *context;
    long reg;
    uint64_t value;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "context_set(context, reg, value)");
        return NULL;
    }
    context = context_bytes(core, arguments[0]);
    reg = PyLong_AsLong(arguments[1]);
    value = PyLong_AsUnsignedLongLongMask(arguments[2]);
    if (context == NULL || PyErr_Occurred())
        return NULL;
    core->context_reg_write(context, (int)reg, &value);
    Py_RETURN_NONE;
}

static PyObject *core_save(Core *core, PyObject *argument)
{
    char *context = context_bytes(core, argument);
    if (context == NULL)
        return NULL;
    core->context_save(core->uc, context);
    Py_RETURN_NONE;
}

static PyObject *core_restore(Core *core, PyObject *argument)
{
    char *context = context_bytes(core, argument);
    if (context == NULL)
        return NULL;
    core->context_restore(core->uc, context);
    Py_RETURN_NONE;
}

/* A pointer, or an offset, out of the tuple the constructor gets. */
static int unpack_address(PyObject *tuple, Py_ssize_t index, void *result)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(tuple, index));
    size_t address = (size_t)value;
    if (PyErr_Occurred())
        return -1;
    memcpy(result, &address, sizeof address);
    return 0;
}

static int core_init(Core *core, PyObject *arguments, PyObject *keywords)
{
    PyObject *functions;
    Py_ssize_t size, old_exception, error_code, is_int;
    unsigned long long uc, ram, ram_size;
    char *template;
    Py_ssize_t template_size;
    if (keywords != NULL && PyDict_GET_SIZE(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "Core takes no keyword arguments");
        return -1;
    }
    if (!PyArg_ParseTuple(arguments, "KO!y#nnnKK", &uc, &PyTuple_Type, &functions, &template, &template_size,
                          &old_exception, &error_code, &is_int, &ram, &ram_size))
        return -1;
    size = template_size;
    if (PyTuple_GET_SIZE(functions) != 10 || old_exception < 0 || error_code < 0 || is_int < 0
        || old_exception + 4 > size || error_code + 4 > size || is_int + 4 > size) {
        PyErr_SetString(PyExc_ValueError, "Core: ten functions and three offsets inside the context are needed");
        return -1;
    }
    core->uc = (void *)(uintptr_t)uc;
    if (unpack_address(functions, 0, &core->emu_start) < 0 || unpack_address(functions, 1, &core->emu_stop) < 0
        || unpack_address(functions, 2, &core->reg_read) < 0 || unpack_address(functions, 3, &core->reg_write) < 0
        || unpack_address(functions, 4, &core->context_save) < 0
        || unpack_address(functions, 5, &core->context_restore) < 0
        || unpack_address(functions, 6, &core->context_reg_read) < 0
        || unpack_address(functions, 7, &core->context_reg_write) < 0
        || unpack_address(functions, 8, &core->watch.hook_add) < 0
        || unpack_address(functions, 9, &core->watch.hook_del) < 0)
        return -1;
    core->watch.ram = (const char *)(uintptr_t)ram;
    core->watch.ram_size = ram_size;
    PyMem_Free(core->scratch);
    core->scratch = PyMem_Malloc((size_t)size);
    if (core->scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(core->scratch, template, (size_t)size);
    core->context_size = (size_t)size;
    core->old_exception = (size_t)old_exception;
    core->error_code_at = (size_t)error_code;
    core->is_int_at = (size_t)is_int;
    Py_XSETREF(core->syscall, PyTuple_New(0));
    watch_abort();
    return 0;
}

static void core_dealloc(Core *core)
{
    PyMem_Free(core->scratch);
    Py_XDECREF(core->syscall);
    Py_TYPE(core)->tp_free((PyObject *)core);
}

/* What Engine registers with uc_hook_add: type, instruction (0: none), function, user data. */
static PyObject *core_hooks(Core *core, PyObject *unused)
{
    unsigned long long data = (unsigned long long)(uintptr_t)core;
    (void)unused;
    return Py_BuildValue("[(iiKK)(iiKK)(iiKK)(iiKK)(iiKK)(iiKK)]",
                         HOOK_BLOCK, 0, (unsigned long long)(uintptr_t)on_block, data,
                         HOOK_INSN, INS_SYSCALL, (unsigned long long)(uintptr_t)on_syscall, data,
                         HOOK_INSN, INS_SYSENTER, (unsigned long long)(uintptr_t)on_sysenter, data,
                         HOOK_INSN, INS_IN, (unsigned long long)(uintptr_t)on_in, data,
                         HOOK_INSN, INS_OUT, (unsigned long long)(uintptr_t)on_out, data,
                         HOOK_INTR, 0, (unsigned long long)(uintptr_t)on_interrupt, data);
}

static PyMethodDef core_methods[] = {
    {"run", (PyCFunction)core_run, METH_O, "Run at most this many basic blocks; return a trap code."},
    {"watch", (PyCFunction)(void (*)(void))core_watch, METH_FASTCALL, "Run with hardware breakpoints; return a trap code."},
    {"interrupt", (PyCFunction)core_interrupt, METH_NOARGS, "Make run return INTERRUPTED soon."},
    {"get", (PyCFunction)core_get, METH_O, "Read a register."},
    {"set", (PyCFunction)(void (*)(void))core_set, METH_FASTCALL, "Write a register."},
    {"context_get", (PyCFunction)(void (*)(void))core_context_get, METH_FASTCALL, "Read a register of a context."},
    {"context_set", (PyCFunction)(void (*)(void))core_context_set, METH_FASTCALL, "Write a register of a context."},
    {"save", (PyCFunction)core_save, METH_O, "Save the register file into a bytearray."},
    {"restore", (PyCFunction)core_restore, METH_O, "Load the register file from a bytearray."},
    {"hooks", (PyCFunction)core_hooks, METH_NOARGS, "The hooks to install."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef core_members[] = {
    {"syscall", T_OBJECT_EX, offsetof(Core, syscall), READONLY, "rax, rdi, rsi, rdx, r10, r8, r9 of the last syscall"},
    {"blocks", T_LONGLONG, offsetof(Core, blocks), READONLY, "basic blocks executed by the last run"},
    {"fault_address", T_ULONGLONG, offsetof(Core, fault_address), READONLY, "CR2 of the last page fault"},
    {"vector", T_INT, offsetof(Core, vector), READONLY, "vector of the last exception"},
    {"debug_status", T_INT, offsetof(Core, debug_status), READONLY, "DR6 of the last debug exception of a watched run"},
    {"error_code", T_INT, offsetof(Core, error_code), READONLY, "error code of the last exception"},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject CoreType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "emu._engine.Core",
    .tp_basicsize = sizeof(Core),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The engine's run loop.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)core_init,
    .tp_dealloc = (destructor)core_dealloc,
    .tp_methods = core_methods,
    .tp_members = core_members,
};

/* A register as an attribute of a RegisterFile: emu.cpu._Register without byte code. */
typedef struct {
    PyObject_HEAD
    int reg;
} Register;

static PyObject *unit_name, *core_name, *cpu_name, *context_name;

/* Return the core a register file is loaded in, or with *context set one that can work on its saved form; new references. */
static Core *core_of(PyObject *state, PyObject **context)
{
    PyObject *holder = PyObject_GetAttr(state, unit_name), *core;
    *context = NULL;
    if (holder == Py_None) {
        Py_DECREF(holder);
        *context = PyObject_GetAttr(state, context_name);
        holder = *context == NULL ? NULL : PyObject_GetAttr(state, cpu_name);
    }
    core = holder == NULL ? NULL : PyObject_GetAttr(holder, core_name);
    Py_XDECREF(holder);
    if (core != NULL && Py_IS_TYPE(core, &CoreType) && (*context == NULL || context_bytes((Core *)core, *context) != NULL))
        return (Core *)core;
    if (core != NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "the register file belongs to another kind of core");
    Py_XDECREF(core);
    Py_CLEAR(*context);
    return NULL;
}

static PyObject *register_get(Register *self, PyObject *state, PyObject *owner)
{
    PyObject *context;
    Core *core;
    uint64_t value = 0;
    (void)owner;
    if (state == NULL || state == Py_None)
        return Py_NewRef(self);
    core = core_of(state, &context);
    if (core == NULL)
        return NULL;
    if (context == NULL)
        core->reg_read(core->uc, self->reg, &value);
    else
        core->context_reg_read(PyByteArray_AS_STRING(context), self->reg, &value);
    Py_DECREF(core);
    Py_XDECREF(context);
    return PyLong_FromUnsignedLongLong(value);
}

static int register_set(Register *self, PyObject *state, PyObject *number)
{
    PyObject *context;
    Core *core;
    uint64_t value;
    if (number == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a register cannot be deleted");
        return -1;
    }
    value = PyLong_AsUnsignedLongLongMask(number);
    if (value == (uint64_t)-1 && PyErr_Occurred())
        return -1;
    core = core_of(state, &context);
    if (core == NULL)
        return -1;
    if (context == NULL)
        core->reg_write(core->uc, self->reg, &value);
    else
        core->context_reg_write(PyByteArray_AS_STRING(context), self->reg, &value);
    Py_DECREF(core);
    Py_XDECREF(context);
    return 0;
}

static int register_init(Register *self, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    return PyArg_ParseTuple(arguments, "i", &self->reg) ? 0 : -1;
}

static PyTypeObject RegisterType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "emu._engine.Register",
    .tp_basicsize = sizeof(Register),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "A 64-bit register as an attribute of a register file.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)register_init,
    .tp_descr_get = (descrgetfunc)register_get,
    .tp_descr_set = (descrsetfunc)register_set,
};

/* Rows of page-table entries, in _rows.c. */
extern PyTypeObject RowsType;

static struct PyModuleDef engine_module = {
    PyModuleDef_HEAD_INIT, "_engine", "Accelerated parts of the machine.", -1, NULL, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__engine(void)
{
    PyObject *module;
    if (PyType_Ready(&CoreType) < 0 || PyType_Ready(&RegisterType) < 0 || PyType_Ready(&RowsType) < 0)
        return NULL;
    unit_name = PyUnicode_InternFromString("unit");
    core_name = PyUnicode_InternFromString("core");
    cpu_name = PyUnicode_InternFromString("cpu");
    context_name = PyUnicode_InternFromString("context");
    if (unit_name == NULL || core_name == NULL || cpu_name == NULL || context_name == NULL)
        return NULL;
    module = PyModule_Create(&engine_module);
    if (module == NULL)
        return NULL;
    if (PyModule_AddObjectRef(module, "Core", (PyObject *)&CoreType) < 0
        || PyModule_AddObjectRef(module, "Register", (PyObject *)&RegisterType) < 0
        || PyModule_AddObjectRef(module, "Rows", (PyObject *)&RowsType) < 0
        || PyModule_AddIntConstant(module, "CHUNK", CHUNK) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
