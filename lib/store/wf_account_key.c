/* An account's RSA keys. */
#include "store/wf_account_int.h"

#include <string.h>

static wf_status_t seal_key(wf_ctx_t *ctx, wf_sealer_t *s, const wf_rsa_key_t *key,
                            const char *old_private_key, apr_interval_time_t overlap)
{
    wf_secret_t der;
    const char *pem;
    wf_status_t st;

    if ((st = wf_rsa_private_der(ctx, &der, key)) != WF_OK ||
        (st = wf_rsa_public_pem(ctx, &pem, key)) != WF_OK ||
        (st = wf_sealer_seal(ctx, s, "private_key", der.data, der.len)) != WF_OK) {
        return st;
    }
    wf_json_set_str(s->row, "public_key", pem);
    wf_json_set_str(s->row, "key_generated_at", wf_time_format(ctx->pool, wf_now(ctx)));
    return wf_sealer_keep_previous(ctx, s, "private_key", "previous_private_key",
                                   "previous_key_until", old_private_key, overlap);
}

static wf_status_t set_key(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                           const char *account_id, const wf_rsa_key_t *key,
                           apr_interval_time_t overlap)
{
    wf_account_before_t before;
    wf_json_t *row = wf_json_object_make(ctx->pool), *after;
    wf_sealer_t sealer;
    wf_status_t st;

    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK) {
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
