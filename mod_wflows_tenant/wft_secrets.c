#include "wft.h"
#include "wft_directives.h"

#include "crypto/wf_crypto.h"
#include "pg/wf_pg.h"
#include "redis/wf_redis.h"
#include "service/wf_auth.h"
#include "tenant/wf_claims.h"

#include <string.h>

APLOG_USE_MODULE(wflows_tenant);

/* What the library said, with the directive and the line it stands on in front. */
static int say(const char *directive, const char *at, const char *what)
{
    wfm_startup_error(WFLOGNO(1010) "%s (%s): %s", directive, at, what);
    return !OK;
}

static const char *reason(const wf_ctx_t *ctx)
{
    return ctx->err.detail ? ctx->err.detail : "cannot be read";
}

static int load_db(wf_ctx_t *ctx, wft_global_t *global)
{
    wf_secret_t text;
    const char *wrong;

    if (wf_source_read(ctx, &text, global->db_source, 1) != WF_OK) {
        return say(WFT_DB, global->db_at, reason(ctx));
    }
    wrong = wf_pg_conninfo_check(ctx->pool, (const char *)text.data);
    if (wrong) {
        return say(WFT_DB, global->db_at, wrong);
    }
    global->conf.db_conninfo = (const char *)text.data;
    return OK;
}

static int load_redis(wf_ctx_t *ctx, wft_global_t *global)
{
    wf_secret_t text;
    const char *wrong;

    if (wf_source_read(ctx, &text, global->redis_source, 1) != WF_OK) {
        return say(WFT_REDIS, global->redis_at, reason(ctx));
    }
    wrong = wf_redis_url_check(ctx->pool, (const char *)text.data);
    if (wrong) {
        return say(WFT_REDIS, global->redis_at, wrong);
    }
    global->conf.redis_url = (const char *)text.data;
    return OK;
}

static int load_key(wf_ctx_t *ctx, wf_master_key_t *out, const wft_key_t *key)
{
    const char *directive = apr_pstrcat(ctx->pool, WFT_KEY " ", key->id, NULL);
    wf_secret_t text;

    if (wf_source_read(ctx, &text, key->source, 0) != WF_OK ||
        wf_master_key_parse(ctx, out, key->id, (const char *)text.data) != WF_OK) {
        return say(directive, key->at, reason(ctx));
    }
    return OK;
}

/* With `try_only`, each key is parsed as far as it can be had without running a program. */
static int load_keys(wf_ctx_t *ctx, wft_global_t *global, int try_only)
{
    int count = global->keys->nelts, i;
    wf_master_key_t *keys =
        wf_secret_alloc(ctx->pool, (size_t)(count > 0 ? count : 1) * sizeof(*keys));
    wf_status_t st;

    for (i = 0; i < count; i++) {
        const wft_key_t *key = &APR_ARRAY_IDX(global->keys, i, wft_key_t);

        if (try_only && wf_source_is_exec(key->source)) {
            continue;
        }
        if (load_key(ctx, &keys[i], key) != OK) {
            return !OK;
        }
    }
    if (try_only || count == 0) {
        return OK;
    }
    st = wf_keyring_make(ctx, &global->ring, keys, count);
    wf_wipe(keys, (size_t)count * sizeof(*keys));
    return st == WF_OK ? OK
                       : say(WFT_KEY, APR_ARRAY_IDX(global->keys, 0, wft_key_t).at, reason(ctx));
}

/* A file is tried, so that a mistake is found before the first token. It is read anew by each child. */
static int try_jwks(wf_ctx_t *ctx, const wft_global_t *global)
{
    const char *source = global->conf.service.auth.jwks;
    apr_array_header_t *keys;
    wf_slice_t text;
    apr_pool_t *pool;
    wf_ctx_t *own;
    int rc = OK;

    if (!source || strncmp(source, "file:", 5) != 0) {
        return OK;
    }
    apr_pool_create(&pool, ctx->pool);
    own = wf_ctx_derive(ctx, pool);
    if (wf_auth_jwks_read_file(own, &text, source + 5) != WF_OK ||
        wf_jwks_parse(own, &keys, text.data, text.len) != WF_OK) {
        rc = say(WFT_AUTH_JWKS, global->jwks_at, reason(own));
    }
    apr_pool_destroy(pool);
    return rc;
}

static int load_jwt_key(wf_ctx_t *ctx, wf_jwt_key_t **out, const wft_key_t *key)
{
    const char *directive = apr_pstrcat(ctx->pool, WFT_AUTH_JWT_KEY " ", key->id, NULL);
    wf_secret_t text;

    if (wf_source_read(ctx, &text, key->source, 0) != WF_OK ||
        wf_jwt_key_hmac(ctx, out, key->id, text.data, text.len) != WF_OK) {
        return say(directive, key->at, reason(ctx));
    }
    return OK;
}

static int load_jwt_keys(wf_ctx_t *ctx, wft_global_t *global, int try_only)
{
    int count = global->jwt_keys->nelts, i;
    wf_jwt_key_t **keys = apr_pcalloc(ctx->pool, (size_t)(count + 1) * sizeof(*keys));

    for (i = 0; i < count; i++) {
        const wft_key_t *key = &APR_ARRAY_IDX(global->jwt_keys, i, wft_key_t);

        if (try_only && wf_source_is_exec(key->source)) {
            continue;
        }
        if (load_jwt_key(ctx, &keys[i], key) != OK) {
            return !OK;
        }
    }
    if (!try_only) {
        global->conf.service.auth.jwt_keys = (const wf_jwt_key_t *const *)keys;
        global->conf.service.auth.jwt_key_count = count;
    }
    return OK;
}

int wft_secrets_load(apr_pool_t *pool, wft_global_t *global, int try_only)
{
    wf_ctx_t *ctx = wf_ctx_make(pool, NULL);
    wft_global_t scratch = *global;
    wft_global_t *into = try_only ? &scratch : global;

    if (into->db_source && !(try_only && wf_source_is_exec(into->db_source)) &&
        load_db(ctx, into) != OK) {
        return !OK;
    }
    if (into->redis_source && !(try_only && wf_source_is_exec(into->redis_source)) &&
        load_redis(ctx, into) != OK) {
        return !OK;
    }
    if (try_jwks(ctx, into) != OK || load_jwt_keys(ctx, into, try_only) != OK) {
        return !OK;
    }
    return load_keys(ctx, into, try_only);
}
