/* Rows: what is done to the 512 entries of one page-table page at a time.
 *
 * The same as emu/rows.py, which documents the operations.  Guest RAM, the reference counts of its frames and their marks
 * of executable code are fixed mappings of the host, handed in by address; a row is named by its frame number.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_FRAME 0x000FFFFFFFFFF000ull

typedef struct {
    PyObject_HEAD
    uint64_t *memory;
    uint32_t *counts;
    uint8_t *code;
} Rows;

static int rows_init(Rows *rows, PyObject *arguments, PyObject *keywords)
{
    unsigned long long memory, counts, code;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "KKK", &memory, &counts, &code))
        return -1;
    rows->memory = (uint64_t *)(uintptr_t)memory;
    rows->counts = (uint32_t *)(uintptr_t)counts;
    rows->code = (uint8_t *)(uintptr_t)code;
    return 0;
}

static int unpack(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t wanted, unsigned long long *values)
{
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "%zd arguments wanted", wanted);
        return -1;
    }
    for (Py_ssize_t i = 0; i < wanted; i++) {
        values[i] = PyLong_AsUnsignedLongLong(arguments[i]);
        if (values[i] == (unsigned long long)-1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static PyObject *rows_share(Rows *rows, PyObject *const *arguments, Py_ssize_t count)
{
    unsigned long long v[2];
    uint64_t *from, *to;
    if (unpack(arguments, count, 2, v) < 0)
        return NULL;
    from = rows->memory + (v[0] << 9);
    to = rows->memory + (v[1] << 9);
    for (int i = 0; i < 512; i++) {
        uint64_t entry = from[i];
        if (entry & PTE_P) {
            entry &= ~PTE_W;
            from[i] = entry;
            rows->counts[(entry & PTE_FRAME) >> 12]++;
        }
        to[i] = entry;
    }
    Py_RETURN_NONE;
}

static PyObject *rows_release(Rows *rows, PyObject *const *arguments, Py_ssize_t count)
{
    unsigned long long v[3];
    uint32_t plain[512], code[512];
    Py_ssize_t plains = 0, codes = 0, present = 0;
    uint64_t *row;
    if (unpack(arguments, count, 3, v) < 0)
        return NULL;
    row = rows->memory + (v[0] << 9);
    for (unsigned long long i = v[1]; i < v[2] && i < 512; i++) {
        uint64_t entry = row[i];
        uint32_t frame;
        if (!(entry & PTE_P))
            continue;
        row[i] = 0;
        present++;
        frame = (uint32_t)((entry & PTE_FRAME) >> 12);
        if (--rows->counts[frame] == 0) {
            if (rows->code[frame])
                code[codes++] = frame;
            else
                plain[plains++] = frame;
        }
    }
    return Py_BuildValue("ny#y#", present, (char *)plain, plains * 4, (char *)code, codes * 4);
}

static PyObject *rows_entries(Rows *rows, PyObject *const *arguments, Py_ssize_t count)
{
    unsigned long long v[3];
    uint64_t *row;
    PyObject *list;
    if (unpack(arguments, count, 3, v) < 0)
        return NULL;
    list = PyList_New(0);
    if (list == NULL)
        return NULL;
    row = rows->memory + (v[0] << 9);
    for (unsigned long long i = v[1]; i < v[2] && i < 512; i++) {
        PyObject *pair;
        if (!(row[i] & PTE_P))
            continue;
        pair = Py_BuildValue("KK", i, (unsigned long long)row[i]);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_XDECREF(pair);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(pair);
    }
    return list;
}

static PyObject *rows_mask(Rows *rows, PyObject *const *arguments, Py_ssize_t count)
{
    unsigned long long v[5];
    uint64_t *row;
    long changed = 0;
    if (unpack(arguments, count, 5, v) < 0)
        return NULL;
    row = rows->memory + (v[0] << 9);
    for (unsigned long long i = v[1]; i < v[2] && i < 512; i++) {
        uint64_t entry = row[i], now = (entry & v[3]) | v[4];
        if ((entry & PTE_P) && now != entry) {
            row[i] = now;
            changed++;
        }
    }
    return PyLong_FromLong(changed);
}

static PyObject *rows_count(Rows *rows, PyObject *argument)
{
    unsigned long long frame = PyLong_AsUnsignedLongLong(argument);
    uint64_t *row;
    long present = 0;
    if (frame == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    row = rows->memory + (frame << 9);
    for (int i = 0; i < 512; i++)
        present += row[i] & PTE_P;
    return PyLong_FromLong(present);
}

static PyMethodDef rows_methods[] = {
    {"share", (PyCFunction)(void (*)(void))rows_share, METH_FASTCALL, "share(source, target)"},
    {"release", (PyCFunction)(void (*)(void))rows_release, METH_FASTCALL, "release(table, low, high)"},
    {"entries", (PyCFunction)(void (*)(void))rows_entries, METH_FASTCALL, "entries(table, low, high)"},
    {"mask", (PyCFunction)(void (*)(void))rows_mask, METH_FASTCALL, "mask(table, low, high, keep, add)"},
    {"count", (PyCFunction)rows_count, METH_O, "count(table)"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject RowsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "emu._engine.Rows",
    .tp_basicsize = sizeof(Rows),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Rows of 512 page-table entries in guest RAM.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)rows_init,
    .tp_methods = rows_methods,
};
