#include "service/wf_exchange_int.h"
#include "tenant/wf_token.h"

#include <string.h>

/* Which of the tenant's accounts may have sent this: those whose app secret signed the raw bytes.
 * A bit per account; every secret in its window is tried, in constant time each. */
typedef struct {
    unsigned signed_by;
    int checked; /* accounts looked at so far */
    int secrets; /* that could be tried at all */
} signature_t;

static void try_secret(wf_ctx_t *ctx, wf_exchange_t *x, signature_t *sig, int index,
                       const char *column, const char *sealed)
{
    wf_secret_t secret;
    wf_status_t st;

    if (!sealed) {
        return;
    }
    st = wf_account_secret(ctx, &secret, x->in->tenant, &x->in->tenant->accounts[index],
                           x->service->ring, column, sealed);
    if (st != WF_OK) {
        wf_ctx_clear(ctx);
        wf_metric_add(x->service->metrics, WF_METRIC_CRYPTO_KEYRING, 1);
        return;
    }
    sig->secrets++;
    if (wf_hub_signature_ok(x->in->signature, x->in->body, x->in->body_len, secret.data,
                            secret.len)) {
        sig->signed_by |= 1u << index;
    }
}

static void check_signatures(wf_ctx_t *ctx, wf_exchange_t *x, signature_t *sig)
{
    const wf_tenant_t *t = x->in->tenant;
    apr_time_t now = wf_now(ctx);

    for (; sig->checked < t->account_count; sig->checked++) {
        const wf_account_t *a = &t->accounts[sig->checked];
        try_secret(ctx, x, sig, sig->checked, "app_secret", a->app_secret);
        if (a->previous_secret_until > now) {
            try_secret(ctx, x, sig, sig->checked, "previous_app_secret", a->previous_app_secret);
        }
    }
}

/* The path named no account: the company's other numbers may be behind the same URL. */
static int load_others(wf_ctx_t *ctx, wf_exchange_t *x)
{
    wf_tenant_t *t = x->in->tenant;
    const char *text;
    size_t len;

    if (t->account_named || t->others_loaded || t->account_count == 0) {
        return 0;
    }
    t->others_loaded = 1;
    if (wf_tenant_others_load(ctx, &text, &len, x->service->store, t->company.id,
                              t->accounts[0].id) != WF_OK ||
        wf_tenant_add_accounts(ctx, t, text, len) != WF_OK) {
        wf_ctx_clear(ctx);
        return 0;
    }
    return t->account_count > 1;
}

/* The parsed key from the child's table, or parsed now from what the record holds. The fingerprint covers the
 * sealed text itself and where it belongs, so a slot can never answer for another record. */
static wf_rsa_key_t *find_key(wf_ctx_t *ctx, wf_exchange_t *x, const wf_account_t *a,
                              const char *column, const char *sealed)
{
    unsigned char fingerprint[WF_SHA256_LEN];
    wf_rsa_key_t *key;
    wf_secret_t der;
    const char *named = apr_pstrcat(ctx->pool, x->in->tenant->company.id, "|", a->id, "|", column,
                                    "|", sealed, NULL);

    wf_sha256(fingerprint, named, strlen(named));
    key = wf_rsa_cache_find(ctx, x->service->rsa, fingerprint);
    wf_metric_add(x->service->metrics, key ? WF_METRIC_RSA_KEY_HIT : WF_METRIC_RSA_KEY_MISS, 1);
    if (key) {
        return key;
    }
    if (wf_account_secret(ctx, &der, x->in->tenant, a, x->service->ring, column, sealed) != WF_OK ||
        wf_rsa_parse(ctx, &key, der.data, der.len, NULL) != WF_OK) {
        wf_ctx_clear(ctx);
        wf_metric_add(x->service->metrics, WF_METRIC_CRYPTO_KEYRING, 1);
        return NULL;
    }
    wf_rsa_cache_save(ctx, x->service->rsa, fingerprint, key);
    return key;
}

static int try_key(wf_ctx_t *ctx, wf_exchange_t *x, const wf_envelope_t *envelope,
                   const wf_account_t *a, const char *column, const char *sealed)
{
    wf_rsa_key_t *key = sealed ? find_key(ctx, x, a, column, sealed) : NULL;

    if (!key) {
        return 0;
    }
    wf_metric_add(x->service->metrics, WF_METRIC_RSA_OPERATIONS, 1);
    if (wf_envelope_open(ctx, &x->key, &x->plain, envelope, key) != WF_OK) {
        wf_ctx_clear(ctx);
        return 0;
    }
    x->account = a;
    x->out->account = a;
    return 1;
}

