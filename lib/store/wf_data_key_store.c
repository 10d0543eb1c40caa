#include "store/wf_store_int.h"

#include <string.h>

/* ---- one company's ---------------------------------------------------------------------- */

/* The ids as stored and not as the caller wrote them: the wrapping is bound to their letters. */
wf_status_t wf_data_key_of_row(wf_ctx_t *ctx, wf_data_key_t *out, const wf_keyring_t *ring,
                               const wf_pg_result_t *res)
{
    memset(out, 0, sizeof(*out));
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0285) "the company has no such data key");
    }
    return wf_data_key_unwrap(ctx, out, ring, wf_pg_cell(res, 0, 0), wf_pg_cell(res, 0, 1),
                              wf_pg_cell(res, 0, 2));
}

wf_status_t wf_data_key_read(wf_ctx_t *ctx, wf_data_key_t *out, wf_pg_conn_t *conn,
                             const wf_keyring_t *ring, const char *company_id, const char *key_id)
{
    const wf_pg_param_t params[] = {company_id, key_id};
    wf_pg_result_t *res;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    st = wf_pg_exec(ctx, &res, conn,
                    wf_sql(key_id ? WF_SQL_DATA_KEY_BY_ID : WF_SQL_DATA_KEY_CURRENT), params);
    return st == WF_OK ? wf_data_key_of_row(ctx, out, ring, res) : st;
}

wf_status_t wf_data_key_load(wf_ctx_t *ctx, wf_data_key_t *out, const wf_store_t *store,
                             const wf_keyring_t *ring, const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};
    wf_pg_result_t *res;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_DATA_KEY_CURRENT, params);
    return st == WF_OK ? wf_data_key_of_row(ctx, out, ring, res) : st;
}

wf_status_t wf_data_key_load_sealed(wf_ctx_t *ctx, wf_data_key_t *out, const wf_store_t *store,
                                    const wf_keyring_t *ring, const char *company_id,
                                    const char *sealed)
{
    const char *id = strchr(sealed, ':');
    const wf_pg_param_t params[] = {
        company_id, id ? wf_store_uuid(apr_pstrndup(ctx->pool, id + 1, WF_UUID_LEN)) : NULL};
    wf_pg_result_t *res;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_DATA_KEY_BY_ID, params);
    return st == WF_OK ? wf_data_key_of_row(ctx, out, ring, res) : st;
}

/* ---- all of them ------------------------------------------------------------------------ */

typedef struct {
    const char *company_id, *id, *wrapped, *slug;
} stale_key_t;

static stale_key_t stale_at(const wf_pg_result_t *res, int row)
{
    stale_key_t key = {wf_pg_cell(res, row, 0), wf_pg_cell(res, row, 1), wf_pg_cell(res, row, 2),
                       wf_pg_cell(res, row, 3)};
    return key;
}

/* Only if the row is still what was read: another operator may be at it too. */
static wf_status_t replace_wrapped(wf_ctx_t *ctx, wf_change_t *change, const stale_key_t *key,
                                   const char *rewrapped)
{
    const wf_pg_param_t params[] = {key->company_id, key->id, key->wrapped, rewrapped};
    wf_json_t *old_doc = wf_json_object_make(ctx->pool), *new_doc = wf_json_object_make(ctx->pool);
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_DATA_KEY_REWRAP, params);

    if (st != WF_OK || wf_pg_affected(res) == 0) {
        return st;
    }
    wf_json_set_str(old_doc, "master_key_id", wf_data_key_master_id(ctx->pool, key->wrapped));
    wf_json_set_str(new_doc, "master_key_id", wf_data_key_master_id(ctx->pool, rewrapped));
    return wf_change_audit(ctx, change, "data_key.rewrapped", key->id, old_doc, new_doc);
}

static wf_status_t rewrap_one(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                              const stale_key_t *key, const wf_actor_t *actor)
{
    wf_change_t change;
    const char *rewrapped;
    wf_status_t st;

    st = wf_data_key_rewrap(ctx, &rewrapped, ring, key->company_id, key->id, key->wrapped);
    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin_platform(ctx, &change, store, key->company_id, key->slug, actor);
    if (st == WF_OK) {
        st = replace_wrapped(ctx, &change, key, rewrapped);
    }
    return wf_change_end(ctx, &change, st);
}

/* One batch after *last; *last moves on. A key whose own master key is gone is passed by: the
 * others must not wait for it. */
static wf_status_t rewrap_batch(wf_ctx_t *ctx, int *done, int *rows, stale_key_t *last,
                                const wf_store_t *store, const wf_keyring_t *ring,
                                const wf_actor_t *actor)
{
    const wf_pg_param_t params[] = {wf_keyring_primary_id(ring), last->company_id, last->id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_DATA_KEY_STALE, params);
    int i;

    *rows = 0;
    if (st != WF_OK) {
        return st;
    }
    *rows = wf_pg_rows(res);
    for (i = 0; i < *rows; i++) {
        apr_pool_t *pool;
        wf_ctx_t *own;

        *last = stale_at(res, i);
        apr_pool_create(&pool, ctx->pool);
        own = wf_ctx_derive(ctx, pool);
        st = rewrap_one(own, store, ring, last, actor);
        *done += st == WF_OK;
        if (st == WF_EUNAVAIL || st == WF_EINTERNAL) {
            st = wf_fail(ctx, st, WFLOGNO(0286) "rewrapping stopped at company %s: %s", last->slug,
                         own->err.detail ? own->err.detail : wf_status_name(st));
            apr_pool_destroy(pool);
            return st;
        }
        if (st != WF_OK) {
            wf_log(ctx, WF_LOG_WARNING, WFLOGNO(0287) "company %s: data key %s stays as it is: %s",
                   last->slug, last->id, own->err.detail ? own->err.detail : wf_status_name(st));
        }
        apr_pool_destroy(pool);
    }
    return WF_OK;
}

wf_status_t wf_data_keys_rewrap(wf_ctx_t *ctx, int *done, int *left, const wf_store_t *store,
                                const wf_keyring_t *ring, const wf_actor_t *actor)
{
    const wf_pg_param_t params[] = {wf_keyring_primary_id(ring)};
    stale_key_t last = {NULL, NULL, NULL, NULL};
    wf_pg_result_t *res;
    wf_status_t st;
    int rows;

    *done = 0;
    *left = 0;
    do {
        if ((st = rewrap_batch(ctx, done, &rows, &last, store, ring, actor)) != WF_OK) {
            return st;
        }
        if (rows > 0) {
            wf_log(ctx, WF_LOG_NOTICE, WFLOGNO(0349) "%d data keys rewrapped", *done);
        }
    } while (rows > 0);
    st = wf_store_query_platform(ctx, &res, store, WF_SQL_DATA_KEY_STALE_COUNT, params);
    if (st == WF_OK) {
        *left = (int)wf_store_int(res, 0, 0);
    }
    return st;
}

wf_status_t wf_data_keys_usage(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store)
{
    return wf_store_document_platform(ctx, out, store, WF_SQL_DATA_KEY_USAGE, NULL);
}
