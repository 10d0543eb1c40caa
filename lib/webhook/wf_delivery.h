/* L3, pure: the signatures on what we send to a company's own system, by the Standard Webhooks
 * specification (https://www.standardwebhooks.com). */
#ifndef WF_DELIVERY_H
#define WF_DELIVERY_H

#include "base/wf_base.h"
#include "crypto/wf_crypto.h"

#define WF_DELIVERY_ID_HEADER "webhook-id"
#define WF_DELIVERY_TIMESTAMP_HEADER "webhook-timestamp"
#define WF_DELIVERY_SIGNATURE_HEADER "webhook-signature"

/* Signatures in one header, and secrets at one time. */
#define WF_DELIVERY_SIGNATURES_MAX 16

/* The three headers' values. */
typedef struct {
    const char *id;
    const char *timestamp; /* Unix seconds */
    const char *signature; /* "v1,<base64>", one for each secret, separated by spaces */
} wf_delivery_headers_t;

/* A secret as it is written down: "whsec_" and base64, or any other text, whose bytes are the
 * secret. Expected failure: WF_EINVALID (empty, or "whsec_" without base64 after it). */
wf_status_t wf_delivery_secret_parse(wf_ctx_t *ctx, wf_secret_t *out,
                                     const char *text) WF_MUST_CHECK;
/* "whsec_" and the base64 of 24 random bytes. */
wf_status_t wf_delivery_secret_generate(wf_ctx_t *ctx, const char **text) WF_MUST_CHECK;

/* Signs `id`.`timestamp`.body with each secret, the newest first; the time is ctx's. Expected
 * failure: WF_EINVALID (no secret or too many, an empty one, or an id with a "." or a character
 * that does not belong into a header). */
wf_status_t wf_delivery_sign(wf_ctx_t *ctx, wf_delivery_headers_t *out, const wf_secret_t *secrets,
                             int secret_count, const char *id, const void *body,
                             size_t len) WF_MUST_CHECK;

/* Checks what came with a request: WF_OK if one of the signatures fits one of the secrets and the
 * timestamp is within `tolerance` of ctx's clock. Expected failure: WF_EDENIED. */
wf_status_t wf_delivery_verify(wf_ctx_t *ctx, const wf_delivery_headers_t *headers,
                               const wf_secret_t *secrets, int secret_count, const void *body,
                               size_t len, apr_interval_time_t tolerance) WF_MUST_CHECK;

#endif
