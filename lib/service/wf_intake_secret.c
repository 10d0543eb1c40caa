/* Who may have sent a webhook: the secrets and verify tokens of the accounts concerned. */
#include "service/wf_intake_int.h"

#include <string.h>

/* What is asked of each secret; 1: it fits, look no further. */
typedef int fits_fn(const wf_secret_t *secret, void *baton);

typedef struct {
    const wf_service_t *service;
    const wf_tenant_t *tenant;
    fits_fn *fits;
    void *baton;
    apr_array_header_t *tried; /* of wf_secret_t: accounts of one app share theirs */
} search_t;

static int is_tried(const search_t *s, const wf_secret_t *secret)
{
    int i;

    for (i = 0; i < s->tried->nelts; i++) {
        const wf_secret_t *other = &APR_ARRAY_IDX(s->tried, i, wf_secret_t);
        if (other->len == secret->len && wf_ct_equal(other->data, secret->data, secret->len)) {
            return 1;
        }
    }
    return 0;
}

static int try_sealed(wf_ctx_t *ctx, search_t *s, const char *account_id, const char *column,
                      const char *sealed)
{
    const wf_account_t account = {.id = account_id};
    wf_secret_t secret;

    if (!sealed || !account_id) {
        return 0;
    }
    if (wf_account_secret(ctx, &secret, s->tenant, &account, s->service->ring, column, sealed) !=
        WF_OK) {
        wf_ctx_clear(ctx);
        wf_metric_add(s->service->metrics, WF_METRIC_CRYPTO_KEYRING, 1);
        return 0;
    }
    if (is_tried(s, &secret)) {
        return 0;
    }
    APR_ARRAY_PUSH(s->tried, wf_secret_t) = secret;
    return s->fits(&secret, s->baton);
}

/* The records of the accounts concerned, from PostgreSQL: all of the company, or the named one. */
static wf_status_t load_records(wf_ctx_t *ctx, wf_json_t **records, const search_t *s)
{
    return wf_webhook_secrets_load(ctx, records, s->service->store, s->tenant->company.id,
                                   s->service->conf.max_accounts);
}

static int is_concerned(const search_t *s, const wf_json_t *record)
{
    const char *id = wf_json_get_str(record, "id", "");

    return !s->tenant->account_named ||
           (s->tenant->account_count > 0 && strcmp(id, s->tenant->accounts[0].id) == 0);
}

/* ---- signatures ---- */

static int signature_fits(const wf_secret_t *secret, void *baton)
{
    const wf_intake_in_t *in = baton;

    return wf_hub_signature_ok(in->signature, in->body, in->body_len, secret->data, secret->len);
}

static int signed_by_others(wf_ctx_t *ctx, search_t *s, const wf_json_t *records)
{
    apr_time_t now = wf_now(ctx);
    size_t i;

    for (i = 0; i < wf_json_len(records); i++) {
        const wf_json_t *a = wf_json_at(records, i);
        const char *id = wf_json_get_str(a, "id", NULL);

        if (try_sealed(ctx, s, id, "app_secret", wf_json_get_str(a, "app_secret", NULL)) ||
            (wf_json_get_int(a, "previous_secret_until_us", 0) > now &&
             try_sealed(ctx, s, id, "previous_app_secret",
                        wf_json_get_str(a, "previous_app_secret", NULL)))) {
            return 1;
        }
    }
    return 0;
}

wf_status_t wf_intake_signature(wf_ctx_t *ctx, int *secrets, const wf_service_t *service,
                                const wf_intake_in_t *in)
{
    const wf_tenant_t *t = in->tenant;
    search_t s = {service, t, signature_fits, (void *)(uintptr_t)in,
                  apr_array_make(ctx->pool, 4, sizeof(wf_secret_t))};
    wf_json_t *records;
    wf_status_t st = WF_OK;
    int found = 0;

    *secrets = 0;
    if (!in->signature) {
        return WF_EDENIED;
    }
    if (t->account_count > 0) {
        const wf_account_t *a = &t->accounts[0];
        found = try_sealed(ctx, &s, a->id, "app_secret", a->app_secret) ||
                (a->previous_secret_until > wf_now(ctx) &&
                 try_sealed(ctx, &s, a->id, "previous_app_secret", a->previous_app_secret));
    }
    if (!found && !t->account_named) {
        st = load_records(ctx, &records, &s);
        found = st == WF_OK && signed_by_others(ctx, &s, records);
    }
    *secrets = s.tried->nelts;
    return st != WF_OK ? st : found ? WF_OK : WF_EDENIED;
}

/* ---- verify tokens ---- */

static int token_fits(const wf_secret_t *secret, void *baton)
{
    const char *token = baton;
    size_t len = strlen(token);

    return len == secret->len && wf_ct_equal(token, secret->data, len);
}

wf_status_t wf_intake_verify(wf_ctx_t *ctx, const wf_service_t *service, const wf_tenant_t *tenant,
                             const char *token)
{
    search_t s = {service, tenant, token_fits, (void *)(uintptr_t)token,
                  apr_array_make(ctx->pool, 4, sizeof(wf_secret_t))};
    const char *found = NULL;
    wf_json_t *records;
    wf_status_t st = load_records(ctx, &records, &s);
    size_t i;

    if (st != WF_OK) {
        return st;
    }
    for (i = 0; i < wf_json_len(records); i++) {
        const wf_json_t *a = wf_json_at(records, i);
        const char *id = wf_json_get_str(a, "id", NULL);

        if (is_concerned(&s, a) && try_sealed(ctx, &s, id, "verify_token",
                                              wf_json_get_str(a, "verify_token", NULL))) {
            found = id;
        }
    }
    if (found) {
        /* Meta has its answer whether or not this is written down. */
        (void)!wf_webhook_verified(ctx, service->store, tenant->company.id, found);
        return WF_OK;
    }
    wf_log(ctx, WF_LOG_WARNING,
           WFLOGNO(0442) "company %s: a webhook's verification was refused: %s",
           tenant->company.slug,
           s.tried->nelts ? "the verify token is another one"
                          : "no verify token is set: wflowsctl account set --verify-token");
    return WF_EDENIED;
}

int wf_intake_challenge_is(const char *challenge)
{
    size_t len = strlen(challenge), i;

    for (i = 0; i < len; i++) {
        if (challenge[i] < ' ' || challenge[i] > '~') {
            return 0;
        }
    }
    return len >= 1 && len <= WF_INTAKE_CHALLENGE_MAX;
}
