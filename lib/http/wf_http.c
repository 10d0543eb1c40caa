#include "http/wf_http_int.h"

#include <stdlib.h>
#include <string.h>

/* Handles that wait for their next use with their connections; more may be in use at a time. */
#define IDLE_MAX 32
/* A failure sooner than this, for which the caller's deadline is to blame, proves nothing. */
#define PROOF_MIN apr_time_from_msec(250)

typedef struct {
    CURL *curl;
    char *endpoint; /* last used for; malloc */
} handle_t;

struct wf_http_t {
    wf_http_conf_t conf;
    wf_http_breakers_t *breakers;
    apr_thread_mutex_t *lock; /* guards `idle` */
    handle_t idle[IDLE_MAX];  /* the last is the most recently used */
    int idle_count;
};

/* ---- life --------------------------------------------------------------------------------- */

static apr_status_t destroy(void *data)
{
    wf_http_t *http = data;

    while (http->idle_count > 0) {
        handle_t *handle = &http->idle[--http->idle_count];
        curl_easy_cleanup(handle->curl);
        free(handle->endpoint);
    }
    curl_global_cleanup();
    return APR_SUCCESS;
}

wf_status_t wf_http_make(wf_ctx_t *ctx, wf_http_t **out, apr_pool_t *pool,
                         const wf_http_conf_t *conf)
{
    wf_http_t *http = apr_pcalloc(pool, sizeof(*http));

    *out = NULL;
    if (conf->reply_max == 0) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0111) "HTTP client: no limit for replies is set");
    }
    http->conf = *conf;
    http->breakers = wf_http_breakers_make(pool, conf->breaker_failures, conf->breaker_interval);
    if (!http->breakers ||
        apr_thread_mutex_create(&http->lock, APR_THREAD_MUTEX_UNNESTED, pool) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0112) "HTTP client: no lock");
    }
    /* Counted and, since 7.84, safe beside other users in the process (mod_auth_openidc, mod_md).
     */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0113) "HTTP client: libcurl does not start");
    }
    apr_pool_cleanup_register(pool, http, destroy, apr_pool_cleanup_null);
    *out = http;
    return WF_OK;
}

/* One that has a connection to this endpoint if there is one. A handle is used by one thread at a
 * time; sharing a connection cache between threads is not safe in libcurl 7. */
static CURL *take_handle(wf_http_t *http, const char *endpoint)
{
    CURL *curl = NULL;
    int i;

    apr_thread_mutex_lock(http->lock);
    for (i = http->idle_count - 1; i > 0; i--) {
        if (strcmp(http->idle[i].endpoint, endpoint) == 0) {
            break;
        }
    }
    if (i >= 0) {
        curl = http->idle[i].curl;
        free(http->idle[i].endpoint);
        http->idle_count--;
        memmove(&http->idle[i], &http->idle[i + 1],
                (size_t)(http->idle_count - i) * sizeof(handle_t));
    }
    apr_thread_mutex_unlock(http->lock);
    return curl ? curl : curl_easy_init();
}

static void give_back(wf_http_t *http, CURL *curl, const char *endpoint)
{
    char *copy = strdup(endpoint);

    curl_easy_reset(curl); /* keeps the connections */
    apr_thread_mutex_lock(http->lock);
    if (copy && http->idle_count < IDLE_MAX) {
        http->idle[http->idle_count++] = (handle_t){curl, copy};
        curl = NULL;
        copy = NULL;
    }
    apr_thread_mutex_unlock(http->lock);
    free(copy);
    if (curl) {
        curl_easy_cleanup(curl);
    }
}

/* ---- one request -------------------------------------------------------------------------- */

static void tell_breaker(const wf_http_t *http, const wf_http_exchange_t *x, wf_status_t st,
                         CURLcode code, apr_interval_time_t took)
{
    if (st == WF_OK) {
        wf_http_breaker_succeeded(http->breakers, x->endpoint);
    } else if (st != WF_EUNAVAIL || x->sink_status != WF_OK || code == CURLE_ABORTED_BY_CALLBACK ||
               (code == CURLE_OPERATION_TIMEDOUT && took < PROOF_MIN &&
                took < x->request->timeout)) {
        wf_http_breaker_left(http->breakers, x->endpoint);
    } else {
        wf_http_breaker_failed(http->breakers, x->endpoint);
    }
}

wf_status_t wf_http_send(wf_ctx_t *ctx, wf_http_reply_t *out, wf_http_t *http,
                         const wf_http_request_t *request)
{
    wf_http_exchange_t x = {.guard = http->conf.guard, .request = request};
    CURLcode code = CURLE_FAILED_INIT;
    wf_status_t st = wf_http_exchange_check(ctx, &x);
    CURL *curl;

    memset(out, 0, sizeof(*out));
    if (st != WF_OK) {
        return st;
    }
    if (!wf_http_breaker_enter(http->breakers, x.endpoint)) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0122) "%s: failed a moment ago, not tried",
                       x.endpoint);
    }
    curl = take_handle(http, x.endpoint);
    if (!curl) {
        wf_http_breaker_left(http->breakers, x.endpoint);
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0124) "HTTP client: no memory");
    }
    st = wf_http_exchange_begin(&x, curl, http->conf.reply_max);
    if (st == WF_OK) {
        code = curl_easy_perform(curl);
        st = wf_http_exchange_end(out, &x, code);
    } else {
        curl_slist_free_all(x.header_list);
    }
    tell_breaker(http, &x, st, code, out->took);
    give_back(http, curl, x.endpoint);
    return st;
}

const wf_http_guard_t *wf_http_guard(const wf_http_t *http)
{
    return http->conf.guard;
}
