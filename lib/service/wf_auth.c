#include "service/wf_auth_int.h"

#include "store/wf_audit_store.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Refusals of one caller that are told: a burst of so many, as many again in a minute. */
#define REFUSALS 5
#define REFUSALS_WINDOW_MS 60000
#define REFUSED_MAX 300
#define PROOF_PURPOSE "wflows remembered api key v1"

wf_status_t wf_auth_state_make(wf_ctx_t *ctx, wf_auth_state_t **out, apr_pool_t *pool,
                               const wf_keyring_t *ring)
{
    wf_auth_state_t *state = wf_secret_alloc(pool, sizeof(*state));
    wf_status_t st;

    *out = NULL;
    if ((st = wf_auth_gate_make(ctx, &state->gate, pool)) != WF_OK ||
        (st = wf_auth_jwks_make(ctx, &state->jwks, pool)) != WF_OK) {
        return st;
    }
    if (ring) { /* wflowsctl may do without: it checks no keys */
        wf_keyring_derive(state->proof_key, ring, PROOF_PURPOSE);
    }
    *out = state;
    return WF_OK;
}

wf_auth_verdict_t wf_auth_verdict_of(wf_status_t status)
{
    return status == WF_EUNAVAIL || status == WF_EINTERNAL ? WF_AUTH_UNAVAILABLE : WF_AUTH_BAD;
}

const char *wf_auth_place(apr_pool_t *pool, const char *address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr in6;

    if (!address || inet_pton(AF_INET6, address, &in6) != 1) {
        return address ? address : "-";
    }
    memset(&in6.s6_addr[8], 0, 8);
    return inet_ntop(AF_INET6, &in6, text, sizeof(text)) ? apr_pstrcat(pool, text, "/64", NULL)
                                                         : address;
}

/* The token of "Bearer <token>"; NULL: another scheme, whoever it is for. */
static const char *bearer(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer", 6) != 0 || authorization[6] != ' ') {
        return NULL;
    }
    return authorization + 6 + strspn(authorization + 6, " ");
}

static wf_auth_verdict_t identify(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                                  const wf_credentials_t *c)
{
    const char *token = bearer(c->authorization);

    if (c->api_key && token) {
        (void)!wf_fail(ctx, WF_EDENIED, WFLOGNO(0615) "an API key and another token in one request");
        return WF_AUTH_BAD; /* which of the two it is from would be anybody's guess */
    }
    if (c->api_key || (token && strncmp(token, WF_API_KEY_PREFIX, strlen(WF_API_KEY_PREFIX)) == 0)) {
        return wf_auth_by_key(ctx, out, service, c, c->api_key ? c->api_key : token);
    }
    if (token) {
        return wf_auth_by_token(ctx, out, service, c, token);
    }
    if (c->remote_user && service->conf.auth.trust_remote_user) {
        return wf_auth_by_server(ctx, out, service, c);
    }
    return WF_AUTH_NONE;
}

void wf_auth_refused(wf_ctx_t *ctx, const wf_service_t *service, const wf_identity_t *who,
                     const char *what, const wf_actor_t *actor)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    int64_t wait_us;

    if (wf_auth_limit(own, &wait_us, service->store,
                      apr_pstrcat(ctx->pool, "refused:", who->subject, NULL), REFUSALS,
                      REFUSALS_WINDOW_MS) == WF_OK &&
        wait_us <= 0) {
        (void)!wf_audit_refusal(own, service->store, who->company_id,
                                apr_pstrndup(ctx->pool, what, REFUSED_MAX), actor); /* logged */
    }
}

void wf_auth_identify(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                      const wf_credentials_t *credentials)
{
    memset(out, 0, sizeof(*out));
    out->verdict = WF_AUTH_UNAVAILABLE;
    out->verdict = identify(ctx, out, service, credentials);
    if (out->verdict != WF_AUTH_OK && out->verdict != WF_AUTH_AMBIGUOUS) {
        out->who = NULL;
    }
}
