/* L4: audit rows: reading them, and proving that nobody has changed them (schema/0004_events.sql says how a
 * company's rows hang together). Writing one: wf_audit_add (wf_store.h). */
#ifndef WF_AUDIT_STORE_H
#define WF_AUDIT_STORE_H

#include "store/wf_store.h"

/* audit_logs.company_id is the first part of its key, so it cannot be NULL: the platform's own rows. */
#define WF_AUDIT_PLATFORM "00000000-0000-0000-0000-000000000000"

/* Erasing a company begins with a row of this action: after it, rows may lack what is about people. */
#define WF_AUDIT_ERASURE "company.erasure_requested"

typedef struct {
    int64_t rows;        /* that were checked */
    int64_t erased;      /* of them without what was about people */
    int64_t seq;         /* of the last one */
    char hash[2 * WF_SHA256_LEN + 1]; /* its hash */
    int64_t broken_seq;  /* the first row that is not as it was written, or not there; 0: all are */
    const char *reason;  /* why, in words; NULL where the chain holds */
} wf_audit_check_t;

/* What an earlier check saw at the end; kept where the owner of the database does not reach, it shows that the
 * chain was not made anew as a whole. */
typedef struct {
    int64_t seq;
    char hash[2 * WF_SHA256_LEN + 1];
} wf_audit_mark_t;

/* Computes a company's chain anew, row by row, in constant memory. `mark` may be NULL. A chain that does not hold
 * is no failure: it is in `out`. */
wf_status_t wf_audit_verify(wf_ctx_t *ctx, wf_audit_check_t *out, const wf_store_t *store,
                            const char *company_id, const wf_audit_mark_t *mark) WF_MUST_CHECK;

/* A walk over everybody who has, or should have, audit rows; begun with an empty id. *more 0: it is over. */
typedef struct {
    char company_id[WF_UUID_LEN + 1];
    const char *slug; /* NULL: the platform, or the company is gone */
} wf_audit_chain_t;
wf_status_t wf_audit_next_chain(wf_ctx_t *ctx, int *more, const wf_store_t *store,
                                wf_audit_chain_t *chain) WF_MUST_CHECK;

wf_status_t wf_audit_find(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                          const char *company_id, const char *id) WF_MUST_CHECK;
/* Somebody was not allowed to use a route of the API: an audit row, one a minute for each of both, so that nobody can
 * flood the log. `company_id`: the actor's; NULL: the platform. */
wf_status_t wf_audit_refusal(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             const char *route, const wf_actor_t *actor) WF_MUST_CHECK;
/* The newest rows of a company, newest first; `action` NULL: any. */
wf_status_t wf_audit_recent(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id, const char *action, int limit) WF_MUST_CHECK;

#endif
