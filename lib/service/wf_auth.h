/* L5: who calls: API keys, JSON Web Tokens, people of companies. DESIGN.md section 9. */
#ifndef WF_AUTH_H
#define WF_AUTH_H

#include "service/wf_service.h"
#include "tenant/wf_identity.h"

/* What a request carries; each may be NULL. */
typedef struct {
    const char *authorization; /* Bearer <JWT or API key> */
    const char *api_key;       /* X-API-Key */
    const char *tenant;        /* X-Tenant: id or slug of the company meant */
    const char *address;       /* of the client */
    const char *user_agent;
    /* httpd authenticated it, and is trusted (WflowsAuthTrustRemoteUser): */
    const char *remote_user, *remote_roles, *remote_tenant;
} wf_credentials_t;

typedef enum {
    WF_AUTH_OK = 0,
    WF_AUTH_NONE,       /* no credentials were given */
    WF_AUTH_BAD,        /* wrong, expired, revoked: the caller is not told which */
    WF_AUTH_AMBIGUOUS,  /* a person of several companies who names none with X-Tenant */
    WF_AUTH_ELSEWHERE,  /* X-Tenant names a company that is not the caller's */
    WF_AUTH_LIMITED,    /* over the API key's rate, or too many wrong secrets of it */
    WF_AUTH_UNAVAILABLE /* could not be found out; or too many are being checked: try again */
} wf_auth_verdict_t;

typedef struct {
    wf_auth_verdict_t verdict;
    const wf_identity_t *who; /* with OK; with AMBIGUOUS too, of no company and no role. In ctx->pool */
    wf_admission_t limit;     /* of an API key's own rate; limit_scope NULL: none */
} wf_auth_t;

/* Warm: one Redis round trip and no PostgreSQL. Never fails: whatever happens ends in a verdict. What is refused is
 * in the log, at info level. */
void wf_auth_identify(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                      const wf_credentials_t *credentials);

/* Tells the audit log that a caller was refused what it may not do at a place that httpd guards: `what` is "GET /path".
 * A few a minute of each caller; what cannot be told is not. */
void wf_auth_refused(wf_ctx_t *ctx, const wf_service_t *service, const wf_identity_t *who,
                     const char *what, const wf_actor_t *actor);

/* The state that the checks of a process share; ends with `pool`. `ring`: what remembered keys are proven with. */
wf_status_t wf_auth_state_make(wf_ctx_t *ctx, wf_auth_state_t **out, apr_pool_t *pool,
                               const wf_keyring_t *ring) WF_MUST_CHECK;

/* The text of WflowsAuthJwks file:<path>. WF_EINVALID: it cannot be read. */
wf_status_t wf_auth_jwks_read_file(wf_ctx_t *ctx, wf_slice_t *out, const char *path) WF_MUST_CHECK;

/* ---- API keys ---------------------------------------------------------------------------------- */

#define WF_API_KEY_PREFIX "wfk_"

/* A new one: what is shown once, its public look-up id and the hash that is kept. */
typedef struct {
    const char *text, *lookup, *hash;
} wf_api_key_new_t;
wf_status_t wf_api_key_generate(wf_ctx_t *ctx, wf_api_key_new_t *out,
                                const wf_service_t *service) WF_MUST_CHECK;

#endif
