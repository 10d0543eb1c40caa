/* L7: httpd glue that all modules share. Compiled once into each module with
 * -DWFM_MODULE=wflows_tenant and the like, so that every line logged from here or from the library
 * obeys that module's own LogLevel. */
#ifndef WFM_H
#define WFM_H

#include "httpd/wfm_runtime.h"

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

/* ---- log and context (wfm_log.c)
 * ------------------------------------------------------------------------ */

/* A context for this request: its pool, its log, the request id on every line. No deadline. */
wf_ctx_t *wfm_ctx_make(request_rec *r, const char *request_id);
/* A context for start-up and background work: `pool` must live as long as whoever keeps ctx->log.
 */
wf_ctx_t *wfm_ctx_server(apr_pool_t *pool, server_rec *s);
/* For check_config: an error that goes to the terminal that ran `httpd -t` (post_config's would go
 * to the log). */
void wfm_startup_error(const char *fmt, ...) WF_PRINTF(1, 2);

/* ---- request body (wfm_body.c)
 * ---------------------------------------------------------------------------- */

/* Reads the whole body, at most `max` bytes; a longer one is refused from its Content-Length,
 * before anything is read. Returns OK, or the HTTP status that says what was wrong: 413, 415 (a
 * Content-Encoding), 408, 400. */
int wfm_body_read(wf_ctx_t *ctx, wf_slice_t *body, request_rec *r, size_t max) WF_MUST_CHECK;

/* The same, piece by piece as it comes in: nothing of it is kept. What `sink` answers other than WF_OK ends the reading
 * and is *sunk; OK then, too. */
int wfm_body_stream(wf_ctx_t *ctx, wf_status_t *sunk, request_rec *r, size_t max,
                    wf_bytes_fn *sink, void *baton) WF_MUST_CHECK;

/* ---- query (wfm_query.c)
 * -------------------------------------------------------------------------------- */

/* The value of `name` in the query, decoded, of the request's pool; NULL: not there, or not decodable. */
const char *wfm_query_value(const request_rec *r, const char *name);

/* ---- replies (wfm_reply.c)
 * ---------------------------------------------------------------------------------- */

/* What is wrong, in the one table that knows its HTTP status, its code and its words. */
typedef enum {
    WFM_BAD_REQUEST,
    WFM_UNAUTHORIZED,
    WFM_FORBIDDEN,
    WFM_NOT_FOUND,
    WFM_METHOD,
    WFM_NOT_ACCEPTABLE,
    WFM_TIMEOUT,
    WFM_CONFLICT,
    WFM_PLAN_LIMIT,
    WFM_STALE,
    WFM_TOO_LARGE,
    WFM_ENCODING,
    WFM_MEDIA_TYPE,
    WFM_INVALID,
    WFM_MATCH_NEEDED,
    WFM_INACTIVE,
    WFM_LIMITED,
    WFM_QUOTA,
    WFM_INTERNAL,
    WFM_UNAVAILABLE,
    WFM_PROBLEM_COUNT
} wfm_problem_t;

wfm_problem_t wfm_problem_of_status(wf_status_t status);
wfm_problem_t wfm_problem_of_verdict(wf_admit_verdict_t verdict);
/* Of an HTTP status that httpd or wfm_body_read gave. */
wfm_problem_t wfm_problem_of_http(int http_status);

typedef struct {
    wfm_problem_t problem;
    const char *request_id;
    const char *code;            /* for programs; NULL: the table's */
    const char *detail;          /* safe for the caller; NULL: the table's words */
    const apr_array_header_t *faults; /* of wf_fault_t: `errors`; NULL: none */
    const char *allow;           /* METHOD: the methods that are allowed */
    const wf_admission_t *limit; /* LIMITED, QUOTA: Retry-After and the RateLimit headers */
} wfm_refusal_t;

#define WFM_PROBLEM_TYPE "application/problem+json"
/* What wfm_problem_reply sends, in r->pool; *http: its status. */
const char *wfm_problem_text(request_rec *r, size_t *len, int *http,
                             const wfm_refusal_t *refusal);
/* Sends application/problem+json. In a handler: return what it returns (OK). */
int wfm_problem_reply(request_rec *r, const wfm_refusal_t *refusal);
/* The same from a hook before the handler phase, whose return value ends the request there (DONE).
 */
int wfm_problem_refuse(request_rec *r, const wfm_refusal_t *refusal);

/* Answer of the flow endpoint: WHATSAPP.md 1.14, byte for byte. Returns OK. */
int wfm_exchange_reply(request_rec *r, const char *request_id, const wf_exchange_out_t *out);

/* A status without a body (204, 304). Returns OK. */
int wfm_empty_reply(request_rec *r, int http_status);

/* 200 or another standard status with a body; not to be cached, unless Cache-Control is set already. Returns OK. */
int wfm_text_reply(request_rec *r, int http_status, const char *content_type, const char *body,
                   size_t len);

/* ---- directive values (wfm_conf.c)
 * -------------------------------------------------------------------------- */

/* Each returns NULL and sets *out, or the message for the operator (STYLE.md rule 7): directive,
 * value, what is allowed, an example. */

typedef struct {
    int64_t min, max;
    const char *example;
} wfm_range_t;

const char *wfm_conf_int(cmd_parms *cmd, int64_t *out, const char *text, const wfm_range_t *range);
/* Microseconds in `range`; a bare number is seconds. */
const char *wfm_conf_duration(cmd_parms *cmd, apr_interval_time_t *out, const char *text,
                              const wfm_range_t *range);
/* Bytes, with K or M after the number. */
const char *wfm_conf_size(cmd_parms *cmd, int64_t *out, const char *text, const wfm_range_t *range);

typedef struct {
    const char *word;
    int value;
} wfm_word_t;
/* One of the words (the list ends with NULL). */
const char *wfm_conf_word(cmd_parms *cmd, int *out, const char *text, const wfm_word_t *words,
                          const char *example);
/* NULL in the main server, else the message: there is one pool and one key ring a process. */
const char *wfm_conf_main_only(cmd_parms *cmd);
/* "file:line" of the directive being read. */
const char *wfm_conf_at(cmd_parms *cmd);

#endif
