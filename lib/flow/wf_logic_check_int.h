/* Inside wf_logic_check*.c: one check of a logic document. */
#ifndef WF_LOGIC_CHECK_INT_H
#define WF_LOGIC_CHECK_INT_H

#include "flow/wf_engine_int.h"

typedef struct {
    apr_pool_t *pool;
    wf_issues_t *issues;
    const wf_plan_t *plan;
    const wf_json_t *constants; /* `static` */
    const wf_json_t *backend;   /* NULL: there is none */
} wf_logic_check_t;

void wf_logic_issue(wf_logic_check_t *k, wf_issue_level_t level, const char *pointer,
                    const char *fmt, ...) WF_PRINTF(4, 5);
/* Every member of `object` must be in the list, which ends with NULL. */
void wf_logic_check_members(wf_logic_check_t *k, const wf_json_t *object, const char *pointer,
                            const char *const *allowed);
/* Why a path reads nothing, or NULL. */
const char *wf_logic_path_fault(wf_logic_check_t *k, const char *path, size_t len);
/* The ${...} in a text. */
void wf_logic_check_text(wf_logic_check_t *k, const wf_json_t *text, const char *pointer);
/* A JsonLogic condition. */
void wf_logic_check_when(wf_logic_check_t *k, const wf_json_t *when, const char *pointer);

#endif
