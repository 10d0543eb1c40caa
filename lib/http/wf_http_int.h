/* Shared by the files of lib/http only. */
#ifndef WF_HTTP_INT_H
#define WF_HTTP_INT_H

#include "http/wf_http.h"

#include <apr_thread_mutex.h>
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

#endif
