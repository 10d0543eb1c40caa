/* JsonLogic, operator by operator as json-logic-js 2 computes it (jsonlogic.com/operations.html).
 */
#include "flow/wf_logic_int.h"

#include <string.h>

static wf_value_t eval(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *logic);

static wf_value_t undefined(void)
{
    return wf_value_of(NULL);
}

static wf_value_t null_value(void)
{
    wf_value_t v = undefined();

    v.kind = WF_VALUE_NULL;
    return v;
}

int wf_eval_spend(wf_eval_t *e, size_t steps)
{
    if (e->status == WF_OK && steps <= (size_t)(WF_LOGIC_STEPS - e->steps)) {
        e->steps += (int)steps;
        return 1;
    }
    e->status = e->status == WF_OK ? WF_ELIMIT : e->status;
    return 0;
}

void wf_eval_push(wf_eval_t *e, wf_json_t *array, wf_value_t v)
{
    if (wf_eval_spend(e, 1)) {
        wf_json_push(array, wf_value_json(e->pool, v));
    }
}

int wf_value_is_array(wf_value_t v)
{
    return v.kind == WF_VALUE_TREE && wf_json_type(v.tree) == WF_JSON_ARRAY;
}

wf_value_t wf_operand_at(const wf_value_t *a, size_t n, size_t i)
{
    return i < n ? a[i] : undefined();
}

/* ---- data ---- */

static wf_value_t read_var(wf_eval_t *e, const wf_scope_t *scope, wf_value_t path)
{
    wf_slice_t text = {"", 0};

    if (path.kind != WF_VALUE_UNDEFINED && path.kind != WF_VALUE_NULL) {
        text = wf_value_to_text(e->pool, path);
    }
    return wf_scope_read(scope, text.data, text.len);
}

static wf_value_t op_var(wf_eval_t *e, const wf_scope_t *scope, const wf_value_t *a, size_t n)
{
    wf_value_t found = read_var(e, scope, wf_operand_at(a, n, 0));

    if (found.kind != WF_VALUE_UNDEFINED) {
        return found;
    }
    return wf_operand_at(a, n, 1).kind == WF_VALUE_UNDEFINED ? null_value() : a[1];
}

static void push_if_missing(wf_eval_t *e, const wf_scope_t *scope, wf_json_t *missing,
                            wf_value_t key)
{
    wf_value_t v = read_var(e, scope, key);

    if (v.kind == WF_VALUE_UNDEFINED || v.kind == WF_VALUE_NULL ||
        (v.kind == WF_VALUE_STRING && v.text.len == 0)) {
        wf_eval_push(e, missing, key);
    }
}

static wf_json_t *missing_of(wf_eval_t *e, const wf_scope_t *scope, const wf_value_t *a, size_t n)
{
    wf_json_t *missing = wf_json_array_make(e->pool);
    size_t i;

    if (wf_value_is_array(wf_operand_at(a, n, 0))) {
        for (i = 0; i < wf_json_len(a[0].tree) && wf_eval_spend(e, 1); i++) {
            push_if_missing(e, scope, missing, wf_value_of(wf_json_at(a[0].tree, i)));
        }
        return missing;
    }
    for (i = 0; i < n; i++) {
        push_if_missing(e, scope, missing, a[i]);
    }
    return missing;
}

static wf_value_t op_missing(wf_eval_t *e, const wf_scope_t *scope, const wf_value_t *a, size_t n)
{
    return wf_value_of(missing_of(e, scope, a, n));
}

static wf_value_t op_missing_some(wf_eval_t *e, const wf_scope_t *scope, const wf_value_t *a,
                                  size_t n)
{
    wf_value_t options = wf_operand_at(a, n, 1);
    wf_json_t *missing = missing_of(e, scope, &options, 1);
    double given = (double)wf_json_len(options.tree) - (double)wf_json_len(missing);

    if (wf_value_is_array(options) &&
        given >= wf_value_to_number(e->pool, wf_operand_at(a, n, 0))) {
        return wf_value_of(wf_json_array_make(e->pool));
    }
    return wf_value_of(missing);
}

/* ---- operators that choose what they evaluate ---- */

/* An operand that is no array stands for an array of one. */
static size_t operand_count(const wf_json_t *operands)
{
    return wf_json_type(operands) == WF_JSON_ARRAY ? wf_json_len(operands) : 1;
}

static const wf_json_t *operand(const wf_json_t *operands, size_t i)
{
    if (wf_json_type(operands) == WF_JSON_ARRAY) {
        return wf_json_at(operands, i);
    }
    return i == 0 ? operands : NULL;
}

