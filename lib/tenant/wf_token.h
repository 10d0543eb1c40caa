/* L3, pure: flow tokens that the server issues, and WhatsApp's signature on a token. DESIGN.md
 * section 7, WHATSAPP.md 1.18. Any other string is a flow token too; it just proves nothing. */
#ifndef WF_TOKEN_H
#define WF_TOKEN_H

#include "base/wf_base.h"
#include "crypto/wf_crypto.h"

/* A bound token is "wfb1.", the base64url of company, account and flow id, expiry (32 bits, Unix
 * seconds, big-endian) and 16 random bytes, a ".", and the base64url of the first 16 bytes of their
 * HMAC-SHA256. The MAC's key is HMAC-SHA256(data key, "wflows flow token v1"). */
#define WF_TOKEN_BOUND_LEN 119

typedef struct {
    char company_id[WF_UUID_LEN + 1];
    char account_id[WF_UUID_LEN + 1];
    char flow_id[WF_UUID_LEN + 1];
    apr_time_t expires_at;
    int expired; /* by ctx's clock */
} wf_token_claims_t;

/* Expected failure: WF_EINVALID (an id is no UUID, or the expiry is not between 1970 and 2106). */
wf_status_t wf_token_issue(wf_ctx_t *ctx, const char **text, const wf_data_key_t *data_key,
                           const char *company_id, const char *account_id, const char *flow_id,
                           apr_time_t expires_at) WF_MUST_CHECK;

/* 1 if the text has the form of a bound token, whoever made it. NULL: 0. */
int wf_token_is_bound(const char *text);

/* Expected failure: WF_EDENIED: not of this form, a bad MAC, or another company's. An expired token
 * is WF_OK with claims->expired set: what happens then is the caller's choice. Each token has
 * exactly one text, so that a used one cannot come back in another spelling. */
wf_status_t wf_token_check(wf_ctx_t *ctx, wf_token_claims_t *claims, const wf_data_key_t *data_key,
                           const char *company_id, const char *text) WF_MUST_CHECK;

/* 1 if `jwt` (flow_token_signature) is signed with the app secret and speaks of this flow token.
 * Leaves ctx->err alone, so that the old and the new secret can be tried. */
int wf_token_signature_ok(wf_ctx_t *ctx, const char *jwt, const char *flow_token,
                          const void *secret, size_t secret_len);

#endif
