#include "service/wf_deliver_int.h"

#include <stdlib.h>
#include <string.h>

#define NIL_UUID "00000000-0000-0000-0000-000000000000"
/* A receiver that nobody knows yet may hang: it gets few, and more with each that arrives. One that takes 100 ms
 * for each needs 50 at a time to keep up with 500 a second. */
#define WINDOW_NEW WF_DELIVER_CLAIM_EACH
#define WINDOW_MAX 64
#define FAILURES_CLOSE 5
#define REST_MIN apr_time_from_sec(5)
#define REST_MAX apr_time_from_sec(60)

static apr_status_t free_all(void *data)
{
    wf_deliver_endpoints_t *endpoints = data;
    apr_hash_index_t *i;

    for (i = apr_hash_first(endpoints->pool, endpoints->all); i; i = apr_hash_next(i)) {
        free(apr_hash_this_val(i));
    }
    return APR_SUCCESS;
}

void wf_deliver_endpoints_make(wf_deliver_endpoints_t *endpoints, apr_pool_t *pool)
{
    endpoints->pool = pool;
    endpoints->all = apr_hash_make(pool);
    apr_pool_pre_cleanup_register(pool, endpoints, free_all);
}

wf_deliver_endpoint_t *wf_deliver_endpoint_of(wf_deliver_endpoints_t *endpoints,
                                              const wf_outbox_row_t *row)
{
    char key[2 * WF_UUID_LEN + 2];
    wf_deliver_endpoint_t *endpoint;

    apr_snprintf(key, sizeof(key), "%s/%s", row->company_id,
                 row->account_id ? row->account_id : NIL_UUID);
    endpoint = apr_hash_get(endpoints->all, key, APR_HASH_KEY_STRING);
    if (!endpoint) {
        endpoint = calloc(1, sizeof(*endpoint));
        if (!endpoint) {
            abort(); /* as every pool does */
        }
        memcpy(endpoint->key, key, sizeof(key));
        endpoint->window = WINDOW_NEW;
        apr_hash_set(endpoints->all, endpoint->key, APR_HASH_KEY_STRING, endpoint);
    }
    return endpoint;
}

int wf_deliver_endpoint_has_room(const wf_deliver_endpoint_t *e)
{
    if (e->closed_until) {
        return e->in_flight == 0 && wf_monotonic() >= e->closed_until;
    }
    return e->in_flight < e->window;
}

/* Room for one is not enough where a claim brings several; a probe is one. */
int wf_deliver_endpoint_is_busy(const wf_deliver_endpoint_t *e)
{
    return !wf_deliver_endpoint_has_room(e) ||
           (!e->closed_until && e->in_flight > e->window - WF_DELIVER_CLAIM_EACH);
}

int wf_deliver_endpoint_tell(wf_deliver_endpoint_t *e, int arrived)
{
    if (arrived) {
        e->window += e->window < WINDOW_MAX;
        e->failures = 0;
        e->rest = 0;
        e->closed_until = 0;
        return 0;
    }
    e->window = WINDOW_NEW;
    if (++e->failures < FAILURES_CLOSE) {
        return 0;
    }
    /* Those that were sent together fail together: one closing, not one for each. */
    if (e->closed_until > wf_monotonic()) {
        return 0;
    }
    e->rest = e->rest == 0 ? REST_MIN : e->rest * 2 < REST_MAX ? e->rest * 2 : REST_MAX;
    e->closed_until = wf_monotonic() + e->rest;
    return e->rest == REST_MIN;
}

int wf_deliver_endpoints_busy(const char *const **keys, wf_deliver_endpoints_t *endpoints,
                              apr_pool_t *pool)
{
    const char **out = apr_palloc(pool, (apr_hash_count(endpoints->all) + 1) * sizeof(*out));
    apr_hash_index_t *i;
    int count = 0;

    for (i = apr_hash_first(pool, endpoints->all); i; i = apr_hash_next(i)) {
        const wf_deliver_endpoint_t *e = apr_hash_this_val(i);

        if (wf_deliver_endpoint_is_busy(e)) {
            out[count++] = e->key;
        }
    }
    *keys = out;
    return count;
}

void wf_deliver_endpoints_sweep(wf_deliver_endpoints_t *endpoints)
{
    apr_hash_index_t *i;

    for (i = apr_hash_first(NULL, endpoints->all); i; i = apr_hash_next(i)) {
        wf_deliver_endpoint_t *e = apr_hash_this_val(i);

        if (e->in_flight == 0 && e->failures == 0) {
            apr_hash_set(endpoints->all, e->key, APR_HASH_KEY_STRING, NULL);
            free(e);
        }
    }
}