static wf_value_t op_if(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    size_t i, n = operand_count(operands);

    for (i = 0; i + 1 < n; i += 2) {
        if (wf_value_is_true(eval(e, scope, operand(operands, i)))) {
            return eval(e, scope, operand(operands, i + 1));
        }
    }
    return i < n ? eval(e, scope, operand(operands, i)) : null_value();
}

/* The first value that is `truth`, else the last one. */
static wf_value_t first_that_is(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands,
                                int truth)
{
    wf_value_t v = undefined();
    size_t i;

    for (i = 0; i < operand_count(operands); i++) {
        v = eval(e, scope, operand(operands, i));
        if (wf_value_is_true(v) == truth) {
            break;
        }
    }
    return v;
}

static wf_value_t op_and(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    return first_that_is(e, scope, operands, 0);
}

static wf_value_t op_or(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    return first_that_is(e, scope, operands, 1);
}

/* The list that operand 0 gives; NULL if it gives none. */
static const wf_json_t *list_of(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    wf_value_t v = eval(e, scope, operand(operands, 0));

    return wf_value_is_array(v) ? v.tree : NULL;
}

/* Operand 1 for an element, which is all it can read. */
static wf_value_t for_element(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands,
                              wf_value_t element, const wf_value_t *accumulator)
{
    wf_scope_t inner = *scope;

    inner.is_element = 1;
    inner.element = element;
    inner.accumulator = accumulator;
    return eval(e, &inner, operand(operands, 1));
}

static wf_value_t op_map(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    const wf_json_t *list = list_of(e, scope, operands);
    wf_json_t *out = wf_json_array_make(e->pool);
    size_t i;

    for (i = 0; i < wf_json_len(list) && e->status == WF_OK; i++) {
        wf_eval_push(e, out,
                     for_element(e, scope, operands, wf_value_of(wf_json_at(list, i)), NULL));
    }
    return wf_value_of(out);
}

static wf_value_t op_filter(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    const wf_json_t *list = list_of(e, scope, operands);
    wf_json_t *out = wf_json_array_make(e->pool);
    size_t i;

    for (i = 0; i < wf_json_len(list) && e->status == WF_OK; i++) {
        wf_value_t element = wf_value_of(wf_json_at(list, i));
        if (wf_value_is_true(for_element(e, scope, operands, element, NULL))) {
            wf_eval_push(e, out, element);
        }
    }
    return wf_value_of(out);
}

static wf_value_t op_reduce(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    const wf_json_t *list = list_of(e, scope, operands), *initial = operand(operands, 2);
    wf_value_t accumulator = initial ? eval(e, scope, initial) : null_value();
    size_t i;

    for (i = 0; i < wf_json_len(list) && e->status == WF_OK; i++) {
        wf_value_t before = accumulator;
        accumulator = for_element(e, scope, operands, wf_value_of(wf_json_at(list, i)), &before);
    }
    return accumulator;
}

/* Is there an element whose truth is `truth`? */
static int has_element(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands,
                       const wf_json_t *list, int truth)
{
    size_t i;

    for (i = 0; i < wf_json_len(list) && e->status == WF_OK; i++) {
        wf_value_t element = wf_value_of(wf_json_at(list, i));
        if (wf_value_is_true(for_element(e, scope, operands, element, NULL)) == truth) {
            return 1;
        }
    }
    return 0;
}

static wf_value_t op_all(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    const wf_json_t *list = list_of(e, scope, operands);

    return wf_value_boolean(wf_json_len(list) > 0 && !has_element(e, scope, operands, list, 0));
}

static wf_value_t op_some(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    return wf_value_boolean(has_element(e, scope, operands, list_of(e, scope, operands), 1));
}

static wf_value_t op_none(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands)
{
    return wf_value_boolean(!has_element(e, scope, operands, list_of(e, scope, operands), 1));
}

/* ---- the table ---- */

typedef struct {
    const char *name;
    wf_operator_rule_t rule; /* the number of operands is demanded when logic is saved */
    wf_value_t (*eager)(wf_eval_t *e, const wf_scope_t *scope, const wf_value_t *a, size_t n);
    wf_value_t (*lazy)(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *operands);
} scoped_t;

/* Operators that read the scope. `log` is nowhere: a rule has nobody to tell. */
static const scoped_t scoped_operators[] = {
    {"var", {0, 2, 0}, op_var, NULL},
    {"missing", {1, -1, 0}, op_missing, NULL},
    {"missing_some", {2, 2, 0}, op_missing_some, NULL},
    {"and", {1, -1, 0}, NULL, op_and},
    {"or", {1, -1, 0}, NULL, op_or},
    {"if", {1, -1, 0}, NULL, op_if},
    {"?:", {1, -1, 0}, NULL, op_if},
    {"map", {2, 2, 1}, NULL, op_map},
    {"filter", {2, 2, 1}, NULL, op_filter},
    {"reduce", {2, 3, 1}, NULL, op_reduce},
    {"all", {2, 2, 1}, NULL, op_all},
    {"some", {2, 2, 1}, NULL, op_some},
    {"none", {2, 2, 1}, NULL, op_none},
};

