/* Inside wf_logic*.c: one evaluation and the operators. */
#ifndef WF_LOGIC_INT_H
#define WF_LOGIC_INT_H

#include "flow/wf_engine_int.h"

typedef struct {
    apr_pool_t *pool;
    int steps;
    int depth;
    wf_status_t status; /* not WF_OK: every further value is undefined */
} wf_eval_t;

/* Work that grows with data is paid for, so that no rule can run away. 0: the budget is used up. */
int wf_eval_spend(wf_eval_t *e, size_t steps);
/* Pays one step too. */
void wf_eval_push(wf_eval_t *e, wf_json_t *array, wf_value_t v);
int wf_value_is_array(wf_value_t v);
/* undefined past the last one, as in a JavaScript function. */
wf_value_t wf_operand_at(const wf_value_t *a, size_t n, size_t i);

typedef struct {
    wf_operator_rule_t rule;
    wf_value_t (*fn)(wf_eval_t *e, const wf_value_t *a, size_t n);
} wf_operation_t;
/* An operator that needs its operands' values and no scope; NULL if `name` is none. */
const wf_operation_t *wf_logic_operation(const char *name);

#endif
