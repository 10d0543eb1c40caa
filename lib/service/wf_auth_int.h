/* Inside lib/service: the parts of wf_auth. */
#ifndef WF_AUTH_INT_H
#define WF_AUTH_INT_H

#include "service/wf_auth.h"
#include "store/wf_auth_store.h"

/* ---- argon2id, a bounded number at once (wf_auth_gate.c) ------------------------------------------ */

typedef struct wf_auth_gate_t wf_auth_gate_t;
wf_status_t wf_auth_gate_make(wf_ctx_t *ctx, wf_auth_gate_t **out, apr_pool_t *pool) WF_MUST_CHECK;
/* WF_EUNAVAIL: so many are waiting or it took so long that this one is not to. Every WF_OK is followed by a leave. */
wf_status_t wf_auth_gate_enter(wf_ctx_t *ctx, wf_auth_gate_t *gate) WF_MUST_CHECK;
void wf_auth_gate_leave(wf_auth_gate_t *gate);
/* wf_password_hash and wf_password_verify behind the gate. */
wf_status_t wf_auth_hash(wf_ctx_t *ctx, const char **hash, wf_auth_gate_t *gate,
                         const char *password) WF_MUST_CHECK;
wf_status_t wf_auth_verify(wf_ctx_t *ctx, wf_auth_gate_t *gate, const char *hash,
                           const char *password) WF_MUST_CHECK;

/* ---- the keys of an identity provider (wf_auth_jwks.c) ------------------------------------------------- */

typedef struct wf_auth_jwks_t wf_auth_jwks_t;
wf_status_t wf_auth_jwks_make(wf_ctx_t *ctx, wf_auth_jwks_t **out, apr_pool_t *pool) WF_MUST_CHECK;
/* As wf_jwt_open, with the keys of WflowsAuthJwks as they are now. WF_EUNAVAIL: there are none yet. */
wf_status_t wf_auth_jwks_open(wf_ctx_t *ctx, wf_slice_t *payload, const wf_service_t *service,
                              const char *jwt) WF_MUST_CHECK;

struct wf_auth_state_t {
    wf_auth_gate_t *gate;
    wf_auth_jwks_t *jwks;
    unsigned char proof_key[WF_SHA256_LEN];
};

/* ---- the ways to be known ---------------------------------------------------------------------------- */

/* `key`: what came as an API key. */
wf_auth_verdict_t wf_auth_by_key(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                                 const wf_credentials_t *credentials, const char *key);
wf_auth_verdict_t wf_auth_by_token(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                                   const wf_credentials_t *credentials, const char *jwt);
wf_auth_verdict_t wf_auth_by_server(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                                    const wf_credentials_t *credentials);

/* Where a caller is, for limits and records: an IPv6 host has a whole network of addresses, which count as one. */
const char *wf_auth_place(apr_pool_t *pool, const char *address);
/* UNAVAILABLE for an outage or a failure of ours, else BAD. */
wf_auth_verdict_t wf_auth_verdict_of(wf_status_t status);

#endif
