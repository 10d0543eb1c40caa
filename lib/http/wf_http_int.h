/* Shared by the files of lib/http only. */
#ifndef WF_HTTP_INT_H
#define WF_HTTP_INT_H

#include "http/wf_http.h"

#include <apr_thread_mutex.h>
#include <curl/curl.h>
#include <sys/socket.h>

/* ---- wf_http_guard.c ---- */

int wf_http_sockaddr_allowed(const wf_http_guard_t *guard, const struct sockaddr *address);

/* ---- wf_http_url.c ---- */

/* NULL and *endpoint = "scheme://host:port" in lower case, or what is wrong with the URL. */
const char *wf_http_url_parse(apr_pool_t *pool, const char **endpoint, const char *url);

/* ---- wf_http_breaker.c ---- */

/* Remembers endpoints that fail, and only those: at most WF_HTTP_BREAKERS_MAX of them, after which
 * the one that failed longest ago is forgotten. Thread-safe. */
#define WF_HTTP_BREAKERS_MAX 512
typedef struct wf_http_breakers_t wf_http_breakers_t;

/* NULL: no lock to be had. */
wf_http_breakers_t *wf_http_breakers_make(apr_pool_t *pool, int failures,
                                          apr_interval_time_t interval);
/* 1: go ahead, and report the outcome with one of the next three. 0: refused. */
int wf_http_breaker_enter(wf_http_breakers_t *breakers, const char *endpoint);
void wf_http_breaker_succeeded(wf_http_breakers_t *breakers, const char *endpoint);
void wf_http_breaker_failed(wf_http_breakers_t *breakers, const char *endpoint);
/* It never came to a proof: a probe is left to the next caller. */
void wf_http_breaker_left(wf_http_breakers_t *breakers, const char *endpoint);

/* ---- wf_http_exchange.c ---- */

/* One request on its way over one easy handle: what every request of ours has in common, whoever drives
 * the handle. */
typedef struct {
    wf_ctx_t *ctx; /* and the memory of all it keeps */
    const wf_http_guard_t *guard;
    const wf_http_request_t *request;
    int keeps_first; /* of a longer reply the first bytes are kept; else such a reply fails */
    const char *endpoint;
    apr_interval_time_t timeout;
    apr_time_t started;
    CURL *curl;
    struct curl_slist *header_list;
    wf_buf_t body;
    apr_table_t *headers;
    size_t header_bytes, dropped;
    int is_refused; /* the guard refused an address */
    int is_tried;   /* an allowed one was tried */
    int is_too_big;
    uint64_t sink_len;
    wf_status_t sink_status; /* why the request's sink ended it; WF_OK: it did not */
    char error[CURL_ERROR_SIZE];
} wf_http_exchange_t;

int wf_http_is_token(const char *text);
/* `guard` and `request` are set by the caller; sets endpoint and timeout. WF_EINVALID, WF_EUNAVAIL (no
 * time left). */
wf_status_t wf_http_exchange_check(wf_ctx_t *ctx, wf_http_exchange_t *x) WF_MUST_CHECK;
/* Everything is set on the handle; after a failure the caller frees the header list. */
wf_status_t wf_http_exchange_begin(wf_http_exchange_t *x, CURL *curl,
                                   size_t reply_max) WF_MUST_CHECK;
/* The outcome; frees what the handle needed. As wf_http_send. */
wf_status_t wf_http_exchange_end(wf_http_reply_t *out, wf_http_exchange_t *x,
                                 CURLcode code) WF_MUST_CHECK;

#endif
