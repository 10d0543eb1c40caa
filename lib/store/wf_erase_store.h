/* L4: erasing a company (LGPD art. 18). What is to be done and how far it is stands in wflows.erasures, so that any
 * process may go on where another one stopped; each call is a transaction of its own. */
#ifndef WF_ERASE_STORE_H
#define WF_ERASE_STORE_H

#include "store/wf_store.h"

/* Of an erasure, in this order. */
#define WF_ERASE_FILES "files"     /* those that people sent */
#define WF_ERASE_TABLES "tables"   /* rows of all tenant tables */
#define WF_ERASE_AUDIT "audit"     /* what is about people in the audit rows */
#define WF_ERASE_COMPANY "company" /* what came meanwhile, the data keys, the company */
#define WF_ERASE_CACHE "cache"     /* Redis, and files that came meanwhile */
#define WF_ERASE_DONE "done"

typedef struct {
    const char *company_id;
    const char *slug;
    const char *step;
    apr_time_t requested_at;
    int64_t audit_seq; /* audit rows up to it are done */
    int64_t files;     /* that lie in WflowsFlowMediaDir, by the rows */
} wf_erasure_t;

/* Begins it: the company's traffic ends at once, and nobody takes that back. `company` is a slug, or an id, which
 * may be that of a deleted one; `body` is {"confirm": its slug}. *id: the company's. WF_ENOTFOUND; WF_EINVALID: not
 * confirmed; WF_ECONFLICT: it is being erased already. */
wf_status_t wf_erasure_request(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                               const char *company, const wf_json_t *body,
                               const wf_actor_t *actor) WF_MUST_CHECK;
/* {company_id, step, requested_by, requested_at, erased_at, finished_at, removed: {table: rows}, left, report};
 * also when the company is gone. WF_ENOTFOUND: never asked for. */
wf_status_t wf_erasure_find(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                            const char *company_id) WF_MUST_CHECK;
/* All that are known, the newest first. */
wf_status_t wf_erasure_list(wf_ctx_t *ctx, wf_json_t **array,
                            const wf_store_t *store) WF_MUST_CHECK;

/* ---- for the job ---------------------------------------------------------------------------------- */

/* Those that are not done (wf_erasure_t), the oldest first, at most `max`. */
wf_status_t wf_erasures_open(wf_ctx_t *ctx, apr_array_header_t **out, const wf_store_t *store,
                             int max) WF_MUST_CHECK;
/* The next step; `what` (NULL: nothing) and how much of it this one removed are added to the count. */
wf_status_t wf_erasure_advance(wf_ctx_t *ctx, const wf_store_t *store, const wf_erasure_t *erasure,
                               const char *step, const char *what, int64_t count) WF_MUST_CHECK;
/* Up to `max` rows; *done 0: no table has any. */
wf_status_t wf_erase_rows(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                          const wf_erasure_t *erasure, int max) WF_MUST_CHECK;
wf_status_t wf_erase_audit(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                           const wf_erasure_t *erasure, int max) WF_MUST_CHECK;
/* The company, and whatever came since the steps before. *done 0: too much came, there is more to do. */
wf_status_t wf_erase_company(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                             const wf_erasure_t *erasure, const wf_actor_t *actor) WF_MUST_CHECK;
wf_status_t wf_erasure_finish(wf_ctx_t *ctx, const wf_store_t *store, const wf_erasure_t *erasure,
                              apr_time_t at, const char *report,
                              const wf_actor_t *actor) WF_MUST_CHECK;

#endif
