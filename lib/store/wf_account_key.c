/* An account's RSA keys. */
#include "store/wf_account_int.h"

#include <string.h>

#define ROTATION_MAX apr_time_from_sec(120)

/* ---- what a caller sends ---------------------------------------------------------------- */

#define OVERLAP_MAX_S (30 * 86400)
#define KEY_MAX 65536

/* The first is all that a rotation takes. */
static const wf_field_t key_fields[] = {
    {"overlap_seconds", WF_FIELD_INT, WF_FIELD_NOT_NULL, 0, OVERLAP_MAX_S, NULL, NULL},
    {"private_key", WF_FIELD_SECRET, WF_FIELD_NEEDED, 1, KEY_MAX, NULL, NULL},
    {"passphrase", WF_FIELD_SECRET, 0, 0, 1024, NULL, NULL},
};

wf_status_t wf_key_input_read(wf_ctx_t *ctx, wf_key_input_t *out, const wf_json_t *body,
                              int importing)
{
    wf_status_t st = wf_fields_check(ctx, key_fields, importing ? 3 : 1, body, 1);

    memset(out, 0, sizeof(*out));
    out->overlap = wf_json_has(body, "overlap_seconds")
                       ? apr_time_from_sec(wf_json_get_int(body, "overlap_seconds", 0))
                       : -1;
    out->private_key = wf_json_get_str(body, "private_key", NULL);
    out->passphrase = wf_json_get_str(body, "passphrase", NULL);
    return st;
}

/* ---- a key that is there at once --------------------------------------------------------- */

static wf_status_t seal_pair(wf_ctx_t *ctx, wf_sealer_t *s, const char *column,
                             const char *public_column, const wf_rsa_key_t *key)
{
    wf_secret_t der;
    const char *pem;
    wf_status_t st;

    if ((st = wf_rsa_private_der(ctx, &der, key)) != WF_OK ||
        (st = wf_rsa_public_pem(ctx, &pem, key)) != WF_OK ||
        (st = wf_sealer_seal(ctx, s, column, der.data, der.len)) != WF_OK) {
        return st;
    }
    wf_json_set_str(s->row, public_column, pem);
    return WF_OK;
}

/* A rotation that is under way has lost its turn by this. */
static void forget_next(apr_pool_t *pool, wf_json_t *row)
{
    static const char *const columns[] = {"next_private_key", "next_public_key", "key_rotation_id",
                                          "key_rotation_until"};
    size_t i;

    for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        wf_json_set(row, columns[i], wf_json_null_make(pool));
    }
}

static wf_status_t seal_key(wf_ctx_t *ctx, wf_sealer_t *s, const wf_rsa_key_t *key,
                            const char *old_private_key, apr_interval_time_t overlap)
{
    wf_status_t st = seal_pair(ctx, s, "private_key", "public_key", key);

    wf_json_set_str(s->row, "key_generated_at", wf_time_format(ctx->pool, wf_now(ctx)));
    forget_next(ctx->pool, s->row);
    return st == WF_OK ? wf_sealer_keep_previous(ctx, s, "private_key", "previous_private_key",
                                                 "previous_key_until", old_private_key, overlap)
                       : st;
}

static wf_status_t set_key(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                           const char *account_id, const wf_rsa_key_t *key,
                           apr_interval_time_t overlap)
{
    wf_account_before_t before;
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    wf_sealer_t sealer;
    wf_status_t st;

    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK ||
        (st = wf_change_approve(ctx, change)) != WF_OK) {
        return st;
    }
    st = wf_sealer_open(ctx, &sealer, change, ring, before.id, row);
    if (st == WF_OK) {
        st = seal_key(ctx, &sealer, key, before.private_key, overlap);
    }
    wf_sealer_close(&sealer);
    if (st != WF_OK || (st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    wf_json_set_str(after, "private_key", "[redacted]");
    return wf_change_audit(ctx, change, "account.key_rotated", before.id, before.doc, after);
}

wf_status_t wf_account_set_key(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                               const char *company_id, const char *account_id,
                               const wf_rsa_key_t *key, apr_interval_time_t overlap,
                               const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = set_key(ctx, &change, ring, account_id, key, wf_account_overlap(overlap));
    }
    return wf_change_end(ctx, &change, st);
}

/* ---- a rotation in steps ------------------------------------------------------------------ */

