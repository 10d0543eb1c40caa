/* The connection test of an account: WHATSAPP.md 5.3. */
#include "service/wf_manage_account.h"

#include "service/wf_graph.h"

#include <string.h>

typedef struct {
    wf_graph_t *graph;
    const wf_json_t *account;
    wf_json_t *doc;     /* of this check: receives what is worth showing */
    const char *detail; /* why it is not good; NULL: nothing to say */
} check_t;

/* WF_OK and check->detail, or Meta's refusal. *ok: 1 if it is good. */
typedef wf_status_t check_fn(wf_ctx_t *ctx, int *ok, check_t *check);

static const char *path_of(apr_pool_t *pool, const wf_json_t *account, const char *id,
                           const char *rest)
{
    return apr_pstrcat(pool, "/", wf_json_get_str(account, id, ""), rest, NULL);
}

static int has_word(const wf_json_t *list, const char *word)
{
    size_t i;

    for (i = 0; i < wf_json_len(list); i++) {
        const char *text = wf_json_str(wf_json_at(list, i));
        if (text && strcmp(text, word) == 0) {
            return 1;
        }
    }
    return 0;
}

static void show(check_t *check, const wf_json_t *from, const char *member)
{
    wf_json_set(check->doc, member, wf_json_get(from, member));
}

static wf_status_t check_token(wf_ctx_t *ctx, int *ok, check_t *check)
{
    static const char *const scopes[] = {"whatsapp_business_management",
                                         "whatsapp_business_messaging"};
    const wf_json_t *data;
    wf_json_t *reply;
    size_t i;
    wf_status_t st =
        wf_graph_get(ctx, &reply, check->graph,
                     apr_pstrcat(ctx->pool, "/debug_token?input_token=",
                                 wf_graph_escape(ctx->pool, check->graph->token), NULL));

    if (st != WF_OK) {
        return st;
    }
    data = wf_json_get(reply, "data");
    show(check, data, "app_id");
    show(check, data, "type");
    show(check, data, "expires_at");
    *ok = wf_json_get_bool(data, "is_valid", 0);
    check->detail = *ok ? NULL : "Meta says that the access token is not valid";
    for (i = 0; *ok && i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        if (!has_word(wf_json_get(data, "scopes"), scopes[i])) {
            *ok = 0;
            check->detail =
                apr_psprintf(ctx->pool, "the access token lacks the permission %s", scopes[i]);
        }
    }
    return WF_OK;
}

static wf_status_t check_number(wf_ctx_t *ctx, int *ok, check_t *check)
{
    static const char *const members[] = {"display_phone_number", "verified_name", "quality_rating",
                                          "code_verification_status", "platform_type"};
    wf_json_t *reply;
    size_t i;
    wf_status_t st =
        wf_graph_get(ctx, &reply, check->graph,
                     path_of(ctx->pool, check->account, "phone_number_id",
                             "?fields=id,display_phone_number,verified_name,quality_rating,"
                             "code_verification_status,platform_type"));

    for (i = 0; st == WF_OK && i < sizeof(members) / sizeof(members[0]); i++) {
        show(check, reply, members[i]);
    }
    *ok = st == WF_OK;
    return st;
}

static wf_status_t check_waba(wf_ctx_t *ctx, int *ok, check_t *check)
{
    const char *number = wf_json_get_str(check->account, "phone_number_id", "");
    const wf_json_t *data;
    wf_json_t *reply;
    size_t i;
    wf_status_t st = wf_graph_get(
        ctx, &reply, check->graph,
        path_of(ctx->pool, check->account, "waba_id", "/phone_numbers?fields=id&limit=100"));

    if (st != WF_OK) {
        return st;
    }
    data = wf_json_get(reply, "data");
    for (i = 0; !*ok && i < wf_json_len(data); i++) {
        *ok = strcmp(wf_json_get_str(wf_json_at(data, i), "id", ""), number) == 0;
    }
    check->detail = *ok ? NULL : "the number is not one of this WhatsApp Business Account";
    return WF_OK;
}

static wf_status_t check_webhooks(wf_ctx_t *ctx, int *ok, check_t *check)
{
    wf_json_t *reply;
    wf_status_t st =
        wf_graph_get(ctx, &reply, check->graph,
                     path_of(ctx->pool, check->account, "waba_id", "/subscribed_apps"));

    if (st == WF_OK) {
        *ok = wf_json_len(wf_json_get(reply, "data")) > 0;
        check->detail = *ok ? NULL : "no app is subscribed to the account's webhooks";
    }
    return st;
}

static wf_status_t check_key(wf_ctx_t *ctx, int *ok, check_t *check)
{
    const char *ours = wf_json_get_str(check->account, "public_key", NULL);
    wf_graph_key_t key;
    wf_status_t st = wf_graph_key_read(ctx, &key, check->graph,
                                       wf_json_get_str(check->account, "phone_number_id", ""));

    if (st != WF_OK) {
        return st;
    }
    wf_json_set_str(check->doc, "signature_status", key.status);
    *ok = wf_rsa_public_equal(key.pem, ours) && strcmp(key.status, "MISMATCH") != 0;
    check->detail = *ok        ? NULL
                    : !ours    ? "the account has no key here"
                    : !key.pem ? "Meta has no public key of the number"
                               : "Meta has another public key, or does not vouch for it";
    return WF_OK;
}

static const struct {
    const char *name;
    check_fn *run;
    const char *needs; /* a member of the account; NULL: nothing */
} checks[] = {{"token", check_token, NULL},
              {"number", check_number, NULL},
              {"waba", check_waba, "waba_id"},
              {"webhooks", check_webhooks, "waba_id"},
              {"key", check_key, NULL}};

wf_status_t wf_manage_test_connection(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                      const char *company_id, const char *account_id)
{
    wf_json_t *account, *list = wf_json_array_make(ctx->pool);
    int all = 1, tries = 1;
    wf_graph_t graph;
    size_t i;
    wf_status_t st = wf_graph_open(ctx, &graph, &account, service, company_id, account_id);

    *out = NULL;
    if (st != WF_OK) {
        return st;
    }
    for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
        check_t check = {&graph, account, wf_json_object_make(ctx->pool), NULL};
        int ok = 0;

        wf_json_set_str(check.doc, "name", checks[i].name);
        if (!tries || (checks[i].needs && !wf_json_get_str(account, checks[i].needs, NULL))) {
            wf_json_set(check.doc, "ok", wf_json_null_make(ctx->pool));
            check.detail = tries ? "the account has no waba_id" : "not tried";
        } else {
            st = checks[i].run(own, &ok, &check);
            check.detail = st == WF_OK ? check.detail : own->err.public_text;
            tries = st != WF_EUNAVAIL; /* whoever does not answer is not asked five times */
            wf_json_set_bool(check.doc, "ok", ok);
        }
        all &= ok;
        wf_json_set_str(check.doc, "detail", check.detail);
        wf_json_push(list, check.doc);
    }
    *out = wf_json_object_make(ctx->pool);
    wf_json_set_bool(*out, "ok", all);
    wf_json_set(*out, "checks", list);
    return WF_OK;
}