static int try_accounts(wf_ctx_t *ctx, wf_exchange_t *x, const wf_envelope_t *envelope,
                        const signature_t *sig, int from)
{
    const wf_tenant_t *t = x->in->tenant;
    apr_time_t now = wf_now(ctx);
    int i;

    for (i = from; i < t->account_count; i++) {
        const wf_account_t *a = &t->accounts[i];
        if (!(sig->signed_by & 1u << i)) {
            continue;
        }
        if (try_key(ctx, x, envelope, a, "private_key", a->private_key)) {
            return 1;
        }
        if (a->previous_key_until > now &&
            try_key(ctx, x, envelope, a, "previous_private_key", a->previous_private_key)) {
            return 1;
        }
        if (try_key(ctx, x, envelope, a, "next_private_key", a->next_private_key)) {
            return 1;
        }
    }
    return 0;
}

static int refuse_signature(wf_ctx_t *ctx, wf_exchange_t *x, const signature_t *sig)
{
    wf_metric_add(x->service->metrics,
                  sig->secrets ? WF_METRIC_CRYPTO_SIGNATURE : WF_METRIC_CRYPTO_NO_SECRET, 1);
    wf_exchange_end(ctx, x, WF_EXCHANGE_BAD_SIGNATURE, WF_LOG_WARNING,
                    !x->in->signature ? "X-Hub-Signature-256 is missing"
                    : sig->secrets    ? "X-Hub-Signature-256 fits no app secret of the account: is it "
                                        "the app that is connected to this flow?"
                                      : "the account has no app secret that can be read: set one with "
                                        "wflowsctl account set --app-secret");
    return 0;
}

int wf_exchange_open(wf_ctx_t *ctx, wf_exchange_t *x)
{
    signature_t sig = {0, 0, 0};
    wf_envelope_t envelope;
    wf_status_t st;
    int tried;

    if (x->in->signature) {
        check_signatures(ctx, x, &sig);
        if (!sig.signed_by && load_others(ctx, x)) {
            check_signatures(ctx, x, &sig);
        }
    }
    if (!sig.signed_by) {
        return refuse_signature(ctx, x, &sig);
    }
    st = wf_envelope_parse(ctx, &envelope, x->in->body, x->in->body_len);
    if (st == WF_EINVALID) {
        wf_metric_add(x->service->metrics, WF_METRIC_CRYPTO_ENVELOPE, 1);
        wf_exchange_end(ctx, x, WF_EXCHANGE_BAD_REQUEST, WF_LOG_INFO,
                        "the body is not the encrypted envelope");
        return 0;
    }
    if (st == WF_OK) {
        if (try_accounts(ctx, x, &envelope, &sig, 0)) {
            return 1;
        }
        tried = x->in->tenant->account_count;
        if (load_others(ctx, x)) {
            check_signatures(ctx, x, &sig);
            if (try_accounts(ctx, x, &envelope, &sig, tried)) {
                return 1;
            }
        }
    }
    wf_metric_add(x->service->metrics, WF_METRIC_CRYPTO_DECRYPT, 1);
    wf_exchange_end(ctx, x, WF_EXCHANGE_UNDECRYPTABLE, WF_LOG_WARNING,
                    "no private key of the account decrypts it: compare the public key at Meta with "
                    "wflowsctl key show");
    return 0;
}

static int token_signature_fits(wf_ctx_t *ctx, wf_exchange_t *x, const char *column,
                                const char *sealed)
{
    wf_secret_t secret;
    int ok;

    if (!sealed || wf_account_secret(ctx, &secret, x->in->tenant, x->account, x->service->ring,
                                     column, sealed) != WF_OK) {
        wf_ctx_clear(ctx);
        return 0;
    }
    ok = wf_token_signature_ok(ctx, x->request.flow_token_signature, x->request.flow_token,
                               secret.data, secret.len);
    wf_ctx_clear(ctx);
    return ok;
}

int wf_exchange_token_signature_ok(wf_ctx_t *ctx, wf_exchange_t *x)
{
    const wf_account_t *a = x->account;

    return token_signature_fits(ctx, x, "app_secret", a->app_secret) ||
           (a->previous_secret_until > wf_now(ctx) &&
            token_signature_fits(ctx, x, "previous_app_secret", a->previous_app_secret));
}
