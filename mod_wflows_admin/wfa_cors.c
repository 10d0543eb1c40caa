#include "wfa.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

#define PREFLIGHT_MAX_AGE "600"
#define REQUEST_HEADERS                                                                            \
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer, X-API-Key, "  \
    "X-Request-Id, X-Tenant, traceparent"
#define REPLY_HEADERS                                                                              \
    "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Preference-Applied, " \
    "Content-Disposition, Idempotent-Replayed"

/* What Access-Control-Allow-Origin says to this caller; NULL: nothing. */
static const char *allowed_origin(const request_rec *r)
{
    const apr_array_header_t *origins = wfa_cors_origins(r);
    const char *origin = apr_table_get(r->headers_in, "Origin");
    int i;

    for (i = 0; origin && origins && i < origins->nelts; i++) {
        const char *allowed = APR_ARRAY_IDX(origins, i, const char *);

        /* No cookie is ever asked for, so "*" gives a page nothing that it has no key for. */
        if (strcmp(allowed, "*") == 0 || strcmp(allowed, origin) == 0) {
            return allowed;
        }
    }
    return NULL;
}

void wfa_cors_headers(request_rec *r)
{
    const char *origin;

    if (!wfa_cors_origins(r)) {
        return;
    }
    apr_table_mergen(r->err_headers_out, "Vary", "Origin");
    origin = allowed_origin(r);
    if (origin) {
        apr_table_setn(r->err_headers_out, "Access-Control-Allow-Origin", origin);
        apr_table_setn(r->err_headers_out, "Access-Control-Expose-Headers", REPLY_HEADERS);
    }
}

int wfa_options_reply(request_rec *r, const char *allow)
{
    apr_table_setn(r->err_headers_out, "Allow", allow);
    if (allowed_origin(r) && apr_table_get(r->headers_in, "Access-Control-Request-Method")) {
        apr_table_setn(r->err_headers_out, "Access-Control-Allow-Methods", allow);
        apr_table_setn(r->err_headers_out, "Access-Control-Allow-Headers", REQUEST_HEADERS);
        apr_table_setn(r->err_headers_out, "Access-Control-Max-Age", PREFLIGHT_MAX_AGE);
    }
    return wfm_empty_reply(r, HTTP_NO_CONTENT);
}
