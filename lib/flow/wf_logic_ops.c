/* The operators of JsonLogic that only need their operands' values. */
#include "flow/wf_logic_int.h"

#include <math.h>
#include <string.h>

/* ---- comparing ---- */

static wf_value_t op_equal(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(
        wf_value_equal(e->pool, wf_operand_at(a, n, 0), wf_operand_at(a, n, 1)));
}

static wf_value_t op_unequal(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(
        !wf_value_equal(e->pool, wf_operand_at(a, n, 0), wf_operand_at(a, n, 1)));
}

static wf_value_t op_same(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(wf_value_same(wf_operand_at(a, n, 0), wf_operand_at(a, n, 1)));
}

static wf_value_t op_not_same(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(!wf_value_same(wf_operand_at(a, n, 0), wf_operand_at(a, n, 1)));
}

static int less(wf_eval_t *e, wf_value_t a, wf_value_t b)
{
    return wf_value_order(e->pool, a, b) == -1;
}

static int at_most(wf_eval_t *e, wf_value_t a, wf_value_t b)
{
    int order = wf_value_order(e->pool, a, b);

    return order == -1 || order == 0;
}

/* A third operand asks whether the second one lies between. */
static wf_value_t op_less(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(less(e, wf_operand_at(a, n, 0), wf_operand_at(a, n, 1)) &&
                            (n < 3 || less(e, a[1], a[2])));
}

static wf_value_t op_at_most(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(at_most(e, wf_operand_at(a, n, 0), wf_operand_at(a, n, 1)) &&
                            (n < 3 || at_most(e, a[1], a[2])));
}

static wf_value_t op_greater(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(less(e, wf_operand_at(a, n, 1), wf_operand_at(a, n, 0)));
}

static wf_value_t op_at_least(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(at_most(e, wf_operand_at(a, n, 1), wf_operand_at(a, n, 0)));
}

static wf_value_t op_truth(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(wf_value_is_true(wf_operand_at(a, n, 0)));
}

static wf_value_t op_not(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_boolean(!wf_value_is_true(wf_operand_at(a, n, 0)));
}

/* ---- numbers ---- */

static double number_at(wf_eval_t *e, const wf_value_t *a, size_t n, size_t i)
{
    return wf_value_to_number(e->pool, wf_operand_at(a, n, i));
}

static wf_value_t op_add(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    double sum = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        sum += wf_value_to_float(e->pool, a[i]);
    }
    return wf_value_number(sum);
}

static wf_value_t op_multiply(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    double product;
    size_t i;

    if (n == 0) {
        e->status = WF_EINVALID;
        return wf_value_of(NULL);
    }
    if (n == 1) {
        return a[0];
    }
    product = wf_value_to_float(e->pool, a[0]);
    for (i = 1; i < n; i++) {
        product *= wf_value_to_float(e->pool, a[i]);
    }
    return wf_value_number(product);
}

static wf_value_t op_subtract(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    double x = number_at(e, a, n, 0);

    return wf_value_number(n < 2 ? -x : x - number_at(e, a, n, 1));
}

static wf_value_t op_divide(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_number(number_at(e, a, n, 0) / number_at(e, a, n, 1));
}

static wf_value_t op_modulo(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return wf_value_number(fmod(number_at(e, a, n, 0), number_at(e, a, n, 1)));
}

/* `sign` 1: Math.max, -1: Math.min. */
static wf_value_t extreme(wf_eval_t *e, const wf_value_t *a, size_t n, int sign)
{
    double best = -INFINITY, x;
    size_t i;

    for (i = 0; i < n; i++) {
        x = sign * number_at(e, a, n, i);
        if (isnan(x)) {
            return wf_value_number(NAN);
        }
        best = x > best ? x : best;
    }
    return wf_value_number(sign * best);
}

static wf_value_t op_max(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return extreme(e, a, n, 1);
}

static wf_value_t op_min(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    return extreme(e, a, n, -1);
}

/* ---- text and lists ---- */

