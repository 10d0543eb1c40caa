/* Changing what a caller may set of an account, secrets included. */
#include "store/wf_account_int.h"

#include <string.h>

wf_status_t wf_account_before(wf_ctx_t *ctx, wf_account_before_t *out, wf_change_t *change,
                              const char *account_id)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(account_id)};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_ACCOUNT_ROW, params);

    if (st != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0291) "no such WhatsApp account");
    }
    out->app_secret = wf_pg_cell(res, 0, 1);
    out->private_key = wf_pg_cell(res, 0, 2);
    out->callback_secret = wf_pg_cell(res, 0, 3);
    out->next_private_key = wf_pg_cell(res, 0, 4);
    out->next_public_key = wf_pg_cell(res, 0, 5);
    out->rotation_id = wf_pg_cell(res, 0, 6);
    out->rotation_until = wf_store_int(res, 0, 7);
    if ((st = wf_store_json(ctx, &out->doc, res, 0, 0)) != WF_OK) {
        return st;
    }
    out->id = wf_json_get_str(out->doc, "id", NULL);
    return wf_change_expect(ctx, change, out->doc);
}

wf_status_t wf_account_save(wf_ctx_t *ctx, wf_json_t **after, wf_change_t *change,
                            const char *account_id, const wf_json_t *row)
{
    const wf_pg_param_t params[] = {change->company_id, account_id,
                                    wf_json_text(ctx->pool, row, NULL), change->actor->actor};

    return wf_change_exec_json(ctx, after, change, WF_SQL_ACCOUNT_UPDATE, params);
}

typedef struct {
    const char *company_id, *account_id;
    const wf_json_t *members;
    apr_interval_time_t overlap;
} account_change_t;

static int is_secret(size_t field)
{
    return wf_account_fields[field].kind == WF_FIELD_SECRET;
}

int wf_account_has_secret(const wf_json_t *members)
{
    size_t i;

    for (i = 0; i < WF_ACCOUNT_FIELDS; i++) {
        if (is_secret(i) && wf_json_has(members, wf_account_fields[i].name)) {
            return 1;
        }
    }
    return 0;
}

static wf_status_t seal_changed(wf_ctx_t *ctx, wf_sealer_t *s, const wf_json_t *members,
                                const wf_account_before_t *before, apr_interval_time_t overlap)
{
    const struct {
        const char *column, *previous, *until, *old;
    } rotated[] = {
        {"app_secret", "previous_app_secret", "previous_secret_until", before->app_secret},
        {"callback_secret", "previous_callback_secret", "previous_callback_secret_until",
         before->callback_secret}};
    wf_status_t st = WF_OK;
    size_t i;

    for (i = 0; st == WF_OK && i < WF_ACCOUNT_FIELDS; i++) {
        const wf_json_t *value =
            is_secret(i) ? wf_json_get(members, wf_account_fields[i].name) : NULL;
        if (wf_json_type(value) == WF_JSON_NULL) {
            wf_json_set(s->row, wf_account_fields[i].name, wf_json_null_make(ctx->pool));
        } else if (value) {
            st = wf_sealer_seal(ctx, s, wf_account_fields[i].name, wf_json_str(value),
                                wf_json_str_len(value));
        }
    }
    for (i = 0; st == WF_OK && i < sizeof(rotated) / sizeof(rotated[0]); i++) {
        const wf_json_t *value = wf_json_get(members, rotated[i].column);
        /* Taken away is taken away: only a new secret leaves the old one valid for a while. */
        if (value) {
            st = wf_sealer_keep_previous(ctx, s, rotated[i].column, rotated[i].previous,
                                         rotated[i].until, rotated[i].old,
                                         wf_json_type(value) == WF_JSON_NULL ? 0 : overlap);
        }
    }
    return st;
}

