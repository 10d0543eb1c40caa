/* L2: outbound HTTP with the SSRF guard of DESIGN.md section 8 always on. The only user of libcurl.
 */
#ifndef WF_HTTP_H
#define WF_HTTP_H

#include "base/wf_base.h"

/* The destinations a guard lets through beside public addresses: CIDRs. Immutable. */
typedef struct wf_http_guard_t wf_http_guard_t;
/* `cidrs`: array of const char *; WF_EINVALID names the bad one. NULL or empty: public only. */
wf_status_t wf_http_guard_make(wf_ctx_t *ctx, wf_http_guard_t **out, apr_pool_t *pool,
                               const apr_array_header_t *cidrs) WF_MUST_CHECK;
/* NULL if `cidr` is a valid "address/bits" (or bare address), else what is wrong with it. */
const char *wf_http_cidr_check(apr_pool_t *pool, const char *cidr);
/* 1 if this numeric address may be connected to. Loopback, private, link-local, multicast,
 * unspecified, documentation, CGNAT, IPv4-mapped, NAT64, 6to4, Teredo forms are refused unless a
 * CIDR allows. */
int wf_http_address_allowed(const wf_http_guard_t *guard, const char *address);

/* One client per child: connection reuse, per-endpoint breaker. Thread-safe. */
typedef struct wf_http_t wf_http_t;
typedef struct {
    const wf_http_guard_t *guard;
    size_t reply_max;     /* bytes of a reply body kept; more fails the request */
    int breaker_failures; /* in a row that open an endpoint's breaker; 0: no breaker */
    apr_interval_time_t breaker_interval; /* how long it stays open */
} wf_http_conf_t;
wf_status_t wf_http_make(wf_ctx_t *ctx, wf_http_t **out, apr_pool_t *pool,
                         const wf_http_conf_t *conf) WF_MUST_CHECK;

typedef struct {
    const char *method;         /* "GET", "POST" … */
    const char *url;            /* as wf_url_fault has it */
    const apr_table_t *headers; /* may be NULL */
    const void *body;
    size_t body_len;
    apr_interval_time_t timeout; /* whole request; also bounded by ctx->deadline */
    /* 1: the host is the operator's own word and may be anywhere, loopback too. Never for a URL that a company or
     * a reply gave. */
    int is_operators;
    /* 1: on a connection of its own. A request whose answer is lost on a connection that was used before is sent
     * again by libcurl: so this is for what must not be done twice. */
    int is_once;
    /* Takes the body of a 2xx reply in pieces, at most `sink_max` bytes of it; NULL: it is kept. What the
     * sink fails with, the request fails with; a body that is too long is WF_ELIMIT. */
    wf_bytes_fn *sink;
    void *sink_baton;
    uint64_t sink_max;
    volatile apr_uint32_t *stop; /* becomes 1: the request ends within a second (WF_EUNAVAIL); NULL */
} wf_http_request_t;

typedef struct {
    int status;
    const char *body; /* NUL-terminated */
    size_t body_len;
    apr_table_t *headers; /* lower-case names */
    apr_interval_time_t took;
    int is_sent; /* after a failure: 1 if the server may have got the request */
} wf_http_reply_t;

/* Resolves, refuses forbidden addresses, pins the connection to a checked one, follows no redirect.
 * Any HTTP status is WF_OK. Expected failures: WF_EINVALID (URL), WF_EDENIED (guard),
 * WF_EUNAVAIL (connect, timeout, breaker open, reply over the limit). */
wf_status_t wf_http_send(wf_ctx_t *ctx, wf_http_reply_t *out, wf_http_t *http,
                         const wf_http_request_t *request) WF_MUST_CHECK;
const wf_http_guard_t *wf_http_guard(const wf_http_t *http);

/* Many requests at once over curl's multi interface, with its own connections. Used by one thread at a
 * time, but for wf_http_multi_wake. Names are looked up by libcurl's own threads, so that a slow name
 * server holds up nobody else. No breaker: the caller knows its endpoints better. */
typedef struct wf_http_multi_t wf_http_multi_t;
typedef struct {
    const wf_http_guard_t *guard;
    size_t reply_max;   /* bytes of a reply body that are kept; the rest is not */
    int connections_max; /* kept open for reuse */
} wf_http_multi_conf_t;
wf_status_t wf_http_multi_make(wf_ctx_t *ctx, wf_http_multi_t **out, apr_pool_t *pool,
                               const wf_http_multi_conf_t *conf) WF_MUST_CHECK;
/* `ctx`, `request` and what they point to must stay until the request is done. After WF_OK it comes back
 * from wf_http_multi_next exactly once; expected failures: WF_EINVALID, WF_EUNAVAIL (no time left). */
wf_status_t wf_http_multi_start(wf_ctx_t *ctx, wf_http_multi_t *multi,
                                const wf_http_request_t *request, void *baton) WF_MUST_CHECK;

typedef struct {
    void *baton;
    wf_status_t status; /* as wf_http_send; why is in the ctx of the request */
    wf_http_reply_t reply;
} wf_http_done_t;
/* Moves all on as far as goes without waiting; 1 and one that is done, or 0. */
int wf_http_multi_next(wf_http_done_t *out, wf_http_multi_t *multi);
/* Until something may be moved on, `fd` (-1: none) can be read, somebody wakes it or the time is over. */
void wf_http_multi_wait(wf_http_multi_t *multi, int fd, apr_interval_time_t timeout);
void wf_http_multi_wake(wf_http_multi_t *multi);
/* Breaks off what is on its way; none of it comes back. Also done when the pool goes. */
void wf_http_multi_abandon(wf_http_multi_t *multi);


#endif
