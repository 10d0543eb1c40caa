/* L3, pure: what a JSON Web Token says, and the keys of an identity provider. DESIGN.md section 9. */
#ifndef WF_CLAIMS_H
#define WF_CLAIMS_H

#include "crypto/wf_crypto.h"
#include "tenant/wf_identity.h"

#define WF_CLAIMS_LEEWAY apr_time_from_sec(60)
#define WF_SUBJECT_MAX 200

typedef struct {
    const char *subject;    /* 1 to WF_SUBJECT_MAX printable characters without space */
    const char *tenant;     /* id or slug; NULL: names none */
    const char *session_id; /* of a log-in of ours; NULL */
    wf_role_t role;         /* the greatest of its roles that is one of ours */
    apr_time_t issued_at;   /* 0: does not say */
    apr_time_t expires_at;
} wf_claims_t;

/* `payload` of a token whose signature fits. Expected failure: WF_EDENIED: no JSON object, no subject, no expiry,
 * expired, not valid yet; the public text says which. */
wf_status_t wf_claims_read(wf_ctx_t *ctx, wf_claims_t *out, wf_slice_t payload) WF_MUST_CHECK;

/* The greatest of our roles among words between commas or spaces (claims as environment variables). */
wf_role_t wf_role_greatest(apr_pool_t *pool, const char *words);

/* The verification keys of a JWK Set (RFC 7517): RSA and P-256, for signatures; what else is in it is passed by. *out
 * is an array of wf_jwt_key_t *. Expected failure: WF_EINVALID: no such document, or no usable key in it. */
#define WF_JWKS_MAX 262144
wf_status_t wf_jwks_parse(wf_ctx_t *ctx, apr_array_header_t **out, const char *text,
                          size_t len) WF_MUST_CHECK;

#endif
