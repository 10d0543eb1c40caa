/* What the two halves of `wflowsctl flow` share. */
#ifndef WFC_FLOW_H
#define WFC_FLOW_H

#include "wfc.h"

#include "service/wf_manage_flow.h"

#include <stdio.h>

/* A flow's files, checked and, where there is no error, compiled. */
typedef struct {
    const char *json_file, *logic_file; /* as messages name them; logic_file NULL: no logic */
    wf_flow_draft_t draft;
} wfc_flow_source_t;

/* WF_OK also when the flow is not valid: look at out->draft.issues. */
wf_status_t wfc_flow_source_read(wfc_t *c, wfc_flow_source_t *out, const char *json_file,
                                 const char *logic_file) WF_MUST_CHECK;
/* One line an issue: FILE:line:column: error NAME at POINTER: message. */
void wfc_flow_issues_print(wfc_t *c, const wfc_flow_source_t *flow, FILE *to);
/* Meta's shape: {"success": …, "validation_errors": […]}. */
wf_json_t *wfc_flow_issues_json(wfc_t *c, const wfc_flow_source_t *flow);
/* "2 errors, 1 warning" */
const char *wfc_flow_issues_count(apr_pool_t *pool, const wf_issues_t *issues);

wf_status_t wfc_flow_check_run(wfc_t *c) WF_MUST_CHECK;

#endif
