#include "service/wf_manage_account.h"

#include "service/wf_graph.h"

#include <ctype.h>
#include <string.h>

/* To write down how a rotation ended, when the request's own time may be over. */
#define ENDING_TIME apr_time_from_sec(10)

static const char *number_of(const wf_json_t *account)
{
    return wf_json_get_str(account, "phone_number_id", "");
}

/* ---- the key at Meta ----------------------------------------------------------------------------
 */

/* WF_ECONFLICT unless Meta has this key and has signed it. */
static wf_status_t expect_key(wf_ctx_t *ctx, wf_graph_t *graph, const char *number, const char *pem)
{
    wf_graph_key_t key;
    wf_status_t st = wf_graph_key_read(ctx, &key, graph, number);

    if (st != WF_OK) {
        return st;
    }
    if (!wf_rsa_public_equal(key.pem, pem)) {
        return wf_fail_code(ctx, WF_ECONFLICT, "meta_key_mismatch",
                            WFLOGNO(0665) "Meta answers with %s, not with the one it was given",
                            key.pem ? "another public key" : "no public key");
    }
    if (strcmp(key.status, "MISMATCH") == 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "meta_key_mismatch",
                            WFLOGNO(0666) "Meta says that its signature of the key does not fit");
    }
    return WF_OK;
}

static wf_status_t current_key(wf_ctx_t *ctx, const char **pem, const wf_json_t *account)
{
    *pem = wf_json_get_str(account, "public_key", NULL);
    return *pem ? WF_OK
                : wf_fail_code(ctx, WF_ECONFLICT, "key_missing",
                               WFLOGNO(0667) "the account has no key yet: rotate or import one");
}

wf_status_t wf_manage_key_validate(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                   const char *company_id, const char *account_id)
{
    wf_graph_key_t key;
    wf_graph_t graph;
    wf_json_t *account, *doc = wf_json_object_make(ctx->pool);
    const char *pem;
    wf_status_t st;

    *out = NULL;
    if ((st = wf_graph_open(ctx, &graph, &account, service, company_id, account_id)) != WF_OK ||
        (st = current_key(ctx, &pem, account)) != WF_OK ||
        (st = wf_graph_key_read(ctx, &key, &graph, number_of(account))) != WF_OK) {
        return st;
    }
    wf_json_set(doc, "account_id", wf_json_get(account, "id"));
    wf_json_set(doc, "phone_number_id", wf_json_get(account, "phone_number_id"));
    wf_json_set_bool(doc, "matches", wf_rsa_public_equal(key.pem, pem));
    wf_json_set_str(doc, "signature_status", key.status);
    *out = doc;
    return WF_OK;
}

wf_status_t wf_manage_key_register(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                   const char *company_id, const char *account_id)
{
    wf_graph_t graph;
    wf_json_t *account;
    const char *pem;
    wf_status_t st;

    *out = NULL;
    if ((st = wf_graph_open(ctx, &graph, &account, service, company_id, account_id)) != WF_OK ||
        (st = current_key(ctx, &pem, account)) != WF_OK ||
        (st = wf_graph_key_upload(ctx, &graph, number_of(account), pem)) != WF_OK ||
        (st = expect_key(ctx, &graph, number_of(account), pem)) != WF_OK) {
        return st;
    }
    return wf_manage_key_validate(ctx, out, service, company_id, account_id);
}

wf_status_t wf_manage_key_import(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                 const char *company_id, const char *account_id,
                                 const wf_key_input_t *input, const wf_actor_t *actor)
{
    wf_rsa_key_t *key;
    wf_status_t st = wf_rsa_parse(ctx, &key, input->private_key, strlen(input->private_key),
                                  input->passphrase);

    *out = NULL;
    if (st == WF_EINVALID || st == WF_EDENIED) {
        const char *text = ctx->err.public_text ? ctx->err.public_text : "not a private key";

        wf_ctx_clear(ctx);
        wf_fault_add(ctx, st == WF_EDENIED ? "/passphrase" : "/private_key", "%s", text);
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0669) "%s", wf_faults_text(ctx));
    }
    if (st != WF_OK || (st = wf_account_set_key(ctx, service->store, service->ring, company_id,
                                                account_id, key, input->overlap, actor)) != WF_OK) {
        return st;
    }
    return wf_account_find(ctx, out, service->store, company_id, account_id);
}

