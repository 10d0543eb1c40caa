#include "service/wf_exchange_int.h"
#include "webhook/wf_delivery.h"

#include <string.h>

/* Where the company has to be told to look: each outcome of a question is one line. */
static wf_json_t *failed(wf_ctx_t *ctx, const wf_tenant_t *tenant, const char *reason)
{
    wf_log(ctx, WF_LOG_WARNING,
           WFLOGNO(0424) "the server of company %s did not answer the flow, on_failure does: %s",
           tenant->company.slug, reason);
    wf_ctx_clear(ctx);
    return NULL;
}

/* Signed like a callback (DESIGN.md section 8), so that the company checks both with one library. */
static wf_status_t sign(wf_ctx_t *ctx, apr_table_t *headers, const wf_service_t *service,
                        const wf_tenant_t *tenant, const wf_account_t *account, const char *body,
                        size_t len)
{
    wf_delivery_headers_t signed_by;
    wf_secret_t sealed, secret;
    char id[WF_UUID_LEN + 1];
    wf_status_t st;

    st = wf_account_secret(ctx, &sealed, tenant, account, service->ring, "callback_secret",
                           account->callback_secret);
    if (st == WF_OK) {
        st = wf_delivery_secret_parse(ctx, &secret, (const char *)sealed.data);
    }
    if (st == WF_OK) {
        st = wf_uuid_v7(ctx, id);
    }
    if (st == WF_OK) {
        st = wf_delivery_sign(ctx, &signed_by, &secret, 1, apr_pstrcat(ctx->pool, "msg_", id, NULL),
                              body, len);
    }
    if (st == WF_OK) {
        apr_table_setn(headers, WF_DELIVERY_ID_HEADER, signed_by.id);
        apr_table_setn(headers, WF_DELIVERY_TIMESTAMP_HEADER, signed_by.timestamp);
        apr_table_setn(headers, WF_DELIVERY_SIGNATURE_HEADER, signed_by.signature);
    }
    return st;
}

static apr_interval_time_t time_allowed(const wf_account_t *account, const wf_outcome_t *outcome)
{
    int64_t ms = account->flow_endpoint_timeout_ms;

    if (outcome->backend_timeout_ms > 0 && outcome->backend_timeout_ms < ms) {
        ms = outcome->backend_timeout_ms;
    }
    return apr_time_from_msec(ms);
}

wf_json_t *wf_backend_ask(wf_ctx_t *ctx, const wf_service_t *service, const wf_tenant_t *tenant,
                          const wf_account_t *account, const wf_outcome_t *outcome)
{
    apr_table_t *headers = apr_table_make(ctx->pool, 6);
    wf_http_request_t request = {.method = "POST", .url = outcome->backend_url, .headers = headers};
    wf_http_reply_t reply;
    wf_json_t *answer;
    size_t len;
    wf_status_t st;

    request.body = wf_json_text(ctx->pool, outcome->backend_body, &len);
    request.body_len = len;
    request.timeout = time_allowed(account, outcome);
    apr_table_setn(headers, "Content-Type", "application/json");
    apr_table_setn(headers, "Accept", "application/json");
    apr_table_setn(headers, "X-Request-Id", ctx->request_id);
    st = sign(ctx, headers, service, tenant, account, request.body, len);
    if (st == WF_ENOTFOUND) {
        return failed(ctx, tenant,
                      "the account has no callback secret to sign with: set one with "
                      "wflowsctl account set --callback-secret");
    }
    if (st != WF_OK) {
        return failed(ctx, tenant, "its callback secret cannot be read");
    }
    if (wf_http_send(ctx, &reply, service->http, &request) != WF_OK) {
        return failed(ctx, tenant, ctx->err.detail ? ctx->err.detail : "no reply");
    }
    if (reply.status < 200 || reply.status > 299) {
        return failed(ctx, tenant, apr_psprintf(ctx->pool, "HTTP status %d", reply.status));
    }
    if (wf_json_parse(ctx, &answer, reply.body, reply.body_len, WF_FLOW_REQUEST_DEPTH) != WF_OK ||
        wf_json_type(answer) != WF_JSON_OBJECT) {
        return failed(ctx, tenant, "its reply is not a JSON object");
    }
    return answer;
}