static const scoped_t *find_scoped(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(scoped_operators) / sizeof(scoped_operators[0]); i++) {
        if (strcmp(scoped_operators[i].name, name) == 0) {
            return &scoped_operators[i];
        }
    }
    return NULL;
}

const wf_operator_rule_t *wf_logic_operator(const char *name)
{
    const wf_operation_t *operation = wf_logic_operation(name);
    const scoped_t *scoped = operation ? NULL : find_scoped(name);

    return operation ? &operation->rule : scoped ? &scoped->rule : NULL;
}

/* ---- evaluating ---- */

/* What an operator reads of a value may be all of it. */
static size_t weight(wf_value_t v)
{
    return v.text.len / 256 + wf_json_len(v.tree) / 8;
}

static wf_value_t *operand_values(wf_eval_t *e, const wf_scope_t *scope, wf_value_t *few,
                                  size_t few_len, const wf_json_t *operands)
{
    size_t i, n = operand_count(operands);
    wf_value_t *a = n > few_len ? apr_palloc(e->pool, n * sizeof(*a)) : few;

    for (i = 0; i < n; i++) {
        a[i] = eval(e, scope, operand(operands, i));
        (void)wf_eval_spend(e, weight(a[i]));
    }
    return a;
}

static wf_value_t apply(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *logic)
{
    wf_json_iter_t it = wf_json_iter(logic);
    const wf_operation_t *operation;
    const scoped_t *scoped;
    wf_value_t few[4], *a;

    (void)wf_json_next(&it);
    operation = wf_logic_operation(it.key);
    scoped = operation ? NULL : find_scoped(it.key);
    if (!operation && !scoped) {
        e->status = WF_EINVALID;
        return undefined();
    }
    if (scoped && scoped->lazy) {
        return scoped->lazy(e, scope, it.value);
    }
    a = operand_values(e, scope, few, sizeof(few) / sizeof(few[0]), it.value);
    if (e->status != WF_OK) {
        return undefined();
    }
    return operation ? operation->fn(e, a, operand_count(it.value))
                     : scoped->eager(e, scope, a, operand_count(it.value));
}

static wf_value_t eval_list(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *list)
{
    wf_json_t *out;
    size_t i;

    for (i = 0; i < wf_json_len(list); i++) {
        if (wf_json_type(wf_json_at(list, i)) >= WF_JSON_ARRAY) {
            break;
        }
    }
    if (i == wf_json_len(list)) {
        return wf_value_of(list); /* plain values: nothing to compute */
    }
    out = wf_json_array_make(e->pool);
    for (i = 0; i < wf_json_len(list) && e->status == WF_OK; i++) {
        wf_eval_push(e, out, eval(e, scope, wf_json_at(list, i)));
    }
    return wf_value_of(out);
}

static wf_value_t eval(wf_eval_t *e, const wf_scope_t *scope, const wf_json_t *logic)
{
    wf_value_t v = undefined();

    if (!wf_eval_spend(e, 1)) {
        return v;
    }
    if (e->depth >= WF_LOGIC_DEPTH) {
        e->status = WF_ELIMIT;
        return v;
    }
    e->depth++;
    if (wf_json_type(logic) == WF_JSON_ARRAY) {
        v = eval_list(e, scope, logic);
    } else if (wf_json_type(logic) == WF_JSON_OBJECT && wf_json_len(logic) == 1) {
        v = apply(e, scope, logic);
    } else {
        v = wf_value_of(logic);
    }
    e->depth--;
    return e->status == WF_OK ? v : undefined();
}

wf_status_t wf_logic_value(wf_value_t *out, const wf_json_t *logic, const wf_scope_t *scope)
{
    wf_eval_t e = {scope->ctx->pool, 0, 0, WF_OK};

    *out = eval(&e, scope, logic);
    return e.status;
}

int wf_logic_holds(const wf_json_t *logic, const wf_scope_t *scope)
{
    wf_value_t v;
    wf_status_t st = wf_logic_value(&v, logic, scope);

    if (st != WF_OK) {
        wf_log(scope->ctx, WF_LOG_WARNING,
               WFLOGNO(0244) "a rule's `when` could not be computed (%s): taken as false",
               st == WF_ELIMIT ? "too many steps or too deep" : "an operator without operands");
        return 0;
    }
    return wf_value_is_true(v);
}
