/* L5: Meta's Graph API (WHATSAPP.md section 5), at WflowsFlowGraphURL, with an account's access
 * token. */
#ifndef WF_GRAPH_H
#define WF_GRAPH_H

#include "service/wf_service.h"

/* Calls with one access token, one after the other. `token` is in no log, error or reply of ours.
 */
typedef struct {
    const wf_service_t *service;
    const char *token;
    volatile apr_uint32_t *stop; /* as in wf_http_request_t */
    /* Of the last call that failed: */
    int code;      /* Meta's; 0: none */
    int is_unsure; /* 1: nobody knows whether Meta did it */
    /* Of the last call: */
    int http_status;         /* 0: no answer came */
    const char *retry_after; /* the header; NULL: none */
} wf_graph_t;

/* For an account, with its access token. *account: its record. WF_ENOTFOUND: no such account; WF_ECONFLICT: it has no
 * token. */
wf_status_t wf_graph_open(wf_ctx_t *ctx, wf_graph_t *out, wf_json_t **account,
                          const wf_service_t *service, const char *company_id,
                          const char *account_id) WF_MUST_CHECK;

/* Every call fails with WF_EINVALID, WF_ECONFLICT (Meta refused) or WF_EUNAVAIL (no answer,
 * overload, rate limit); ctx->err has a code ("meta_token_invalid", "meta_unavailable" …) and
 * Meta's own words, without the token. `path` begins with the slash after the version; ids in it
 * are digits. Results live in ctx->pool. */

wf_status_t wf_graph_get(wf_ctx_t *ctx, wf_json_t **out, wf_graph_t *graph,
                         const char *path) WF_MUST_CHECK;
/* `doc` NULL: an empty body. `out` may be NULL. */
wf_status_t wf_graph_post(wf_ctx_t *ctx, wf_json_t **out, wf_graph_t *graph, const char *path,
                          const wf_json_t *doc) WF_MUST_CHECK;

/* The number's public key for flows; `pem` as wf_rsa_public_pem makes it. */
wf_status_t wf_graph_key_upload(wf_ctx_t *ctx, wf_graph_t *graph, const char *phone_number_id,
                                const char *pem) WF_MUST_CHECK;
typedef struct {
    const char *pem;    /* NULL: Meta has none */
    const char *status; /* "VALID", "MISMATCH"; "" where Meta says nothing */
} wf_graph_key_t;
wf_status_t wf_graph_key_read(wf_ctx_t *ctx, wf_graph_key_t *out, wf_graph_t *graph,
                              const char *phone_number_id) WF_MUST_CHECK;

/* The JSON of a flow at Meta. *errors: Meta's validation errors, an array; what has any is saved as
 * a draft. */
wf_status_t wf_graph_flow_upload(wf_ctx_t *ctx, wf_json_t **errors, wf_graph_t *graph,
                                 const char *meta_flow_id, const char *flow_json) WF_MUST_CHECK;

/* Headers for a link that Meta's reply gave: the token goes along, so the caller has looked where it leads. */
apr_table_t *wf_graph_headers(apr_pool_t *pool, const wf_graph_t *graph);

/* 1 if the text is an id of Meta's and may stand in a path. */
int wf_graph_is_id(const char *text);
/* A value in a query, percent-encoded. */
const char *wf_graph_escape(apr_pool_t *pool, const char *text);

#endif