/* A key that an earlier rotation left behind goes on: Meta may have its public half. */
static wf_status_t begin_rotation(wf_ctx_t *ctx, wf_key_rotation_t *out, wf_change_t *change,
                                  const wf_keyring_t *ring, const char *account_id,
                                  const wf_rsa_key_t *key)
{
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    wf_account_before_t before;
    wf_sealer_t sealer;
    wf_status_t st;

    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK) {
        return st;
    }
    if (before.rotation_id && before.rotation_until > wf_now(ctx)) {
        return wf_fail_code(ctx, WF_ECONFLICT, "rotation_in_progress",
                            WFLOGNO(0662) "a key rotation of this account is under way");
    }
    if ((st = wf_change_approve(ctx, change)) != WF_OK) {
        return st;
    }
    if ((st = wf_uuid_v7(ctx, out->id)) != WF_OK) {
        return st;
    }
    if (!before.next_private_key || !before.next_public_key) {
        st = wf_sealer_open(ctx, &sealer, change, ring, before.id, row);
        if (st == WF_OK) {
            st = seal_pair(ctx, &sealer, "next_private_key", "next_public_key", key);
        }
        wf_sealer_close(&sealer);
    }
    wf_json_set_str(row, "key_rotation_id", out->id);
    wf_json_set_str(row, "key_rotation_until",
                    wf_time_format(ctx->pool, wf_now(ctx) + ROTATION_MAX));
    if (st != WF_OK || (st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    out->account = before.doc;
    out->public_key = wf_json_get_str(row, "next_public_key", before.next_public_key);
    return wf_change_audit(ctx, change, "account.key_rotation_started", before.id, before.doc,
                           after);
}

wf_status_t wf_account_rotation_begin(wf_ctx_t *ctx, wf_key_rotation_t *out,
                                      const wf_store_t *store, const wf_keyring_t *ring,
                                      const char *company_id, const char *account_id,
                                      const wf_rsa_key_t *key, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    memset(out, 0, sizeof(*out));
    if (st == WF_OK) {
        st = begin_rotation(ctx, out, &change, ring, account_id, key);
    }
    return wf_change_end(ctx, &change, st);
}

/* What is sealed is bound to its column: moving it means sealing it anew. */
static wf_status_t promote(wf_ctx_t *ctx, wf_sealer_t *s, const wf_account_before_t *before,
                           apr_interval_time_t overlap)
{
    wf_secret_t der;
    wf_status_t st = wf_sealer_unseal(ctx, &der, s, "next_private_key", before->next_private_key);

    if (st == WF_OK) {
        st = wf_sealer_seal(ctx, s, "private_key", der.data, der.len);
    }
    wf_json_set_str(s->row, "public_key", before->next_public_key);
    wf_json_set_str(s->row, "key_generated_at", wf_time_format(ctx->pool, wf_now(ctx)));
    wf_json_set(s->row, "key_rotation_scheduled_at", wf_json_null_make(ctx->pool));
    return st == WF_OK ? wf_sealer_keep_previous(ctx, s, "private_key", "previous_private_key",
                                                 "previous_key_until", before->private_key, overlap)
                       : st;
}

static wf_status_t end_rotation(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                                const wf_key_rotation_t *rotation, wf_rotation_end_t end,
                                apr_interval_time_t overlap)
{
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    const char *account_id = wf_json_get_str(rotation->account, "id", NULL);
    wf_account_before_t before;
    wf_sealer_t sealer;
    wf_status_t st;

    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK) {
        return st;
    }
    if (!before.rotation_id || strcmp(before.rotation_id, rotation->id) != 0 ||
        !before.next_private_key || !before.next_public_key) {
        return wf_fail_code(ctx, WF_ECONFLICT, "rotation_lost",
                            WFLOGNO(0663) "another key was set while this rotation was under way");
    }
    if (end == WF_ROTATION_DONE) {
        st = wf_sealer_open(ctx, &sealer, change, ring, before.id, row);
        if (st == WF_OK) {
            st = promote(ctx, &sealer, &before, overlap);
        }
        wf_sealer_close(&sealer);
    }
    if (end == WF_ROTATION_UNSURE) {
        wf_json_set(row, "key_rotation_id", wf_json_null_make(ctx->pool));
        wf_json_set(row, "key_rotation_until", wf_json_null_make(ctx->pool));
    } else {
        forget_next(ctx->pool, row);
    }
    if (st != WF_OK || (st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    if (end == WF_ROTATION_DONE) {
        wf_json_set_str(after, "private_key", "[redacted]");
    }
    return wf_change_audit(ctx, change,
                           end == WF_ROTATION_DONE ? "account.key_rotated"
                                                   : "account.key_rotation_failed",
                           before.id, before.doc, after);
}

wf_status_t wf_account_rotation_end(wf_ctx_t *ctx, const wf_store_t *store,
                                    const wf_keyring_t *ring, const wf_key_rotation_t *rotation,
                                    wf_rotation_end_t end, apr_interval_time_t overlap,
                                    const wf_actor_t *actor)
{
    const char *company_id = wf_json_get_str(rotation->account, "company_id", NULL);
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = end_rotation(ctx, &change, ring, rotation, end, wf_account_overlap(overlap));
    }
    return wf_change_end(ctx, &change, st);
}
