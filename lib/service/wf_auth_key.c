#include "service/wf_auth_int.h"

#include <string.h>

#define LOOKUP_MIN 8
#define LOOKUP_MAX 32
#define SECRET_MIN 20
#define SECRET_MAX 128
#define LOOKUP_BYTES 8
#define SECRET_BYTES 32
#define HASH_TAG_LEN 16
#define RATE_WINDOW_S 60
/* What the server asks for when too many secrets are being checked. */
#define BUSY_RETRY_S 1

/* ---- the text of a key ------------------------------------------------------------------------------ */

static size_t alnum_span(const char *text)
{
    return strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

/* The look-up id of "wfk_<look-up id>_<secret>"; NULL: not of this form. */
static const char *lookup_of(apr_pool_t *pool, const char *key)
{
    const char *lookup = key + strlen(WF_API_KEY_PREFIX), *secret;
    size_t len, secret_len;

    if (strncmp(key, WF_API_KEY_PREFIX, strlen(WF_API_KEY_PREFIX)) != 0) {
        return NULL;
    }
    len = alnum_span(lookup);
    secret = lookup + len;
    if (len < LOOKUP_MIN || len > LOOKUP_MAX || *secret++ != '_') {
        return NULL;
    }
    secret_len = alnum_span(secret);
    return secret_len >= SECRET_MIN && secret_len <= SECRET_MAX && secret[secret_len] == '\0'
               ? apr_pstrmemdup(pool, lookup, len)
               : NULL;
}

wf_status_t wf_api_key_generate(wf_ctx_t *ctx, wf_api_key_new_t *out, const wf_service_t *service)
{
    unsigned char random[LOOKUP_BYTES + SECRET_BYTES];
    wf_status_t st = wf_rand_bytes(ctx, random, sizeof(random));

    memset(out, 0, sizeof(*out));
    if (st != WF_OK) {
        return st;
    }
    out->lookup = wf_hex(ctx->pool, random, LOOKUP_BYTES);
    out->text = apr_pstrcat(ctx->pool, WF_API_KEY_PREFIX, out->lookup, "_",
                            wf_hex(ctx->pool, random + LOOKUP_BYTES, SECRET_BYTES), NULL);
    wf_wipe(random, sizeof(random));
    return wf_auth_hash(ctx, &out->hash, service->auth->gate, out->text);
}

/* Hex; who reads Redis learns nothing from it and can make none. */
static const char *proof_of(apr_pool_t *pool, const wf_auth_state_t *state, const char *key)
{
    unsigned char mac[WF_SHA256_LEN];

    wf_hmac_sha256(mac, state->proof_key, sizeof(state->proof_key), key, strlen(key));
    return wf_hex(pool, mac, sizeof(mac));
}

/* ---- the record ---------------------------------------------------------------------------------------- */

/* What of the stored hash is remembered with the proof: the same secret is behind both, or one has changed. */
static const char *hash_tag(apr_pool_t *pool, const wf_json_t *record)
{
    const char *hash = wf_json_get_str(record, "key_hash", "");

    return apr_pstrndup(pool, wf_sha256_hex(pool, hash, strlen(hash)), HASH_TAG_LEN);
}

static const char *const *texts_of(apr_pool_t *pool, const wf_json_t *array, int *count)
{
    size_t n = wf_json_len(array), i;
    const char **out = n > 0 ? apr_palloc(pool, n * sizeof(*out)) : NULL;

    *count = (int)n;
    for (i = 0; i < n; i++) {
        out[i] = wf_json_str(wf_json_at(array, i));
    }
    return out;
}

static wf_identity_t *identity_of(apr_pool_t *pool, const wf_json_t *record)
{
    wf_identity_t *who = apr_pcalloc(pool, sizeof(*who));
    const wf_json_t *scopes = wf_json_get(record, "scopes");
    size_t i;

    who->kind = WF_IDENTITY_KEY;
    who->subject = apr_pstrcat(pool, "key:", wf_json_get_str(record, "id", ""), NULL);
    who->company_id = wf_json_get_str(record, "company_id", "");
    who->company_slug = wf_json_get_str(record, "slug", NULL);
    who->company_active = wf_json_get_bool(record, "company_active", 0);
    for (i = 0; i < wf_json_len(scopes); i++) {
        who->scopes |= wf_scope_parse(wf_json_str(wf_json_at(scopes, i)));
    }
    who->account_ids =
        texts_of(pool, wf_json_get(record, "account_ids"), &who->account_count);
    who->expires_at = wf_json_get_int(record, "expires_us", 0);
    return who;
}

static wf_auth_verdict_t judge(wf_ctx_t *ctx, wf_auth_t *out, const wf_json_t *record,
                               const wf_credentials_t *c)
{
    wf_identity_t *who = identity_of(ctx->pool, record);

    if (who->expires_at && who->expires_at <= wf_now(ctx)) {
        (void)!wf_fail(ctx, WF_EDENIED, WFLOGNO(0616) "%s has expired", who->subject);
        return WF_AUTH_BAD;
    }
    if (c->tenant && strcmp(c->tenant, who->company_id) != 0 &&
        (!who->company_slug || strcmp(c->tenant, who->company_slug) != 0)) {
        return WF_AUTH_ELSEWHERE;
    }
    out->who = who;
    return WF_AUTH_OK;
}

static void set_limit(wf_auth_t *out, const wf_json_t *record, const wf_auth_key_reply_t *reply)
{
    int64_t rate = wf_json_get_int(record, "rate", 0);

    if (rate > 0) {
        out->limit.limit_scope = "key";
        out->limit.limit_max = rate;
        out->limit.limit_window_s = RATE_WINDOW_S;
        out->limit.limit_remaining = reply->remaining;
        out->limit.limit_reset_s = (reply->reset_us + 999999) / 1000000;
    }
}

static wf_auth_verdict_t slow_down(wf_auth_t *out, int64_t wait_us)
{
    out->limit.limit_reset_s = (wait_us + 999999) / 1000000;
    return WF_AUTH_LIMITED;
}

static wf_auth_verdict_t by_known_key(wf_ctx_t *ctx, wf_auth_t *out, const wf_json_t *record,
                                      const wf_auth_key_reply_t *reply, const wf_credentials_t *c)
{
    set_limit(out, record, reply);
    return reply->wait_us > 0 ? WF_AUTH_LIMITED : judge(ctx, out, record, c);
}

/* ---- cold ---------------------------------------------------------------------------------------------- */

/* What one check of a key that is not remembered knows. */
typedef struct {
    const wf_service_t *service;
    const wf_auth_key_query_t *query;
    const char *key;
    const wf_auth_key_reply_t *reply;
    int has_redis;
    wf_json_t *record; /* result */
    wf_auth_key_reply_t now; /* KNOWN: somebody else was at it meanwhile */
} cold_t;

/* 1 if this very secret was checked against this very hash before, and only something about the key has changed. */
static int is_checked(wf_ctx_t *ctx, const cold_t *cold)
{
    wf_json_t *stale;

    if (!cold->reply->stale.data) {
        return 0;
    }
    if (wf_json_parse(ctx, &stale, cold->reply->stale.data, cold->reply->stale.len, 0) != WF_OK) {
        wf_ctx_clear(ctx);
        return 0;
    }
    return strcmp(wf_json_get_str(stale, "tag", ""), hash_tag(ctx->pool, cold->record)) == 0;
}

/* Whether somebody else has checked it while this one waited. */
static int is_known_by_now(wf_ctx_t *ctx, cold_t *cold)
{
    wf_auth_key_reply_t reply;
    wf_json_t *record;

    if (!cold->has_redis || cold->reply->is_refresh || cold->reply->kind != WF_AUTH_KEY_UNKNOWN ||
        wf_auth_key_find(ctx, &reply, cold->service->store, cold->query) != WF_OK ||
        reply.kind != WF_AUTH_KEY_KNOWN || !reply.entry.record.data || !reply.address_known ||
        wf_json_parse(ctx, &record, reply.entry.record.data, reply.entry.record.len, 0) != WF_OK) {
        wf_ctx_clear(ctx);
        return 0;
    }
    cold->now = reply;
    cold->record = record;
    return 1;
}

/* Looks the key up and checks its secret; few at once, so that neither PostgreSQL nor the cores are its. */
static wf_status_t check(wf_ctx_t *ctx, cold_t *cold)
{
    const wf_store_t *store = cold->service->store;
    wf_auth_gate_t *gate = cold->service->auth->gate;
    wf_status_t st = wf_auth_gate_enter(ctx, gate);

    if (st != WF_OK) {
        return st;
    }
    if (is_known_by_now(ctx, cold)) {
        wf_auth_gate_leave(gate);
        return WF_OK;
    }
    st = wf_auth_key_load(ctx, &cold->record, store, cold->query->lookup);
    if (st == WF_OK && !is_checked(ctx, cold)) {
        st = wf_password_verify(ctx, wf_json_get_str(cold->record, "key_hash", ""), cold->key);
    }
    wf_auth_gate_leave(gate);
    if (cold->has_redis && (st == WF_ENOTFOUND || st == WF_EDENIED)) {
        wf_auth_key_refuse(ctx, store, cold->query, st == WF_ENOTFOUND);
    }
    return st;
}

/* Remembers it; counts what was used since it was remembered last. None of it keeps the caller out. */
static void remember(wf_ctx_t *ctx, const cold_t *cold, const wf_credentials_t *c)
{
    const wf_store_t *store = cold->service->store;
    const char *id = wf_json_get_str(cold->record, "id", ""), *text;
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    wf_actor_t actor = {.actor = apr_pstrcat(ctx->pool, "key:", id, NULL),
                        .ip_address = cold->query->address,
                        .user_agent = c->user_agent};
    int64_t uses = 0;
    size_t len;

    wf_json_set_str(cold->record, "tag", hash_tag(ctx->pool, cold->record));
    wf_json_remove(cold->record, "key_hash");
    text = wf_json_text(ctx->pool, cold->record, &len);
    if (cold->has_redis &&
        wf_auth_key_save(own, &uses, store, cold->query, cold->reply->entry.generation,
                         wf_json_get_int(cold->record, "rate", 0),
                         (wf_slice_t){text, len}) != WF_OK) {
        wf_ctx_clear(own);
    }
    (void)!wf_auth_key_used(own, store, wf_json_get_str(cold->record, "company_id", ""), id,
                            cold->has_redis ? uses : 1, &actor);
}

static wf_auth_verdict_t by_cold_key(wf_ctx_t *ctx, wf_auth_t *out, cold_t *cold,
                                     const wf_credentials_t *c)
{
    wf_auth_key_reply_t reply = *cold->reply;
    wf_status_t st = check(ctx, cold);

    if (st == WF_EUNAVAIL) {
        out->limit.limit_reset_s = BUSY_RETRY_S;
    }
    if (st != WF_OK) {
        return wf_auth_verdict_of(st);
    }
    if (cold->now.kind == WF_AUTH_KEY_KNOWN) {
        return by_known_key(ctx, out, cold->record, &cold->now, c);
    }
    remember(ctx, cold, c);
    /* The same question again: this time the request is charged. */
    if (cold->has_redis && reply.kind == WF_AUTH_KEY_UNKNOWN &&
        wf_auth_key_find(ctx, &reply, cold->service->store, cold->query) != WF_OK) {
        wf_ctx_clear(ctx);
    }
    if (reply.kind == WF_AUTH_KEY_KNOWN) {
        set_limit(out, cold->record, &reply);
    }
    if (reply.wait_us > 0) {
        return WF_AUTH_LIMITED;
    }
    return judge(ctx, out, cold->record, c);
}

/* ---- all ------------------------------------------------------------------------------------------------ */

wf_auth_verdict_t wf_auth_by_key(wf_ctx_t *ctx, wf_auth_t *out, const wf_service_t *service,
                                 const wf_credentials_t *c, const char *key)
{
    wf_auth_key_query_t query = {.lookup = lookup_of(ctx->pool, key)};
    wf_auth_key_reply_t reply;
    cold_t cold = {.service = service, .query = &query, .key = key, .reply = &reply, .has_redis = 1};
    wf_json_t *record;

    if (!query.lookup) {
        (void)!wf_fail(ctx, WF_EDENIED, WFLOGNO(0617) "not the form of an API key");
        return WF_AUTH_BAD;
    }
    query.proof = proof_of(ctx->pool, service->auth, key);
    query.address = wf_auth_place(ctx->pool, c->address);
    if (wf_auth_key_find(ctx, &reply, service->store, &query) != WF_OK) {
        wf_ctx_clear(ctx);
        memset(&reply, 0, sizeof(reply));
        cold.has_redis = 0;
    }
    switch (reply.kind) {
    case WF_AUTH_KEY_WRONG:
        (void)!wf_fail(ctx, WF_EDENIED, WFLOGNO(0618) "API key %s: wrong, as it was before",
                       query.lookup);
        return WF_AUTH_BAD;
    case WF_AUTH_KEY_SLOW:
        (void)!wf_fail(ctx, WF_ELIMIT, WFLOGNO(0619) "API key %s: too many wrong secrets",
                       query.lookup);
        return slow_down(out, reply.wait_us);
    case WF_AUTH_KEY_KNOWN:
        if (reply.entry.record.data && reply.address_known &&
            wf_json_parse(ctx, &record, reply.entry.record.data, reply.entry.record.len, 0) ==
                WF_OK) {
            return by_known_key(ctx, out, record, &reply, c);
        }
        if (reply.wait_us > 0) {
            return slow_down(out, reply.wait_us);
        }
        if (reply.entry.record.data) {
            reply.stale = reply.entry.record; /* from a new address: looked up again, but not checked */
        }
        break;
    case WF_AUTH_KEY_UNKNOWN:
        break;
    }
    return by_cold_key(ctx, out, &cold, c);
}