static wf_value_t op_cat(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    wf_buf_t out;
    size_t i;

    wf_buf_init(&out, e->pool, 64, WF_TEXT_MAX);
    for (i = 0; i < n; i++) {
        if (a[i].kind != WF_VALUE_NULL && a[i].kind != WF_VALUE_UNDEFINED) {
            wf_slice_t text = wf_value_to_text(e->pool, a[i]);
            wf_buf_add(&out, text.data, text.len);
        }
    }
    if (out.failed) {
        e->status = WF_ELIMIT;
        return wf_value_of(NULL);
    }
    return wf_value_text(out.data, out.len);
}

/* JavaScript's ToIntegerOrInfinity, kept within what any text has. */
static int64_t whole(double n)
{
    if (isnan(n)) {
        return 0;
    }
    return n > INT32_MAX ? INT32_MAX : n < -INT32_MAX ? -INT32_MAX : (int64_t)n;
}

static wf_value_t op_substr(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    wf_slice_t text = wf_value_to_text(e->pool, wf_operand_at(a, n, 0));
    int64_t count = (int64_t)wf_utf8_count(text.data, text.len);
    int64_t start = n > 1 ? whole(number_at(e, a, n, 1)) : 0;
    int64_t length =
        n > 2 && a[2].kind != WF_VALUE_UNDEFINED ? whole(number_at(e, a, n, 2)) : count;

    start = start < 0 ? (count + start > 0 ? count + start : 0) : start < count ? start : count;
    if (length < 0) {
        length += count - start; /* leaves that many off the end */
    }
    length = length < 0 ? 0 : length < count - start ? length : count - start;
    text = wf_value_chars(text, (size_t)start, (size_t)length);
    return wf_value_text(text.data, text.len);
}

static wf_value_t op_in(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    wf_value_t in = wf_operand_at(a, n, 1);
    wf_slice_t text;
    size_t i, len = wf_json_len(in.tree);

    if (wf_value_is_array(in)) {
        for (i = 0; i < len && wf_eval_spend(e, 1); i++) {
            if (wf_value_same(wf_operand_at(a, n, 0), wf_value_of(wf_json_at(in.tree, i)))) {
                return wf_value_boolean(1);
            }
        }
        return wf_value_boolean(0);
    }
    if (in.kind != WF_VALUE_STRING || in.text.len == 0) {
        return wf_value_boolean(0);
    }
    text = wf_value_to_text(e->pool, wf_operand_at(a, n, 0));
    return wf_value_boolean(memmem(in.text.data, in.text.len, text.data, text.len) != NULL);
}

static wf_value_t op_merge(wf_eval_t *e, const wf_value_t *a, size_t n)
{
    wf_json_t *all = wf_json_array_make(e->pool);
    size_t i, k;

    for (i = 0; i < n; i++) {
        if (!wf_value_is_array(a[i])) {
            wf_eval_push(e, all, a[i]);
            continue;
        }
        for (k = 0; k < wf_json_len(a[i].tree) && e->status == WF_OK; k++) {
            wf_eval_push(e, all, wf_value_of(wf_json_at(a[i].tree, k)));
        }
    }
    return wf_value_of(all);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    wf_operation_t operation;
} operations[] = {
    {"==", {{2, 2, 0}, op_equal}},     {"===", {{2, 2, 0}, op_same}},
    {"!=", {{2, 2, 0}, op_unequal}},   {"!==", {{2, 2, 0}, op_not_same}},
    {"!", {{1, 1, 0}, op_not}},        {"!!", {{1, 1, 0}, op_truth}},
    {"<", {{2, 3, 0}, op_less}},       {"<=", {{2, 3, 0}, op_at_most}},
    {">", {{2, 2, 0}, op_greater}},    {">=", {{2, 2, 0}, op_at_least}},
    {"in", {{2, 2, 0}, op_in}},        {"+", {{1, -1, 0}, op_add}},
    {"-", {{1, 2, 0}, op_subtract}},   {"*", {{1, -1, 0}, op_multiply}},
    {"/", {{2, 2, 0}, op_divide}},     {"%", {{2, 2, 0}, op_modulo}},
    {"max", {{1, -1, 0}, op_max}},     {"min", {{1, -1, 0}, op_min}},
    {"cat", {{1, -1, 0}, op_cat}},     {"substr", {{2, 3, 0}, op_substr}},
    {"merge", {{0, -1, 0}, op_merge}},
};

const wf_operation_t *wf_logic_operation(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, name) == 0) {
            return &operations[i].operation;
        }
    }
    return NULL;
}