/* The audit row tells that a secret was changed, never what it is or was. */
static void redact_secrets(wf_json_t *old_doc, wf_json_t *new_doc, const wf_json_t *members)
{
    size_t i;

    for (i = 0; i < WF_ACCOUNT_FIELDS; i++) {
        const wf_json_t *value =
            is_secret(i) ? wf_json_get(members, wf_account_fields[i].name) : NULL;
        if (value && wf_json_type(value) != WF_JSON_NULL) {
            wf_json_set_str(new_doc, wf_account_fields[i].name, "[redacted]");
        } else if (value) {
            wf_json_set_str(old_doc, wf_account_fields[i].name, "[redacted]");
        }
    }
}

static int has_secret(const wf_json_t *members)
{
    size_t i;

    for (i = 0; i < WF_ACCOUNT_FIELDS; i++) {
        if (wf_account_fields[i].kind == WF_FIELD_SECRET &&
            wf_json_has(members, wf_account_fields[i].name)) {
            return 1;
        }
    }
    return 0;
}

/* `whole`: the members are all there is, the secrets excepted, which nobody can send back. */
static wf_status_t update(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring,
                          const char *account_id, const wf_json_t *members, int whole,
                          apr_interval_time_t overlap)
{
    wf_account_before_t before;
    wf_json_t *row = whole ? wf_account_whole(ctx->pool, members) : NULL, *after;
    wf_sealer_t sealer;
    wf_status_t st;

    if ((st = wf_account_before(ctx, &before, change, account_id)) != WF_OK ||
        (!whole && (st = wf_fields_row(ctx, &row, wf_account_fields, WF_ACCOUNT_FIELDS, before.doc,
                                       members)) != WF_OK) ||
        (has_secret(members) && (st = wf_change_approve(ctx, change)) != WF_OK)) {
        return st;
    }
    st = wf_sealer_open(ctx, &sealer, change, ring, before.id, row);
    if (st == WF_OK) {
        st = seal_changed(ctx, &sealer, members, &before, overlap);
    }
    wf_sealer_close(&sealer);
    if (wf_json_has(members, "callback_webhook_url") || wf_json_has(members, "callback_secret")) {
        /* Somebody looked after the receiver: what it said of the old one no longer holds. */
        wf_json_set(row, "callback_disabled_at", wf_json_null_make(ctx->pool));
    }
    if (st != WF_OK || (st = wf_account_save(ctx, &after, change, before.id, row)) != WF_OK) {
        return st;
    }
    redact_secrets(before.doc, after, members);
    return wf_change_audit(ctx, change, "account.updated", before.id, before.doc, after);
}

static wf_status_t change_account(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                                  const account_change_t *in, int whole, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    st = wf_fields_check(ctx, wf_account_fields, WF_ACCOUNT_FIELDS, in->members, 0);
    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, in->company_id, actor);
    if (st == WF_OK) {
        st = update(ctx, &change, ring, in->account_id, in->members, whole,
                    wf_account_overlap(in->overlap));
    }
    return wf_change_end(ctx, &change, st);
}

wf_status_t wf_account_update(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                              const char *company_id, const char *account_id,
                              const wf_json_t *members, apr_interval_time_t overlap,
                              const wf_actor_t *actor)
{
    const account_change_t in = {company_id, account_id, members, overlap};

    return change_account(ctx, store, ring, &in, 0, actor);
}

wf_status_t wf_account_replace(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                               const char *company_id, const char *account_id,
                               const wf_json_t *members, apr_interval_time_t overlap,
                               const wf_actor_t *actor)
{
    const account_change_t in = {company_id, account_id, members, overlap};
    size_t i;

    for (i = 0; i < WF_ACCOUNT_FIELDS; i++) {
        const wf_field_t *field = &wf_account_fields[i];
        if ((field->flags & WF_FIELD_NEEDED) && !wf_json_has(members, field->name)) {
            wf_fault_add(ctx, apr_pstrcat(ctx->pool, "/", field->name, NULL), "needed");
        }
    }
    return change_account(ctx, store, ring, &in, 1, actor);
}
