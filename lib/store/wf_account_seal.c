/* Secret columns of an account's row: sealed with the company's current data key, opened with
 * whichever it was. */
#include "store/wf_account_int.h"

#include <string.h>

#define OVERLAP_DEFAULT apr_time_from_sec(86400)

wf_status_t wf_sealer_open(wf_ctx_t *ctx, wf_sealer_t *s, wf_change_t *change,
                           const wf_keyring_t *ring, const char *account_id, wf_json_t *row)
{
    s->change = change;
    s->ring = ring;
    s->account_id = account_id;
    s->row = row;
    return wf_data_key_read(ctx, &s->key, change->conn, ring, change->company_id, NULL);
}

void wf_sealer_close(wf_sealer_t *s)
{
    wf_wipe(&s->key, sizeof(s->key));
}

wf_status_t wf_sealer_seal(wf_ctx_t *ctx, wf_sealer_t *s, const char *column, const void *plain,
                           size_t len)
{
    const wf_seal_place_t place = {WF_ACCOUNT_TABLE, column, s->change->company_id, s->account_id};
    const char *sealed;
    wf_status_t st = wf_seal(ctx, &sealed, &s->key, &place, plain, len);

    if (st == WF_OK) {
        wf_json_set_str(s->row, column, sealed);
    }
    return st;
}

wf_status_t wf_sealer_unseal(wf_ctx_t *ctx, wf_secret_t *out, const wf_sealer_t *s,
                             const char *column, const char *sealed)
{
    const wf_seal_place_t place = {WF_ACCOUNT_TABLE, column, s->change->company_id, s->account_id};
    const char *id = strchr(sealed, ':') ? strchr(sealed, ':') + 1 : "";
    wf_data_key_t key;
    wf_status_t st;

    /* Its data key may be one that has been retired since. */
    st = wf_data_key_read(ctx, &key, s->change->conn, s->ring, s->change->company_id,
                          apr_pstrndup(ctx->pool, id, strcspn(id, ":")));
    if (st == WF_OK) {
        st = wf_unseal(ctx, out, &key, &place, sealed);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

wf_status_t wf_sealer_keep_previous(wf_ctx_t *ctx, wf_sealer_t *s, const char *column,
                                    const char *previous_column, const char *until_column,
                                    const char *sealed, apr_interval_time_t overlap)
{
    wf_secret_t old;
    wf_status_t st;

    if (!sealed || overlap == 0) {
        wf_json_set(s->row, previous_column, wf_json_null_make(ctx->pool));
        wf_json_set(s->row, until_column, wf_json_null_make(ctx->pool));
        return WF_OK;
    }
    if ((st = wf_sealer_unseal(ctx, &old, s, column, sealed)) != WF_OK) {
        return st;
    }
    wf_json_set_str(s->row, until_column, wf_time_format(ctx->pool, wf_now(ctx) + overlap));
    return wf_sealer_seal(ctx, s, previous_column, old.data, old.len);
}

apr_interval_time_t wf_account_overlap(apr_interval_time_t overlap)
{
    return overlap < 0 ? OVERLAP_DEFAULT : overlap;
}
