#include "store/wf_once_store.h"

#include "store/wf_store_int.h"

#include <string.h>

#define NOBODY "00000000-0000-0000-0000-000000000000"
#define HASH_PURPOSE "wflows idempotent request v1"

static const char *owner(const wf_once_t *once)
{
    return once->company_id ? once->company_id : NOBODY;
}

/* ---- sealing ---------------------------------------------------------------------------- */

/* Bound to whose key it is: an answer is of no use in another row. */
static wf_seal_place_t place_of(apr_pool_t *pool, const wf_once_t *once)
{
    return (wf_seal_place_t){"idempotency_keys", "response_body", once->company_id,
                             apr_pstrcat(pool, once->subject, "|", once->key, NULL)};
}

static wf_status_t seal(wf_ctx_t *ctx, const char **out, const wf_once_t *once,
                        const wf_store_t *store, const wf_keyring_t *ring, const char *body,
                        size_t len)
{
    wf_seal_place_t place = place_of(ctx->pool, once);
    wf_data_key_t key;
    wf_status_t st;

    *out = NULL;
    if (!body || !once->company_id) {
        *out = body;
        return WF_OK;
    }
    st = wf_data_key_load(ctx, &key, store, ring, once->company_id);
    if (st == WF_OK) {
        st = wf_seal(ctx, out, &key, &place, body, len);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

static wf_status_t unseal(wf_ctx_t *ctx, wf_once_found_t *out, const wf_once_t *once,
                          const wf_store_t *store, const wf_keyring_t *ring, const char *sealed)
{
    wf_seal_place_t place = place_of(ctx->pool, once);
    wf_data_key_t key;
    wf_secret_t plain;
    wf_status_t st;

    out->body = sealed;
    out->body_len = sealed ? strlen(sealed) : 0;
    if (!sealed || !once->company_id) {
        return WF_OK;
    }
    out->body = NULL;
    st = wf_data_key_load_sealed(ctx, &key, store, ring, once->company_id, sealed);
    if (st == WF_OK && (st = wf_unseal(ctx, &plain, &key, &place, sealed)) == WF_OK) {
        out->body = (const char *)plain.data;
        out->body_len = plain.len;
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

/* ---- one request ------------------------------------------------------------------------ */

/* Everything that makes two requests the same one, in hex. With a key that the database has not: what is asked for
 * may hold a password, which a plain hash of it would let one try. */
static const char *hash_of(wf_ctx_t *ctx, const wf_once_t *once, const wf_keyring_t *ring)
{
    unsigned char key[WF_SHA256_LEN], digest[WF_SHA256_LEN];
    wf_hash_t *hash;

    wf_keyring_derive(key, ring, HASH_PURPOSE);
    hash = wf_hash_make_hmac(ctx->pool, key, sizeof(key));
    wf_wipe(key, sizeof(key));
    wf_hash_add(hash, once->method, strlen(once->method) + 1);
    wf_hash_add(hash, once->target, strlen(once->target) + 1);
    wf_hash_add(hash, once->content.data, once->content.len);
    wf_hash_end(hash, digest);
    return wf_hex(ctx->pool, digest, sizeof(digest));
}

static wf_status_t find(wf_ctx_t *ctx, wf_once_found_t *out, const wf_once_t *once,
                        const wf_store_t *store, const wf_keyring_t *ring, const char *hash)
{
    const wf_pg_param_t params[] = {owner(once), once->subject, once->key, hash};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, owner(once), WF_SQL_ONCE_FIND, params);

    out->kind = WF_ONCE_IN_FLIGHT;
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st; /* let go in this moment: the caller comes again */
    }
    if (strcmp(wf_pg_cell(res, 0, 1), "t") != 0) {
        out->kind = WF_ONCE_OTHER;
        return WF_OK;
    }
    if (strcmp(wf_pg_cell(res, 0, 0), "done") != 0) {
        return WF_OK;
    }
    out->kind = WF_ONCE_DONE;
    out->status = (int)wf_store_int(res, 0, 2);
    st = wf_store_json(ctx, &out->headers, res, 0, 3);
    return st == WF_OK ? unseal(ctx, out, once, store, ring, wf_pg_cell(res, 0, 4)) : st;
}

wf_status_t wf_once_begin(wf_ctx_t *ctx, wf_once_found_t *out, wf_once_t *once,
                          const wf_store_t *store, const wf_keyring_t *ring)
{
    const char *hash = hash_of(ctx, once, ring);
    wf_pg_result_t *res;
    wf_status_t st = wf_uuid_v7(ctx, once->claim);

    *out = (wf_once_found_t){.kind = WF_ONCE_IN_FLIGHT};
    if (st == WF_OK) {
        const wf_pg_param_t params[] = {owner(once), once->subject, once->key, hash,
                                        once->claim,
                                        apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT, once->lease)};
        st = wf_store_query(ctx, &res, store, owner(once), WF_SQL_ONCE_BEGIN, params);
    }
    if (st != WF_OK || wf_pg_rows(res) > 0) {
        out->kind = st == WF_OK ? WF_ONCE_NEW : WF_ONCE_IN_FLIGHT;
        return st;
    }
    return find(ctx, out, once, store, ring, hash);
}

wf_status_t wf_once_done(wf_ctx_t *ctx, const wf_once_t *once, const wf_store_t *store,
                         const wf_keyring_t *ring, int status, const wf_json_t *headers,
                         const char *body, size_t len)
{
    wf_pg_param_t params[] = {owner(once),
                              once->subject,
                              once->key,
                              once->claim,
                              apr_psprintf(ctx->pool, "%d", status),
                              wf_json_text(ctx->pool, headers, NULL),
                              NULL};
    wf_pg_result_t *res;
    wf_status_t st = seal(ctx, &params[6], once, store, ring, body, len);

    return st == WF_OK
               ? wf_store_query(ctx, &res, store, owner(once), WF_SQL_ONCE_DONE, params)
               : st;
}

wf_status_t wf_once_release(wf_ctx_t *ctx, const wf_once_t *once, const wf_store_t *store)
{
    const wf_pg_param_t params[] = {owner(once), once->subject, once->key, once->claim};
    wf_pg_result_t *res;

    return wf_store_query(ctx, &res, store, owner(once), WF_SQL_ONCE_RELEASE, params);
}
