/* L3, pure: what becomes of a delivery after an attempt (DESIGN.md section 8). */
#ifndef WF_DELIVERY_SCHEDULE_H
#define WF_DELIVERY_SCHEDULE_H

#include "base/wf_base.h"

/* Attempts of a delivery: the first, and a retry after each of 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 10 h. */
#define WF_DELIVERY_RETRIES 7

typedef enum {
    WF_DELIVERY_DONE,
    WF_DELIVERY_RETRY,
    WF_DELIVERY_DEAD, /* that was the last attempt */
    WF_DELIVERY_GONE  /* 410: dead, and the endpoint wants no more */
} wf_delivery_verdict_t;

/* One attempt as it ended. */
typedef struct {
    int status;              /* of HTTP; 0: none came */
    int attempts;            /* made so far, this one included */
    int max_retries;         /* the account's own number where it is smaller; -1: it has none */
    const char *retry_after; /* the header, or NULL */
    apr_time_t now;
    unsigned random; /* 0 to 65535, for the jitter */
} wf_delivery_attempt_t;

/* `wait` is set for a RETRY: the schedule's with up to 20 % either way, or what Retry-After says where
 * it can be read. */
wf_delivery_verdict_t wf_delivery_judge(apr_interval_time_t *wait,
                                        const wf_delivery_attempt_t *attempt);

/* Retry-After as seconds or as an HTTP date, clamped to 1 s … 12 h; 1 if it can be read. */
int wf_delivery_retry_after(apr_interval_time_t *out, const char *text, apr_time_t now);

/* A copy of `text` (any bytes) in `pool`, every occurrence of one of the `words` (NULL and empty ones are
 * passed by) replaced by "[redacted]"; at most `max` bytes of it. */
wf_slice_t wf_delivery_redact(apr_pool_t *pool, const char *text, size_t len,
                              const char *const *words, int count, size_t max);

#endif
