/* L4: what background jobs do to the records of all companies, a batch at a time: each call is its own short
 * transaction as wflows_platform, and *done says how many rows it worked on. */
#ifndef WF_JOBS_STORE_H
#define WF_JOBS_STORE_H

#include "store/wf_store.h"

/* One run of a job. It is this process's alone as long as the transaction is open that holds its lock: if
 * the process dies, the server ends the transaction and another process may run the job at once. */
typedef struct {
    const wf_store_t *store;
    wf_pg_conn_t *conn; /* NULL: not ours to run */
    const char *name;
} wf_job_run_t;

/* run->conn is set if the job is due and nobody else runs it. To be followed by wf_job_end in any case. */
wf_status_t wf_job_begin(wf_ctx_t *ctx, wf_job_run_t *run, const wf_store_t *store,
                         const char *name) WF_MUST_CHECK;
/* `st`: how it went; the next run is due after `pause`. */
wf_status_t wf_job_end(wf_ctx_t *ctx, wf_job_run_t *run, wf_status_t st, int64_t done,
                       apr_interval_time_t pause) WF_MUST_CHECK;

/* Active sessions whose time is over become expired. */
wf_status_t wf_sessions_expire(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                               int max) WF_MUST_CHECK;
/* Log-ins that ended a week ago, with their refresh tokens. */
wf_status_t wf_logins_sweep(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                            int max) WF_MUST_CHECK;
wf_status_t wf_idempotency_sweep(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                                 int max) WF_MUST_CHECK;
/* Accounts that were verified more than 30 days ago. */
wf_status_t wf_accounts_mark_stale(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                                   int max) WF_MUST_CHECK;
/* Accounts whose key rotation is due and that were not told yet: an event of type account.key_rotation_due
 * each, and a line in the log. */
wf_status_t wf_accounts_remind(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                               int max) WF_MUST_CHECK;

/* What waits to be counted of one company is added to its counters; *done 0: nothing waits, or somebody is
 * adding it already. */
wf_status_t wf_counts_fold_next(wf_ctx_t *ctx, int *done, const wf_store_t *store) WF_MUST_CHECK;
/* Due callbacks of accounts and companies that were removed become dead, with a line in the log for each account. */
wf_status_t wf_outbox_bury(wf_ctx_t *ctx, int *done, const wf_store_t *store,
                           int max) WF_MUST_CHECK;

/* A walk over all companies, resumable. */
typedef struct {
    char company_id[WF_UUID_LEN + 1]; /* being swept; empty: at the beginning */
    int days;                         /* that its plan keeps; 0: for ever */
    int table;                        /* being swept */
    char token[65];                   /* of sessions: those up to it have been looked at */
    const char *media_dir;            /* set by the caller; NULL: stored files are not touched here */
} wf_sweep_t;

/* One batch of what is older than its company's plan keeps, files with their rows. *more 0: the walk came to its end. */
wf_status_t wf_retention_sweep(wf_ctx_t *ctx, int *done, int *more, const wf_store_t *store,
                               wf_sweep_t *sweep, int max) WF_MUST_CHECK;

#endif
