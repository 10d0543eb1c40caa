/* Shared by the files of wf_deliver only. */
#ifndef WF_DELIVER_INT_H
#define WF_DELIVER_INT_H

#include "service/wf_deliver.h"
#include "store/wf_outbox_store.h"
#include "webhook/wf_delivery_schedule.h"

#include <apr_hash.h>

/* ---- wf_deliver_endpoint.c: how each receiver is doing. Used by the worker's thread only. ---- */

/* Of a company's account. Kept while it has something on its way or is not well. */
typedef struct {
    char key[2 * WF_UUID_LEN + 2]; /* "company/account" */
    int in_flight;
    int window;   /* so many at a time: grows with each that arrives */
    int has_more; /* the last claim brought as many as one may bring: there may be others */
    int failures; /* in a row */
    apr_interval_time_t rest;
    apr_time_t closed_until; /* monotonic; 0: open. Then one at a time, until one arrives */
} wf_deliver_endpoint_t;

typedef struct {
    apr_pool_t *pool;
    apr_hash_t *all;
} wf_deliver_endpoints_t;

/* Rows of one endpoint in one claim. */
#define WF_DELIVER_CLAIM_EACH 8

void wf_deliver_endpoints_make(wf_deliver_endpoints_t *endpoints, apr_pool_t *pool);
wf_deliver_endpoint_t *wf_deliver_endpoint_of(wf_deliver_endpoints_t *endpoints,
                                              const wf_outbox_row_t *row);
/* 1: one more may be sent to it now. */
int wf_deliver_endpoint_has_room(const wf_deliver_endpoint_t *endpoint);
/* 1: a claim shall pass it by. */
int wf_deliver_endpoint_is_busy(const wf_deliver_endpoint_t *endpoint);
/* After an attempt. 1: it has just been closed for a while. */
int wf_deliver_endpoint_tell(wf_deliver_endpoint_t *endpoint, int arrived);
/* Keys of those that a claim shall pass by, in `pool`. */
int wf_deliver_endpoints_busy(const char *const **keys, wf_deliver_endpoints_t *endpoints,
                              apr_pool_t *pool);
/* Forgets those that are well and have nothing on their way. */
void wf_deliver_endpoints_sweep(wf_deliver_endpoints_t *endpoints);

/* ---- wf_deliver_job.c: one attempt ---- */

/* Rows of one claim share its memory. */
typedef struct {
    apr_pool_t *pool;
    int users;
} wf_deliver_batch_t;

typedef struct wf_deliver_job_t {
    wf_ctx_t *ctx; /* of this attempt; does not log: what fails is told by the worker */
    wf_deliver_batch_t *batch;
    const wf_outbox_row_t *row;
    wf_deliver_endpoint_t *endpoint;
    wf_http_request_t request;
    wf_outbox_result_t result;
    wf_delivery_verdict_t verdict;
    const char *redacted[2 + 2 * 2]; /* signature, secrets as written down and as sent */
    int redacted_count;
    struct wf_deliver_job_t *next; /* in the list it is in */
} wf_deliver_job_t;

wf_deliver_job_t *wf_deliver_job_make(wf_ctx_t *worker, wf_deliver_batch_t *batch,
                                      const wf_outbox_row_t *row);
/* The request with its signatures of now. Expected failures: WF_EINVALID (no URL, no secret), or what
 * unsealing says. */
wf_status_t wf_deliver_job_prepare(wf_deliver_job_t *job, const wf_service_t *service) WF_MUST_CHECK;
/* Fills result and verdict from the reply, or from the failure in the job's ctx. */
void wf_deliver_job_conclude(wf_deliver_job_t *job, wf_status_t st, const wf_http_reply_t *reply);

#endif
