/* L4: the outbox (DESIGN.md section 8): rows are claimed across companies with a lease, and what became
 * of them is written for many at once. Rows are put in by wflows.outbox_add, in the producer's transaction.
 * Thread-safe. */
#ifndef WF_OUTBOX_STORE_H
#define WF_OUTBOX_STORE_H

#include "store/wf_store.h"

#define WF_OUTBOX_CALLBACK "callback"
#define WF_OUTBOX_MEDIA "media"
#define WF_OUTBOX_CACHE "cache"
#define WF_OUTBOX_CHANNEL "wflows_outbox"

/* A row on lease. Texts live as long as the ctx of the claim. */
typedef struct {
    const char *company_id, *id;
    const char *account_id; /* NULL: of the company */
    const char *event_type;
    const char *payload; /* JSON text, as it was put in */
    size_t payload_len;
    int attempts;        /* made before this claim */
    int attempts_before; /* of them, those made before it was last sent again by hand */
    apr_time_t created_at;
    const char *lease; /* of this claim; a result is taken only while it is the row's */
    /* Of callbacks only. */
    const char *url;                       /* NULL: the account has none */
    const char *secret, *previous_secret;  /* sealed; NULL: none */
    apr_time_t previous_until;             /* the previous one signs until then */
    int timeout_ms;
    int max_retries;       /* -1: those of the schedule */
    const char *data_keys; /* JSON {id: wrapped} of what the secrets are sealed with */
} wf_outbox_row_t;

/* Where a claim ended and the next one goes on; all zero at first. */
typedef struct {
    char company_id[WF_UUID_LEN + 1], endpoint[WF_UUID_LEN + 1];
} wf_outbox_cursor_t;

typedef struct {
    const char *consumer;
    const char *owner;         /* who claims, for people to read: "host:pid:1" */
    apr_interval_time_t lease; /* beyond the account's timeout, where it has one */
    int max, max_per_endpoint; /* rows */
    wf_outbox_cursor_t *cursor;
    /* "company id/account id" of endpoints to pass by ("…/nil UUID" without account). */
    const char *const *skip_endpoints;
    int skip_count;
} wf_outbox_claim_t;

/* Due rows in arrays of *count, fairly: a few of each endpoint, going round. Also takes back rows whose
 * lease has run out. 0 rows is WF_OK. */
wf_status_t wf_outbox_claim(wf_ctx_t *ctx, wf_outbox_row_t **rows, int *count,
                            const wf_store_t *store, const wf_outbox_claim_t *claim) WF_MUST_CHECK;

typedef enum { WF_OUTBOX_DONE, WF_OUTBOX_RETRY, WF_OUTBOX_DEAD } wf_outbox_outcome_t;

#define WF_OUTBOX_REPLY_MAX 16384

/* What became of a row; one attempt is kept for it. */
typedef struct {
    const wf_outbox_row_t *row;
    wf_outbox_outcome_t outcome;
    apr_time_t next_attempt_at; /* of a RETRY */
    apr_time_t started_at;
    apr_interval_time_t took;
    int status_code;   /* of HTTP; 0: there was none */
    const char *error; /* NULL: none */
    const char *reply; /* its first WF_OUTBOX_REPLY_MAX bytes are kept, so redact before */
    size_t reply_len;
    int lost; /* out: the lease had run out, the row is somebody else's and was not touched */
} wf_outbox_result_t;

/* All in one transaction and one round trip; companies may be mixed. WF_EUNAVAIL: nothing was written, or
 * nobody knows: call again, it does no harm. */
wf_status_t wf_outbox_finish(wf_ctx_t *ctx, const wf_store_t *store, wf_outbox_result_t *results,
                             int count) WF_MUST_CHECK;
/* Gives rows back unattempted: due at once, for any worker. */
wf_status_t wf_outbox_release(wf_ctx_t *ctx, const wf_store_t *store,
                              const wf_outbox_row_t *const *rows, int count) WF_MUST_CHECK;

/* Tells the workers of all servers that there is something to do. After the producer's commit, never in
 * its transaction: a notification takes a lock of the whole database at commit. The caller throttles. */
wf_status_t wf_outbox_wake(wf_ctx_t *ctx, const wf_store_t *store) WF_MUST_CHECK;
/* What hears it. */
wf_pg_listener_t *wf_outbox_listener_make(apr_pool_t *pool, const wf_store_t *store);

typedef struct {
    int64_t depth;            /* pending and leased; "100000" or more is at least that */
    apr_time_t oldest_due_at; /* of those that could be sent now; 0: none */
} wf_outbox_depth_t;
wf_status_t wf_outbox_depth(wf_ctx_t *ctx, wf_outbox_depth_t *out, const wf_store_t *store,
                            const char *consumer) WF_MUST_CHECK;

/* ---- for people (wf_outbox_replay.c) --------------------------------------------------------- */

/* What is not done, by company and endpoint: [{company, account, consumer, target, held_by, due, waiting,
 * leased, dead, oldest_at, …}]. NULL company_id: of all; NULL consumer: of all. */
wf_status_t wf_outbox_summary(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                              const char *company_id, const char *consumer) WF_MUST_CHECK;
/* {delivery, company, account, held_by, attempts: […]}. NULL company_id: of any. With bodies: `payload`, and each
 * attempt's `response` (text; `response_base64` where it is none). WF_ENOTFOUND. */
wf_status_t wf_outbox_document(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                               const char *company_id, const char *id,
                               int with_bodies) WF_MUST_CHECK;

typedef struct {
    const char *consumer;
    const char *const *statuses; /* of WF_OUTBOX_STATUSES */
    int status_count;
    const char *event_type;  /* a type, "prefix.*" or "*"; NULL: any */
    const char *account_id;  /* a UUID; NULL: any */
    apr_time_t since, until; /* of when the row was made: from, and before; 0: no bound */
} wf_outbox_filter_t;
#define WF_OUTBOX_STATUSES "dead done pending" /* those that may be sent again */

typedef struct {
    int64_t matched;
    int64_t replayed; /* less than matched: some were taken by a worker meanwhile */
    wf_json_t *first; /* array of the first few that matched, as in wf_outbox_document's delivery */
} wf_outbox_replayed_t;

/* Sends what matches again, due at once and with the whole schedule before it; earlier attempts stay. The
 * id, which callbacks carry as webhook-id, stays too, so that receivers can drop what they have. In
 * batches, each a transaction with its audit row (outbox.replayed); wakes the workers. `dry_run`: only
 * looks. Also in *out what was done before a failure. */
wf_status_t wf_outbox_replay_matching(wf_ctx_t *ctx, wf_outbox_replayed_t *out,
                                      const wf_store_t *store, const char *company_id,
                                      const wf_outbox_filter_t *filter, int dry_run,
                                      const wf_actor_t *actor) WF_MUST_CHECK;
/* One row, whatever its status. WF_ECONFLICT: a worker has it just now. */
wf_status_t wf_outbox_replay_one(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                 const char *id, const wf_actor_t *actor) WF_MUST_CHECK;

#endif
