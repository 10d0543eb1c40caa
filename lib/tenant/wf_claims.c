#include "tenant/wf_claims.h"

#include "json/wf_json.h"

#include <string.h>

#define PAYLOAD_DEPTH 16
#define KEYS_MAX 64
#define SECONDS_MAX 253402300799.0 /* the end of the year 9999 */

/* ---- claims ------------------------------------------------------------------------------------- */

static wf_status_t deny(wf_ctx_t *ctx, const char *why)
{
    return wf_fail_public(ctx, WF_EDENIED, WFLOGNO(0608) "token: %s", why);
}

/* NumericDate: 1 if it is there and one. */
static int read_time(apr_time_t *out, const wf_json_t *claims, const char *name)
{
    const wf_json_t *v = wf_json_get(claims, name);
    double seconds = wf_json_number(v);

    *out = 0;
    if (wf_json_type(v) != WF_JSON_NUMBER || !(seconds >= 0 && seconds <= SECONDS_MAX)) {
        return 0;
    }
    *out = (apr_time_t)(seconds * 1e6);
    return 1;
}

static int is_subject(const wf_json_t *v)
{
    const char *text = wf_json_str(v), *p;

    for (p = text; p && *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            return 0;
        }
    }
    return p > text && (size_t)(p - text) == wf_json_str_len(v) && p - text <= WF_SUBJECT_MAX &&
           wf_utf8_is(text, (size_t)(p - text));
}

static wf_role_t greatest_role(const wf_json_t *roles)
{
    wf_role_t best = WF_ROLE_NONE;
    size_t i;

    for (i = 0; i < wf_json_len(roles); i++) {
        wf_role_t role = wf_role_parse(wf_json_str(wf_json_at(roles, i)));

        best = role > best ? role : best;
    }
    return best;
}

static const char *time_fault(const wf_ctx_t *ctx, wf_claims_t *out, const wf_json_t *claims)
{
    apr_time_t now = wf_now(ctx), not_before;

    if (!read_time(&out->expires_at, claims, "exp")) {
        return "it has no expiry (exp)";
    }
    if (out->expires_at + WF_CLAIMS_LEEWAY <= now) {
        return "it has expired";
    }
    if (wf_json_has(claims, "nbf") && (!read_time(&not_before, claims, "nbf") ||
                                       not_before > now + WF_CLAIMS_LEEWAY)) {
        return "it is not valid yet (nbf)";
    }
    if (wf_json_has(claims, "iat") && (!read_time(&out->issued_at, claims, "iat") ||
                                       out->issued_at > now + WF_CLAIMS_LEEWAY)) {
        return "it was made in the future (iat)";
    }
    return NULL;
}

wf_status_t wf_claims_read(wf_ctx_t *ctx, wf_claims_t *out, wf_slice_t payload)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    const char *fault;
    wf_json_t *claims;

    memset(out, 0, sizeof(*out));
    if (wf_json_parse(own, &claims, payload.data, payload.len, PAYLOAD_DEPTH) != WF_OK ||
        wf_json_type(claims) != WF_JSON_OBJECT) {
        return deny(ctx, "its claims are no JSON object");
    }
    if (!is_subject(wf_json_get(claims, "sub"))) {
        return deny(ctx, "it has no subject (sub)");
    }
    if ((fault = time_fault(ctx, out, claims)) != NULL) {
        return deny(ctx, fault);
    }
    out->subject = wf_json_get_str(claims, "sub", NULL);
    out->tenant = wf_json_get_str(claims, "tenant_id", NULL);
    out->session_id = wf_json_get_str(claims, "sid", NULL);
    if (out->session_id && !wf_uuid_is(out->session_id)) {
        out->session_id = NULL; /* another issuer's */
    }
    if (out->tenant && !wf_uuid_is(out->tenant) && !wf_slug_is(out->tenant)) {
        return deny(ctx, "its tenant_id is neither an id nor a slug");
    }
    out->role = greatest_role(wf_json_get(claims, "roles"));
    return WF_OK;
}

wf_role_t wf_role_greatest(apr_pool_t *pool, const char *words)
{
    char *text = apr_pstrdup(pool, words), *last, *word;
    wf_role_t best = WF_ROLE_NONE;

    for (word = apr_strtok(text, ", ", &last); word; word = apr_strtok(NULL, ", ", &last)) {
        wf_role_t role = wf_role_parse(word);

        best = role > best ? role : best;
    }
    return best;
}

/* ---- JWK Sets ------------------------------------------------------------------------------------- */

/* A base64url member; empty where there is none. */
static wf_slice_t member(apr_pool_t *pool, const wf_json_t *jwk, const char *name)
{
    const char *text = wf_json_get_str(jwk, name, "");
    size_t len = strlen(text), decoded;
    unsigned char *out = apr_palloc(pool, WF_BASE64_MAX(len));

    if (!wf_base64url_decode(out, &decoded, text, len)) {
        return (wf_slice_t){NULL, 0};
    }
    return (wf_slice_t){(const char *)out, decoded};
}

static int is_for(const wf_json_t *jwk, const char *alg)
{
    return strcmp(wf_json_get_str(jwk, "use", "sig"), "sig") == 0 &&
           strcmp(wf_json_get_str(jwk, "alg", alg), alg) == 0;
}

/* NULL: not one that we can verify with. A symmetric key in a published set would be no secret: never one. */
static wf_jwt_key_t *key_of(wf_ctx_t *ctx, const wf_json_t *jwk)
{
    const char *kid = wf_json_get_str(jwk, "kid", NULL), *kty = wf_json_get_str(jwk, "kty", "");
    wf_jwt_key_t *key = NULL;
    wf_status_t st = WF_OK;

    if (strcmp(kty, "RSA") == 0 && is_for(jwk, "RS256")) {
        st = wf_jwt_key_rsa(ctx, &key, kid, member(ctx->pool, jwk, "n"),
                            member(ctx->pool, jwk, "e"));
    } else if (strcmp(kty, "EC") == 0 && is_for(jwk, "ES256") &&
               strcmp(wf_json_get_str(jwk, "crv", ""), "P-256") == 0) {
        st = wf_jwt_key_ec(ctx, &key, kid, member(ctx->pool, jwk, "x"),
                           member(ctx->pool, jwk, "y"));
    }
    if (st != WF_OK) {
        wf_ctx_clear(ctx);
    }
    return key;
}

wf_status_t wf_jwks_parse(wf_ctx_t *ctx, apr_array_header_t **out, const char *text, size_t len)
{
    apr_array_header_t *keys = apr_array_make(ctx->pool, 4, sizeof(wf_jwt_key_t *));
    wf_json_t *doc, *list;
    wf_status_t st;
    size_t i;

    *out = NULL;
    if (len > WF_JWKS_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0609) "JWK Set: longer than %d bytes",
                              WF_JWKS_MAX);
    }
    if ((st = wf_json_parse(ctx, &doc, text, len, PAYLOAD_DEPTH)) != WF_OK) {
        return st;
    }
    list = wf_json_get(doc, "keys");
    for (i = 0; wf_json_type(list) == WF_JSON_ARRAY && i < wf_json_len(list) && i < KEYS_MAX; i++) {
        wf_jwt_key_t *key = key_of(ctx, wf_json_at(list, i));

        if (key) {
            APR_ARRAY_PUSH(keys, wf_jwt_key_t *) = key;
        }
    }
    if (keys->nelts == 0) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0610) "JWK Set: no RSA or P-256 key for signatures in it");
    }
    *out = keys;
    return WF_OK;
}
