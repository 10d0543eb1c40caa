/* What pages and exports share. */
#ifndef WFA_LIST_INT_H
#define WFA_LIST_INT_H

#include "wfa.h"

/* The query string, as the list's filters have it; WF_EINVALID with faults. */
wf_status_t wfa_list_query(wfa_call_t *call, wf_list_query_t *query, const wf_list_t *list,
                           int is_export) WF_MUST_CHECK;
/* Whose rows: the path's company, else the caller's own; NULL: the platform's view. */
const char *wfa_list_company(const wfa_call_t *call);

#endif