/* ---- rotation -----------------------------------------------------------------------------------
 */

/* In a context of its own: ctx->err keeps why the rotation failed. */
static void end_failed(const wf_ctx_t *ctx, const wf_service_t *service,
                       const wf_key_rotation_t *rotation, wf_rotation_end_t end,
                       const wf_actor_t *actor)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);

    own->deadline = wf_now(ctx) + ENDING_TIME;
    if (wf_account_rotation_end(own, service->store, service->ring, rotation, end, -1, actor) !=
        WF_OK) {
        wf_log(own, WF_LOG_WARNING,
               WFLOGNO(0668) "a failed key rotation could not be ended: another may begin in two "
                             "minutes, and goes on with the same key");
    }
}

static wf_status_t give_to_meta(wf_ctx_t *ctx, wf_rotation_end_t *end, wf_graph_t *graph,
                                const wf_key_rotation_t *rotation)
{
    const char *number = number_of(rotation->account);
    wf_status_t st = wf_graph_key_upload(ctx, graph, number, rotation->public_key);

    /* A key of an earlier rotation may be at Meta whatever becomes of this upload. */
    *end = st == WF_OK || graph->is_unsure || wf_json_get_bool(rotation->account, "has_next_key", 0)
               ? WF_ROTATION_UNSURE
               : WF_ROTATION_REFUSED;
    if (st == WF_OK) {
        st = expect_key(ctx, graph, number, rotation->public_key);
    }
    return st;
}

wf_status_t wf_manage_rotate_keys(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                  const char *company_id, const char *account_id,
                                  apr_interval_time_t overlap, const wf_actor_t *actor)
{
    wf_actor_t later = *actor;
    wf_rotation_end_t end;
    wf_key_rotation_t rotation;
    wf_rsa_key_t *key;
    wf_graph_t graph;
    wf_json_t *account;
    wf_status_t st;

    *out = NULL;
    later.if_match =
        NULL; /* was looked at when it began; since then we changed the record ourselves */
    if ((st = wf_graph_open(ctx, &graph, &account, service, company_id, account_id)) != WF_OK ||
        (st = wf_rsa_generate(ctx, &key)) != WF_OK ||
        (st = wf_account_rotation_begin(ctx, &rotation, service->store, service->ring, company_id,
                                        account_id, key, actor)) != WF_OK) {
        return st;
    }
    st = give_to_meta(ctx, &end, &graph, &rotation);
    if (st != WF_OK) {
        end_failed(ctx, service, &rotation, end, &later);
        return st;
    }
    ctx->deadline = ctx->deadline ? wf_now(ctx) + ENDING_TIME : 0; /* Meta has it: finish */
    st = wf_account_rotation_end(ctx, service->store, service->ring, &rotation, WF_ROTATION_DONE,
                                 overlap, &later);
    return st == WF_OK ? wf_account_find(ctx, out, service->store, company_id, account_id) : st;
}

/* ---- the number's standing ----------------------------------------------------------------------
 */

static const char *verification_of(apr_pool_t *pool, const wf_json_t *number)
{
    static const char *const words[] = {WF_VERIFICATION_VERIFIED, "not_verified", "expired"};
    char *status =
        apr_pstrdup(pool, wf_json_get_str(number, "code_verification_status", "unknown"));
    size_t i;
    char *c;

    for (c = status; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], status) == 0) {
            return words[i];
        }
    }
    return "unknown";
}

wf_status_t wf_manage_verify(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                             const char *company_id, const char *account_id,
                             const wf_actor_t *actor)
{
    wf_json_t *account, *number;
    wf_graph_t graph;
    wf_status_t st;

    *out = NULL;
    if ((st = wf_graph_open(ctx, &graph, &account, service, company_id, account_id)) != WF_OK ||
        (st = wf_graph_get(ctx, &number, &graph,
                           apr_pstrcat(ctx->pool, "/", number_of(account),
                                       "?fields=id,code_verification_status", NULL))) != WF_OK ||
        (st = wf_account_set_verification(ctx, service->store, company_id, account_id,
                                          verification_of(ctx->pool, number), actor)) != WF_OK) {
        return st;
    }
    return wf_account_find(ctx, out, service->store, company_id, account_id);
}
